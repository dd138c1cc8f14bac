"""Certificates against real strongSwan: a VPN that works, and every gateway certificate Windows refuses."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from lab import faults
from lab.strongswan import StrongSwan, StrongSwanOptions
from lab.topologies import DIRECT, topology
from tests.integration.checking import Checked, Doctor
from tests.integration.handover import prepare
from tests.integration.pki import Identity, authority, leaf, new_key

pytestmark = [pytest.mark.gateway, pytest.mark.xdist_group("certificates")]

ANY_FRAGMENT = "ip frag-off & 0x3fff != 0"


class Pki:
    """Two authorities, a client, and gateways with one flaw each; keys are made once."""

    def __init__(self) -> None:
        self.ca = authority("Lab CA", new_key())
        self.stranger = authority("Somebody else's CA", new_key())
        self.client = leaf(
            "client", self.ca, new_key(), address="198.51.100.10", usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)
        )
        self.foreign_client = leaf("client", self.stranger, new_key(), address="198.51.100.10")
        key = new_key()
        self.good = leaf("gateway", self.ca, key)
        self.large_key = new_key(4096)
        self.large_ca = authority("Large CA", self.large_key)
        self.flawed = {
            "expired": leaf("gateway", self.ca, key, valid=(-50, -1)),
            "not-yet-valid": leaf("gateway", self.ca, key, valid=(1, 50)),
            "untrusted": leaf("gateway", self.stranger, key),
            "name-mismatch": leaf("gateway", self.ca, key, address="203.0.113.77"),
            "wrong-usage": leaf("gateway", self.ca, key, usages=(ExtendedKeyUsageOID.CODE_SIGNING,)),
        }


@pytest.fixture(scope="module")
def gateway(strongswan_gateway: StrongSwan) -> Iterator[StrongSwan]:
    """The gateway; its state is put in order when a path to it is made."""
    yield strongswan_gateway
    strongswan_gateway.configure(StrongSwanOptions())  # the last test's options are not for other modules


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@dataclass(frozen=True)
class CertifiedDoctor:
    """A doctor that dials with a client certificate."""

    doctor: Doctor
    options: tuple[str, ...]

    def healthy(self) -> Checked:
        return self.doctor.healthy(*self.options)

    def faulty(self, cause: str) -> Checked:
        return self.doctor.faulty(cause, *self.options)


Dial = Callable[..., contextlib.AbstractContextManager[CertifiedDoctor]]


@pytest.fixture
def dial(gateway: StrongSwan, pki: Pki, tmp_path: Path) -> Dial:
    """Makes a path to a gateway that authenticates with the given certificates."""

    @contextlib.contextmanager
    def make(
        server: Identity,
        client: Identity | None = None,
        *,
        ca: Identity | None = None,
        connection: Sequence[str] = (),
    ) -> Iterator[CertifiedDoctor]:
        client = client or pki.client
        paths = {name: tmp_path / f"{name}.pem" for name in ("cert", "key", "ca")}
        paths["cert"].write_text(client.pem)
        paths["key"].write_text(client.key_pem)
        paths["ca"].write_text((ca or pki.ca).pem)
        options = tuple(item for name, path in paths.items() for item in (f"--{name}", str(path)))
        # Names that differ with the content: strongSwan is restarted only when its configuration is another.
        files = {
            f"/run/lab/{kind}-{crc32(text.encode()):08x}.pem": text
            for kind, text in (("cert", server.pem), ("key", server.key_pem), ("ca", (ca or pki.ca).pem))
        }
        gateway.guest.write(files)
        certificate, key, trusted = files
        lines = (
            *connection,
            "authby=rsasig",
            f"leftcert={certificate}",
            "leftsendcert=always",
            # A section of its own after the connection's.
            f"rightid=%any\nca lab\n cacert={trusted}\n auto=add",
        )
        secrets = (f": RSA {key}",)
        prepare(gateway, connection=lines, secrets=secrets)
        with topology(gateway, DIRECT) as path:
            yield CertifiedDoctor(Doctor(gateway, path, tmp_path), options)

    return make


def test_a_dial_with_certificates_connects(dial: Dial, pki: Pki) -> None:
    with dial(pki.good) as doctor:
        checked = doctor.healthy()
    assert checked.value("certificate.problem") is None
    assert checked.value("certificate.subject") == "CN=gateway"
    assert "RSA" in checked.value("ike.main.selected")


@pytest.mark.parametrize("flaw", ["expired", "not-yet-valid", "untrusted", "name-mismatch", "wrong-usage"])
def test_a_gateway_certificate_that_windows_refuses(dial: Dial, pki: Pki, flaw: str) -> None:
    with dial(pki.flawed[flaw]) as doctor:
        checked = doctor.faulty(f"gateway-certificate-{flaw}")
    assert checked.value("certificate.problem") == flaw


def test_a_client_certificate_of_an_unknown_authority(dial: Dial, pki: Pki) -> None:
    with dial(pki.good, pki.foreign_client) as doctor:
        doctor.faulty("client-certificate-rejected")


def test_a_certificate_is_not_called_untrusted_when_nobody_was_named_to_trust(dial: Dial, pki: Pki) -> None:
    with dial(pki.flawed["untrusted"]) as certified:
        options = certified.options[: certified.options.index("--ca")]
        checked = certified.doctor.healthy(*options)
    assert checked.value("certificate.problem") is None
    assert "no CA" in checked.reason("certificate.problem")


def large(pki: Pki) -> tuple[Identity, Identity]:
    """Make a gateway's and a client's certificate that no Ethernet frame holds together with a signature."""
    server = leaf("gateway", pki.large_ca, pki.large_key)
    return server, leaf("client", pki.large_ca, pki.large_key, address="198.51.100.10")


def test_large_certificates_go_in_ip_fragments(dial: Dial, pki: Pki) -> None:
    server, client = large(pki)
    with dial(server, client, ca=pki.large_ca) as certified:
        path = certified.doctor.path
        fragmented = faults.rule(path, ANY_FRAGMENT, direction="out", verdict="accept", hook="prerouting")
        with fragmented as fragments:
            certified.healthy()
        assert fragments.packets > 0


def test_large_certificates_go_in_ike_fragments_where_ip_fragments_are_dropped(dial: Dial, pki: Pki) -> None:
    server, client = large(pki)
    with dial(server, client, ca=pki.large_ca) as certified:
        with faults.drop_fragments(certified.doctor.path) as fault:
            checked = certified.healthy()
        assert fault.packets > 0
    assert checked.value("ike.fragmentation_supported") is True


def test_large_certificates_are_lost_where_neither_gets_through(dial: Dial, pki: Pki) -> None:
    server, client = large(pki)
    with dial(server, client, ca=pki.large_ca, connection=("fragmentation=no",)) as certified:
        with faults.drop_fragments(certified.doctor.path) as fault:
            checked = certified.faulty("ike-fragments-dropped")
        assert fault.packets > 0
    assert checked.value("experiment.small.reply") is True
    assert checked.value("experiment.padded.reply") is False
