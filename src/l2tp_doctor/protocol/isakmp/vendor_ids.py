"""Vendor IDs and what they say about the peer.

Most are the MD5 of a string; those are computed from it here, so the table cannot disagree
with the string.  The others are bytes their authors published or peers were seen to send.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VendorIdEntry:
    """One known vendor ID.

    Attributes:
        name: what it is called.
        value: its bytes, or its first bytes when ``prefix``.
        source: where it is defined or was seen.
        prefix: True when versions or capabilities follow ``value``.
        text: the string ``value`` begins the MD5 of, when it is one.
    """

    name: str
    value: bytes
    source: str
    prefix: bool = False
    text: str | None = None

    def matches(self, data: bytes) -> bool:
        """Returns whether ``data`` is this vendor ID."""
        return data.startswith(self.value) if self.prefix else data == self.value


def _md5(
    text: str, source: str, *, name: str | None = None, prefix: bool = False, size: int = 16
) -> VendorIdEntry:
    value = hashlib.md5(text.encode("ascii"), usedforsecurity=False).digest()[:size]
    return VendorIdEntry(name or text, value, source, prefix, text)


_WINDOWS = "seen in the first message of Windows clients"
_MICROSOFT = "Microsoft (MD5 of the string)"
_NAT_T = "RFC 3947 and its drafts: MD5 of the document's name"

NT5_ISAKMPOAKLEY = _md5("MS NT5 ISAKMPOAKLEY", _WINDOWS, prefix=True)
RFC_3947 = _md5("RFC 3947", "RFC 3947 section 3.1")
NAT_T_DRAFT_02_NEWLINE = _md5(
    "draft-ietf-ipsec-nat-t-ike-02\n", _NAT_T, name="draft-ietf-ipsec-nat-t-ike-02\\n"
)
NAT_T_DRAFT_02 = _md5("draft-ietf-ipsec-nat-t-ike-02", _NAT_T)
NAT_T_DRAFT_03 = _md5("draft-ietf-ipsec-nat-t-ike-03", _NAT_T)
FRAGMENTATION = _md5("FRAGMENTATION", "[MS-IKEE]; Cisco appends capability bits", prefix=True)
MS_NEGOTIATION_DISCOVERY = _md5("MS-Negotiation Discovery Capable", _WINDOWS)
VID_INITIAL_CONTACT = _md5("Vid-Initial-Contact", _WINDOWS)
IKE_CGA = _md5("IKE CGA version 1", _WINDOWS)
WINDOWS_UNNAMED = VendorIdEntry(
    "Windows 01528bbb", bytes.fromhex("01528bbbc00696121849ab9a1c5b2a51"), _WINDOWS, prefix=True
)
DPD = VendorIdEntry("DPD", bytes.fromhex("afcad71368a1f1c96b8696fc7757"), "RFC 3706 section 5.1", prefix=True)
XAUTH = _md5(
    "draft-ietf-ipsra-isakmp-xauth-06.txt", "draft-beaulieu-ike-xauth", name="XAUTH", prefix=True, size=8
)

KNOWN_VENDOR_IDS: tuple[VendorIdEntry, ...] = (
    NT5_ISAKMPOAKLEY,
    RFC_3947,
    NAT_T_DRAFT_02_NEWLINE,
    NAT_T_DRAFT_02,
    NAT_T_DRAFT_03,
    *(_md5(f"draft-ietf-ipsec-nat-t-ike-{number:02}", _NAT_T) for number in (0, 1, 4, 5, 6, 7, 8)),
    _md5("draft-ietf-ipsec-nat-t-ike", _NAT_T),
    FRAGMENTATION,
    MS_NEGOTIATION_DISCOVERY,
    VID_INITIAL_CONTACT,
    IKE_CGA,
    _md5("MS-MamieExists", _MICROSOFT),
    _md5("GSSAPI", "Windows, Kerberos authentication (MD5 of the string)"),
    WINDOWS_UNNAMED,
    DPD,
    XAUTH,
    _md5("strongSwan", "strongSwan (MD5 of the string)"),
    _md5("CISCO-UNITY", "Cisco Unity: MD5 of the string, last two bytes a version", prefix=True, size=14),
    _md5("CISCO-DELETE-REASON", "Cisco (MD5 of the string)", prefix=True),
    _md5("KAME/racoon", "racoon (MD5 of the string)"),
    VendorIdEntry("HeartBeat_Notify", b"HeartBeat_Notify", "ScreenOS; the string itself", prefix=True),
    VendorIdEntry("Libreswan", b"OE-Libreswan", "Libreswan; the string itself and a version", prefix=True),
    VendorIdEntry("Openswan", b"OE", "Openswan; OE and ten printable characters of a hash", prefix=True),
)
"""Known vendor IDs; where several match, the first one counts."""

NT5_VERSIONS: dict[int, str] = {
    2: "Windows 2000",
    3: "Windows XP SP1",
    4: "Windows Server 2003, XP SP2",
    5: "Windows Vista",
    6: "Windows Server 2008",
    7: "Windows 7",
    8: "Windows Server 2008 R2",
    9: "Windows 8 or Server 2012 and later",
}
"""What the four bytes behind the NT5 ISAKMPOAKLEY vendor ID say about the sender."""

_MAX_SHOWN = 64
"""Bytes of an unknown vendor ID that are shown; they are the peer's and may be 64 KiB."""


def name_of_vendor_id(data: bytes) -> str:
    """Returns the name of a vendor ID, with what follows a known prefix, or its hex as ``0x…``."""
    entry = next((entry for entry in KNOWN_VENDOR_IDS if entry.matches(data)), None)
    if entry is None:
        return _hex(data)
    rest = data[len(entry.value) :]
    if not rest:
        return entry.name
    if entry is NT5_ISAKMPOAKLEY and len(rest) == 4:
        number = int.from_bytes(rest, "big")
        return f"{entry.name} {number} ({NT5_VERSIONS.get(number, 'unknown')})"
    if entry.value.isascii() and rest.isascii() and rest.decode("ascii").isprintable():
        return f"{entry.name} {rest[:_MAX_SHOWN].decode('ascii')}"
    return f"{entry.name} {_hex(rest)}"


def _hex(data: bytes) -> str:
    shown = f"0x{data[:_MAX_SHOWN].hex()}"
    return shown if len(data) <= _MAX_SHOWN else f"{shown}… ({len(data)} bytes)"
