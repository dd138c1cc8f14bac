"""The packet that LCP, the NCPs, PAP, CHAP and EAP share: Code, Identifier, Length (RFC 1661 §5)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from l2tp_doctor.protocol.wire import Reader, WireError


class Code(enum.IntEnum):
    """Codes of the control protocols (RFC 1661 §5, RFC 1570 §2)."""

    CONFIGURE_REQUEST = 1
    CONFIGURE_ACK = 2
    CONFIGURE_NAK = 3
    CONFIGURE_REJECT = 4
    TERMINATE_REQUEST = 5
    TERMINATE_ACK = 6
    CODE_REJECT = 7
    PROTOCOL_REJECT = 8
    ECHO_REQUEST = 9
    ECHO_REPLY = 10
    DISCARD_REQUEST = 11
    IDENTIFICATION = 12
    TIME_REMAINING = 13


CODE_NAMES: dict[int, str] = {code.value: code.name.replace("_", "-").title() for code in Code}


def code_name(code: int) -> str:
    """Returns the RFC's name of a code (``Configure-Request``), or ``Code-N``."""
    return CODE_NAMES.get(code, f"Code-{code}")


@dataclass(frozen=True, slots=True)
class ControlPacket:
    """One control packet.  ``data`` is what follows the four header octets."""

    code: int
    identifier: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Returns the packet's octets."""
        return bytes([self.code, self.identifier]) + (len(self.data) + 4).to_bytes(2, "big") + self.data


def decode_control_packet(payload: bytes) -> ControlPacket:
    """Reads a packet; octets behind its Length are padding and ignored (RFC 1661 §5).

    Raises:
        WireError: the header is short or Length does not fit the payload.
    """
    reader = Reader(payload)
    code = reader.uint8("code")
    identifier = reader.uint8("identifier")
    length = reader.uint16("length")
    if length < 4:
        raise WireError(2, "length", f"{length} is shorter than the header")
    return ControlPacket(code, identifier, reader.raw(length - 4, "data"))


def text_of(data: bytes) -> str:
    """Returns a peer's words for display: UTF-8 where it is, control characters removed, 512 at most.

    The cap and the filter keep a hostile gateway from flooding or steering a terminal.
    """
    text = data[:512].decode("utf-8", "replace")
    return "".join(character for character in text if character.isprintable())
