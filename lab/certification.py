"""Puts certificates into the gateways: strongSwan's files, Libreswan's NSS database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509 import load_pem_x509_crl

from lab.cases import Dial, GatewayCertificate
from lab.libreswan import NSS_TOOLS, Libreswan, LibreswanOptions
from lab.linux_gateway import LinuxGateway
from lab.namespaces import LabError
from lab.pki import Pki
from lab.strongswan import CRLS, StrongSwan, StrongSwanOptions


def certified(
    server: LinuxGateway[Any], options: Any, certificate: GatewayCertificate | None, pki: Pki
) -> Any:
    """Give a gateway the files it needs and return its options with the certificate.

    Args:
        server: the running gateway.
        options: its options otherwise.
        certificate: what it proves itself with; None for the key.
        pki: certificates.

    Raises:
        LabError: the lab cannot set that up.
    """
    if isinstance(options, StrongSwanOptions) and isinstance(server, StrongSwan):
        server.guest.run(f"rm -f {CRLS}/*")
        return options if certificate is None else _strongswan(server, options, certificate, pki)
    if certificate is None:
        return options
    if isinstance(options, LibreswanOptions) and isinstance(server, Libreswan):
        return _libreswan(server, options, certificate, pki)
    raise LabError(f"{server.name} with certificates: the lab cannot set that up")


def client_files(pki: Pki, dial: Dial, certificate: GatewayCertificate | None) -> Mapping[str, str]:
    """Return what the client is given, by file name."""
    large = certificate is not None and certificate.large
    between = dial.intermediate != "none"
    own = pki.client(dial.certificate or "none", large=large, intermediate=between)
    chain = own.pem + (pki.intermediate(large=large).pem if dial.intermediate == "sent" else "")
    files = {"cert.pem": chain, "key.pem": own.key_pem, "ca.pem": pki.authority(large=large).pem}
    return files if dial.crl is None else {**files, "crl.pem": pki.crl(dial.crl)}


def _named(texts: Mapping[str, str]) -> dict[str, str]:
    """Name files by their content: a daemon is restarted only when its configuration is another."""
    return {f"/run/lab/{kind}-{crc32(text.encode()):08x}.pem": text for kind, text in texts.items()}


def _strongswan(
    server: StrongSwan, options: StrongSwanOptions, certificate: GatewayCertificate, pki: Pki
) -> StrongSwanOptions:
    between = certificate.intermediate != "none"
    own = pki.gateway(certificate.flaw, large=certificate.large, intermediate=between)
    trusted = {"ca": pki.authority(large=certificate.large).pem}
    if certificate.intermediate == "sent":
        trusted["issuing"] = pki.intermediate(large=certificate.large).pem
    authorities = _named(trusted)
    (leaf, key) = files = _named({"cert": own.pem, "key": own.key_pem})
    server.guest.write({**files, **authorities})
    if certificate.revocation:
        server.guest.write({f"{CRLS}/lab.pem": pki.crl("current")})
    # Sections of their own after the connection's.
    sections = [f"ca lab{number}\n cacert={path}\n auto=add" for number, path in enumerate(authorities)]
    remark = [f"# revocation list: {certificate.revocation}"]
    if certificate.beside_key:
        lines = (*options.connection, "rightid=%any\n" + "\n".join([*sections, *remark]))
        return replace(options, connection=lines)
    lines = (
        *("authby=rsasig", f"leftcert={leaf}", "leftsendcert=always", *options.connection),
        "rightid=%any\n" + "\n".join([*sections, *remark]),
    )
    return replace(options, connection=lines, secrets=(*options.secrets, f": RSA {key}"))


def _libreswan(
    server: Libreswan, options: LibreswanOptions, certificate: GatewayCertificate, pki: Pki
) -> LibreswanOptions:
    if certificate.large or certificate.intermediate != "none" or certificate.beside_key:
        raise LabError("libreswan: only a plain certificate")
    own = pki.gateway(certificate.flaw)
    name = f"gateway-{crc32(own.pem.encode()):08x}"
    bundle = serialize_key_and_certificates(name.encode(), own.key, own.certificate, None, NoEncryption())
    (server.guest.box / "mail" / "gateway.p12").write_bytes(bundle)
    commands = [
        "set -e",
        NSS_TOOLS,
        "rm -f /var/lib/ipsec/nss/*",
        "certutil -N -d $NSS --empty-password",
        "pk12util -i /run/box/gateway.p12 -d $NSS -W '' -K ''",
        "certutil -A -n lab-ca -t CT,, -d $NSS -a -i /run/lab/lab-ca.pem",
    ]
    server.guest.write({"/run/lab/lab-ca.pem": pki.authority().pem})
    if certificate.revocation:
        crl = load_pem_x509_crl(pki.crl("current").encode()).public_bytes(Encoding.DER)
        (server.guest.box / "mail" / "lab.crl").write_bytes(crl)
        commands.append("crlutil -I -d $NSS -i /run/box/lab.crl -B")
    server.guest.run("\n".join(commands))
    lines = (
        *("authby=rsasig", f"leftcert={name}", "leftsendcert=always", "leftid=%fromcert"),
        *("rightid=%fromcert", "rightca=%any", *options.connection),
    )
    remark = f"# revocation list: {certificate.revocation}\n"
    return replace(options, connection=lines, connections=options.connections + remark)
