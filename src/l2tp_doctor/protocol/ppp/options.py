"""Configuration options: Type, Length, Data (RFC 1661 §6), with one registry row per option.

An option without a row is kept raw and shown by number; nothing is dropped.
"""

from __future__ import annotations

import enum
import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from l2tp_doctor.protocol.ppp.frame import PppProtocol, protocol_name
from l2tp_doctor.protocol.wire import Reader, WireError

MAX_OPTIONS = 64
"""More options than any protocol defines; stops a 64 kB packet of two-octet options from costing work."""


class LcpOption(enum.IntEnum):
    """LCP options (RFC 1661 §6, RFC 1570 §2.3, RFC 1990 §5.1)."""

    MRU = 1
    ACCM = 2
    AUTHENTICATION = 3
    QUALITY = 4
    MAGIC = 5
    PFC = 7
    ACFC = 8
    CALLBACK = 13
    MRRU = 17
    SHORT_SEQUENCE = 18
    ENDPOINT = 19


class IpcpOption(enum.IntEnum):
    """IPCP options (RFC 1332 §3, RFC 1877 §1)."""

    IP_ADDRESSES = 1
    IP_COMPRESSION = 2
    IP_ADDRESS = 3
    PRIMARY_DNS = 129
    PRIMARY_NBNS = 130
    SECONDARY_DNS = 131
    SECONDARY_NBNS = 132


class Ipv6cpOption(enum.IntEnum):
    """IPV6CP options (RFC 5072 §4)."""

    INTERFACE_IDENTIFIER = 1
    IPV6_COMPRESSION = 2


class CcpOption(enum.IntEnum):
    """CCP options (RFC 1962 §4; 18 is MPPC/MPPE, RFC 2118 §2 and RFC 3078 §2)."""

    OUI = 0
    PREDICTOR1 = 1
    PREDICTOR2 = 2
    STAC = 17
    MPPE = 18
    BSD = 21
    LZS_DCP = 23
    DEFLATE = 26


@dataclass(frozen=True, slots=True)
class Option:
    """One option; ``data`` is without its Type and Length."""

    type: int
    data: bytes = b""

    def encode(self) -> bytes:
        """Returns the option's octets."""
        return bytes([self.type, len(self.data) + 2]) + self.data


@dataclass(frozen=True, slots=True)
class OptionRow:
    """How one option is named, checked and shown.

    ``length`` is the exact number of data octets, or ``None`` where it varies.
    """

    name: str
    length: int | None
    show: Callable[[bytes], object]


def _number(data: bytes) -> object:
    return int.from_bytes(data, "big")


def _hexadecimal(data: bytes) -> object:
    return data.hex()


def _present(_data: bytes) -> object:
    return True


def _address(data: bytes) -> object:
    return str(ipaddress.IPv4Address(data)) if len(data) == 4 else data.hex()


def authentication_name(data: bytes) -> str:
    """Returns the name of what an Authentication-Protocol option asks for (RFC 1661 §6.2)."""
    number = int.from_bytes(data[:2], "big")
    if number != PppProtocol.CHAP:
        return protocol_name(number)
    algorithm = data[2] if len(data) > 2 else 0
    return {5: "CHAP", 0x80: "MS-CHAP", 0x81: "MS-CHAPv2"}.get(algorithm, f"CHAP algorithm {algorithm}")


def mppe_text(data: bytes) -> object:
    """Returns the supported-bits field of option 18 in words (RFC 3078 §2.1)."""
    bits = int.from_bytes(data, "big")
    names = ((0x01000000, "stateless"), (0x40, "128-bit"), (0x20, "40-bit"), (0x80, "56-bit"), (1, "MPPC"))
    return " ".join(name for bit, name in names if bits & bit) or "nothing"


OptionTable = Mapping[int, OptionRow]

LCP_OPTIONS: OptionTable = {
    LcpOption.MRU: OptionRow("MRU", 2, _number),
    LcpOption.ACCM: OptionRow("ACCM", 4, _hexadecimal),
    LcpOption.AUTHENTICATION: OptionRow("Authentication-Protocol", None, authentication_name),
    LcpOption.QUALITY: OptionRow("Quality-Protocol", None, _hexadecimal),
    LcpOption.MAGIC: OptionRow("Magic-Number", 4, _hexadecimal),
    LcpOption.PFC: OptionRow("Protocol-Field-Compression", 0, _present),
    LcpOption.ACFC: OptionRow("Address-and-Control-Field-Compression", 0, _present),
    LcpOption.CALLBACK: OptionRow("Callback", None, _hexadecimal),
    LcpOption.MRRU: OptionRow("Multilink-MRRU", 2, _number),
    LcpOption.SHORT_SEQUENCE: OptionRow("Short-Sequence-Numbers", 0, _present),
    LcpOption.ENDPOINT: OptionRow("Endpoint-Discriminator", None, _hexadecimal),
}
IPCP_OPTIONS: OptionTable = {
    IpcpOption.IP_ADDRESSES: OptionRow("IP-Addresses", 8, _hexadecimal),
    IpcpOption.IP_COMPRESSION: OptionRow("IP-Compression-Protocol", None, _hexadecimal),
    IpcpOption.IP_ADDRESS: OptionRow("IP-Address", 4, _address),
    IpcpOption.PRIMARY_DNS: OptionRow("Primary-DNS", 4, _address),
    IpcpOption.PRIMARY_NBNS: OptionRow("Primary-NBNS", 4, _address),
    IpcpOption.SECONDARY_DNS: OptionRow("Secondary-DNS", 4, _address),
    IpcpOption.SECONDARY_NBNS: OptionRow("Secondary-NBNS", 4, _address),
}
IPV6CP_OPTIONS: OptionTable = {
    Ipv6cpOption.INTERFACE_IDENTIFIER: OptionRow("Interface-Identifier", 8, _hexadecimal),
    Ipv6cpOption.IPV6_COMPRESSION: OptionRow("IPv6-Compression-Protocol", None, _hexadecimal),
}
CCP_OPTIONS: OptionTable = {
    CcpOption.OUI: OptionRow("OUI", None, _hexadecimal),
    CcpOption.PREDICTOR1: OptionRow("Predictor-1", None, _present),
    CcpOption.PREDICTOR2: OptionRow("Predictor-2", None, _present),
    CcpOption.STAC: OptionRow("Stac-LZS", None, _hexadecimal),
    CcpOption.MPPE: OptionRow("MPPE", 4, mppe_text),
    CcpOption.BSD: OptionRow("BSD-Compress", None, _hexadecimal),
    CcpOption.LZS_DCP: OptionRow("LZS-DCP", None, _hexadecimal),
    CcpOption.DEFLATE: OptionRow("Deflate", None, _hexadecimal),
}


def decode_options(data: bytes) -> tuple[Option, ...]:
    """Reads a list of options that fills ``data`` exactly.

    Raises:
        WireError: an option is cut off or shorter than its own header, or there are too many.
    """
    reader = Reader(data)
    found: list[Option] = []
    while reader.remaining:
        if len(found) == MAX_OPTIONS:
            raise reader.fail("options", f"more than {MAX_OPTIONS}")
        start = reader.position
        kind = reader.uint8("option type")
        length = reader.uint8("option length")
        if length < 2:
            raise WireError(start, "option length", f"{length} is shorter than the option's header")
        found.append(Option(kind, reader.raw(length - 2, f"option {kind}")))
    return tuple(found)


def encode_options(options: Iterable[Option]) -> bytes:
    """Returns the options' octets in order."""
    return b"".join(option.encode() for option in options)


def has_legal_length(option: Option, table: OptionTable) -> bool:
    """Tells whether the option has the length its row asks for (unknown options always do)."""
    row = table.get(option.type)
    return row is None or row.length is None or row.length == len(option.data)


def describe(options: Iterable[Option], table: OptionTable) -> dict[str, object]:
    """Returns the options by name with readable values; unknown ones as ``Option-N`` in hexadecimal."""
    shown: dict[str, object] = {}
    for option in options:
        row = table.get(option.type)
        if row is None or not has_legal_length(option, table):
            shown[row.name if row else f"Option-{option.type}"] = option.data.hex()
        else:
            shown[row.name] = row.show(option.data)
    return shown
