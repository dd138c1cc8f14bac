"""Secrets that cannot be printed by accident."""

from __future__ import annotations

import hmac


class Secret:
    """A pre-shared key, password or private key as bytes.

    ``repr``, ``str`` and formatting show ``***``; the bytes come out only through
    :meth:`reveal`, so every use of a secret can be found by searching for that name.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Returns the secret's bytes, for a key derivation or a wire field only."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    def __hash__(self) -> int:
        return hash(Secret)  # equal secrets hash alike without the hash telling anything

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret is not written anywhere, so it is not pickled either")
