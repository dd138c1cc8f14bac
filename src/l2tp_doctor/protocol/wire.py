"""Bounded big-endian reading and writing of wire formats.

A :class:`Reader` sees a window of the message.  :meth:`Reader.block` narrows the
window to a length-prefixed block and fails when the block was not consumed
exactly, so that trailing garbage in a payload is found where it sits instead of
being silently skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class WireError(ValueError):
    """A peer's bytes do not follow the format.

    Attributes:
        offset: byte offset from the start of the outermost message.
        field: name of the field that could not be read.
        reason: what is wrong with it.
    """

    def __init__(self, offset: int, field: str, reason: str) -> None:
        super().__init__(f"{field} at offset {offset}: {reason}")
        self.offset = offset
        self.field = field
        self.reason = reason


class Reader:
    """Reads big-endian integers and byte strings from ``data``, never beyond its window."""

    __slots__ = ("_data", "_end", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)
        self._position = 0
        self._end = len(self._data)

    @property
    def position(self) -> int:
        """Offset of the next unread byte from the start of the message."""
        return self._position

    @property
    def remaining(self) -> int:
        """Unread bytes in the current window."""
        return self._end - self._position

    def fail(self, field: str, reason: str) -> WireError:
        """Returns the error for a bad value at the current position; the caller raises it."""
        return WireError(self._position, field, reason)

    def raw(self, length: int, field: str) -> bytes:
        """Returns the next ``length`` bytes.

        Raises:
            WireError: the window holds fewer bytes, or ``length`` is negative.
        """
        if length < 0 or length > self.remaining:
            raise self.fail(field, f"needs {length} bytes, {self.remaining} left")
        start = self._position
        self._position += length
        return self._data[start : self._position]

    def rest(self) -> bytes:
        """Returns everything left in the window (possibly nothing)."""
        return self.raw(self.remaining, "rest")

    def uint8(self, field: str) -> int:
        """Returns the next byte as an unsigned integer."""
        return self.raw(1, field)[0]

    def uint16(self, field: str) -> int:
        """Returns the next two bytes as an unsigned integer."""
        return int.from_bytes(self.raw(2, field), "big")

    def uint32(self, field: str) -> int:
        """Returns the next four bytes as an unsigned integer."""
        return int.from_bytes(self.raw(4, field), "big")

    @contextmanager
    def block(self, length: int, field: str) -> Iterator[None]:
        """Narrows the window to the next ``length`` bytes.

        Raises:
            WireError: the block is longer than the window, or was not consumed exactly.
        """
        if length < 0 or length > self.remaining:
            raise self.fail(field, f"block of {length} bytes, {self.remaining} left")
        outer_end = self._end
        self._end = self._position + length
        try:
            yield
            if self._position != self._end:
                raise self.fail(field, f"{self._end - self._position} unread bytes at its end")
        finally:
            self._end = outer_end


class Writer:
    """Collects big-endian integers and byte strings."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def __len__(self) -> int:
        return len(self._buffer)

    def raw(self, value: bytes) -> None:
        """Appends bytes as they are."""
        self._buffer += value

    def uint8(self, value: int) -> None:
        """Appends one byte; ``OverflowError`` when ``value`` does not fit (a bug of ours)."""
        self._buffer += value.to_bytes(1, "big")

    def uint16(self, value: int) -> None:
        """Appends two bytes."""
        self._buffer += value.to_bytes(2, "big")

    def uint32(self, value: int) -> None:
        """Appends four bytes."""
        self._buffer += value.to_bytes(4, "big")

    def patch_uint16(self, offset: int, value: int) -> None:
        """Overwrites two bytes at ``offset``: lengths known only after the body."""
        self._buffer[offset : offset + 2] = value.to_bytes(2, "big")

    def getvalue(self) -> bytes:
        """Returns everything written so far."""
        return bytes(self._buffer)
