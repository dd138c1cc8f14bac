"""Dial profiles: exactly what a given client puts on the wire.

Numbers are those of the protocols (IANA), so this room needs nothing from ``protocol``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

from l2tp_doctor.knowledge.files import load_mapping, names

AUTH_PSK = 1
AUTH_RSA_SIGNATURES = 3


@dataclass(frozen=True, slots=True)
class MainModeTransform:
    """One phase 1 transform (RFC 2409 appendix A).

    Attributes:
        encryption: 5 3DES-CBC, 7 AES-CBC.
        key_bits: key length attribute, ``None`` for ciphers that have none.
        hash: 2 SHA-1, 4 SHA2-256, 5 SHA2-384, 6 SHA2-512.
        group: Diffie-Hellman group number.
        authentication: 1 pre-shared key, 3 RSA signatures.
        lifetime: seconds, sent as a 4-byte attribute.
    """

    encryption: int
    key_bits: int | None
    hash: int
    group: int
    authentication: int
    lifetime: int


@dataclass(frozen=True, slots=True)
class QuickModeSuite:
    """One ESP transform (RFC 2407 §4.4.4, RFC 4106 §8.4).

    Attributes:
        transform: 3 3DES, 12 AES-CBC, 20 AES-GCM with a 16-byte ICV.
        key_bits: key length attribute, ``None`` for ciphers that have none.
        integrity: authentication algorithm attribute: 2 HMAC-SHA1, 5 HMAC-SHA2-256;
            ``None`` for AES-GCM.
    """

    transform: int
    key_bits: int | None
    integrity: int | None


@dataclass(frozen=True, slots=True)
class QuickModeOffer:
    """The phase 2 offer.

    Attributes:
        suites: in order of preference.
        separate_proposals: each suite is a proposal of its own, as Windows does, rather
            than a transform of one proposal.
        lifetime_seconds: SA life in seconds.
        lifetime_kilobytes: SA life in kilobytes.
        pfs_group: group number, or ``None`` for no KE payload.
    """

    suites: tuple[QuickModeSuite, ...]
    separate_proposals: bool
    lifetime_seconds: int
    lifetime_kilobytes: int
    pfs_group: int | None


@dataclass(frozen=True, slots=True)
class VendorId:
    """A vendor ID payload's content with the name of what it announces."""

    name: str
    value: bytes


@dataclass(frozen=True, slots=True)
class L2tpIdentity:
    """What SCCRQ says of the caller (RFC 2661 §4.4.2, §4.4.3)."""

    host_name: str
    vendor_name: str
    framing_capabilities: int
    bearer_capabilities: int
    firmware_revision: int
    receive_window: int


@dataclass(frozen=True, slots=True)
class LcpOptions:
    """Options of the first LCP Configure-Request; ``callback`` is the operation or ``None``."""

    mru: int
    magic_number: bool
    protocol_field_compression: bool
    address_control_field_compression: bool
    callback: int | None


@dataclass(frozen=True, slots=True)
class IpcpOptions:
    """What IPCP asks the gateway to assign."""

    address: bool
    dns: bool
    nbns: bool


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything a client decides for itself.

    Attributes:
        name: the profile's name.
        source_port: local UDP port for IKE, 0 for any.
        main_mode: transforms in the order they are offered, all of one proposal.
        transforms_per_message: at most so many of them fit one message that is not fragmented.
        nonce_length: bytes.
        vendor_ids: in the order they are sent.
        quick_mode: the phase 2 offer.
        l2tp_port: local UDP port of L2TP inside ESP.
        l2tp: what SCCRQ says.
        lcp: first Configure-Request.
        ppp_authentication: protocols accepted: ``mschapv2``, ``chap-md5``, ``pap``, ``eap``.
        ipcp: what IPCP asks for.
        ipv6cp: IPV6CP is started beside IPCP.
        unsourced: fields whose value no primary source or capture confirms.
    """

    name: str
    source_port: int
    main_mode: tuple[MainModeTransform, ...]
    transforms_per_message: int
    nonce_length: int
    vendor_ids: tuple[VendorId, ...]
    quick_mode: QuickModeOffer
    l2tp_port: int
    l2tp: L2tpIdentity
    lcp: LcpOptions
    ppp_authentication: tuple[str, ...]
    ipcp: IpcpOptions
    ipv6cp: bool
    unsourced: tuple[str, ...]

    def main_mode_for(self, authentication: int) -> tuple[MainModeTransform, ...]:
        """Returns the transforms with another authentication method, e.g. 3 for certificates."""
        return tuple(replace(item, authentication=authentication) for item in self.main_mode)

    def main_mode_batches(self, authentication: int = AUTH_PSK) -> Iterator[tuple[MainModeTransform, ...]]:
        """Yields the transforms in groups that each fit one unfragmented message, likeliest first."""
        transforms = self.main_mode_for(authentication)
        for start in range(0, len(transforms), self.transforms_per_message):
            yield transforms[start : start + self.transforms_per_message]


def profile_names() -> tuple[str, ...]:
    """Returns the names a user can choose from."""
    return names("profiles")


@cache
def profile(name: str) -> Profile:
    """Returns a profile.

    Raises:
        KeyError: there is none of that name.
        ValueError: its file has the wrong shape.
    """
    if name not in profile_names():
        raise KeyError(name)
    node = load_mapping("profiles", f"{name}.yaml")
    try:
        return _profile(name, node)
    except (KeyError, TypeError) as error:
        raise ValueError(f"profiles/{name}.yaml: {error}") from error


def _profile(name: str, node: Mapping[str, Any]) -> Profile:
    quick = node["quick_mode"]
    return Profile(
        name=name,
        source_port=node["source_port"],
        main_mode=tuple(dict.fromkeys(_transforms(node["main_mode"]))),
        transforms_per_message=node["main_mode"]["transforms_per_message"],
        nonce_length=node["main_mode"]["nonce_length"],
        vendor_ids=tuple(VendorId(item["name"], bytes.fromhex(item["hex"])) for item in node["vendor_ids"]),
        quick_mode=QuickModeOffer(
            suites=tuple(
                QuickModeSuite(item["transform"], item["key_bits"], item["integrity"])
                for item in quick["suites"]
            ),
            separate_proposals=quick["separate_proposals"],
            lifetime_seconds=quick["lifetime_seconds"],
            lifetime_kilobytes=quick["lifetime_kilobytes"],
            pfs_group=quick["pfs_group"],
        ),
        l2tp_port=node["l2tp"]["port"],
        l2tp=L2tpIdentity(**{key: value for key, value in node["l2tp"].items() if key != "port"}),
        lcp=LcpOptions(**node["lcp"]),
        ppp_authentication=tuple(node["ppp_authentication"]),
        ipcp=IpcpOptions(**node["ipcp"]),
        ipv6cp=node["ipv6cp"],
        unsourced=tuple(node["unsourced"]),
    )


def _transforms(node: Mapping[str, Any]) -> Iterator[MainModeTransform]:
    """Yields the listed transforms, then every product of a ``combine`` entry (groups vary slowest)."""
    lifetime: int = node["lifetime"]
    for item in node.get("transforms", ()):
        yield MainModeTransform(
            item["encryption"], item["key_bits"], item["hash"], item["group"], AUTH_PSK, lifetime
        )
    for block in node.get("combine", ()):
        for group, cipher, digest in product(block["groups"], block["ciphers"], block["hashes"]):
            yield MainModeTransform(
                cipher["encryption"], cipher["key_bits"], digest, group, AUTH_PSK, lifetime
            )
