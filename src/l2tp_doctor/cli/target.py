"""Reads GATEWAY: a host name, an internationalised name, or a literal address."""

from __future__ import annotations

import ipaddress
import re
import unicodedata

from l2tp_doctor.cli.problems import UsageProblemError

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:]+):(\d+)")
_MAX_NAME = 253  # RFC 1035 §2.3.4, written form


def parse_gateway(text: str) -> str:
    """Returns the gateway in the form a resolver takes: ASCII name or bare literal address.

    Raises:
        UsageProblemError: with the text that says what is wrong with it.
    """
    name = unicodedata.normalize("NFKC", text).strip().replace("。", ".")
    if not name:
        raise UsageProblemError("gateway.empty")
    if "://" in name or "/" in name:
        host = re.sub(r"^.*://", "", name).split("/")[0] or name
        raise UsageProblemError("gateway.url", text=text, host=host)
    if "@" in name:
        user, _, host = name.rpartition("@")
        raise UsageProblemError("gateway.user", user=user, host=host)
    if any(character.isspace() or not character.isprintable() for character in name):
        raise UsageProblemError("gateway.space", text=ascii(text))
    port = _HOST_PORT.fullmatch(name)
    if port is not None:
        raise UsageProblemError("gateway.port", host=port[1], port=port[2])
    if ":" in name or name.startswith("["):
        return _ipv6(name)
    if re.fullmatch(r"[0-9.]+|0[xX][0-9a-fA-F.xX]*", name):
        return _ipv4(name)
    return _name(name)


def _ipv6(name: str) -> str:
    bare = name[1:-1] if name.startswith("[") and name.endswith("]") else name
    try:
        address = ipaddress.IPv6Address(bare)
    except ValueError:
        raise UsageProblemError("gateway.ipv6", text=name) from None
    if address.is_multicast or address.is_unspecified:
        raise UsageProblemError("gateway.not_a_host", text=name)
    return bare


def _ipv4(name: str) -> str:
    try:
        address = ipaddress.IPv4Address(name)
    except ValueError:
        raise UsageProblemError("gateway.ipv4", text=name) from None
    if address.is_multicast or address.is_unspecified or int(address) == 0xFFFFFFFF:
        raise UsageProblemError("gateway.not_a_host", text=name)
    return name


def _name(name: str) -> str:
    dotted = name.removesuffix(".")
    try:
        encoded = dotted if dotted.isascii() else dotted.encode("idna").decode("ascii")
    except UnicodeError:
        raise UsageProblemError("gateway.name", text=name) from None
    if len(encoded) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in encoded.split(".")):
        raise UsageProblemError("gateway.name", text=name)
    return encoded
