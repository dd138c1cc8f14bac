"""X.500 names as they stand in CERTREQ payloads: bare DER, no certificate around it (RFC 5280 §4.1.2.4)."""

from __future__ import annotations

from collections.abc import Iterator

_SEQUENCE, _SET, _OBJECT_ID = 0x30, 0x31, 0x06
_ENCODINGS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_TYPES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("0992268993f22c640119"): "DC",
    bytes.fromhex("2a864886f70d010901"): "emailAddress",
}
_MAX_NAME = 300  # characters: the peer chooses them


def name_text(der: bytes) -> str:
    """Returns a name for people, in the order it stands in; what cannot be read as its length.

    Args:
        der: a Name; empty for "any authority" (RFC 2408 §3.10).
    """
    if not der:
        return "*"
    try:
        groups = _elements(_only(der, _SEQUENCE), _SET)
        parts = [_attribute(item) for group in groups for item in _elements(group, _SEQUENCE)]
    except (ValueError, IndexError):
        parts = []
    text = ",".join(parts) or f"({len(der)} octets)"
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + "…"


def _attribute(data: bytes) -> str:
    tag, kind, end = _element(data, 0)
    if tag != _OBJECT_ID:
        raise ValueError("no attribute type")
    string, value, _ = _element(data, end)
    shown = value.decode(_ENCODINGS[string], "replace") if string in _ENCODINGS else value.hex()
    safe = "".join(item if item.isprintable() else f"\\{ord(item):02X}" for item in shown)
    return f"{_TYPES.get(kind, kind.hex())}={safe}"


def _only(data: bytes, wanted: int) -> bytes:
    tag, content, end = _element(data, 0)
    if tag != wanted or end != len(data):
        raise ValueError("not one element")
    return content


def _elements(data: bytes, wanted: int) -> Iterator[bytes]:
    offset = 0
    while offset < len(data):
        tag, content, offset = _element(data, offset)
        if tag != wanted:
            raise ValueError("another kind of element")
        yield content


def _element(data: bytes, offset: int) -> tuple[int, bytes, int]:
    """Returns tag, content and the offset behind a DER element."""
    tag, length, start = data[offset], data[offset + 1], offset + 2
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4:
            raise ValueError("no definite length")
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    if start + length > len(data):
        raise ValueError("ends too early")
    return tag, data[start : start + length], start + length
