"""The product's own practice gateway on UDP 500 and 4500 of a namespace: for refusals no daemon here gives.

``python -m lab.practice DIRECTORY [FAULT …]`` is what :class:`Practice` starts.  It writes the client's
certificates, where there are any, and then an empty file ``ready`` into the directory.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.gateway import GATEWAY_ADDRESS, GatewayStatus, Site, User
from lab.namespaces import ManagedProcess, wait_until
from lab.registry import current_run

_LIFETIME = 600.0
"""Seconds after which it ends by itself, should its owner forget it."""
_READY_TIMEOUT = 20.0


class Practice:
    """A practice gateway; without native ESP, so dials have to force NAT-T or stand behind a NAT."""

    name = "practice"
    psk = "practice-psk"
    users: tuple[User, ...] = (User("practice", "practice-password"),)

    def __init__(self) -> None:
        self.site = Site("practice", hosted=True)
        self.state = current_run().scratch("practice")
        self._process: ManagedProcess | None = None
        self._faults: tuple[str, ...] | None = None

    def serve(self, *faults: str) -> None:
        """Start anew, with these faults."""
        self.stop()
        (self.state / "ready").unlink(missing_ok=True)
        command = [sys.executable, "-m", "lab.practice", str(self.state), *faults]
        self._process = self.site.namespace.start(command, output=self.state / "output")
        wait_until(
            (self.state / "ready").exists, _READY_TIMEOUT, f"the practice gateway serves; {self.log()}"
        )

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def status(self) -> GatewayStatus:
        """It is made anew for each case and never asked."""
        return GatewayStatus(0, 0, 0, 0, "")

    def wait_clean(self, timeout: float = 15) -> GatewayStatus:
        """Return at once: see :meth:`status`."""
        return self.status()

    def log(self) -> str:
        """Return what the process wrote."""
        output = self.state / "output"
        return output.read_text(errors="replace") if output.exists() else ""

    def close(self) -> None:
        """End it and remove all of it."""
        self.stop()
        self.site.close()
        shutil.rmtree(self.state, ignore_errors=True)


def _write_certificates(directory: Path, chain: Sequence[bytes], key: bytes, authority: bytes) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_der_private_key,
    )

    def pem(certificate: bytes) -> bytes:
        return x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)

    private = load_der_private_key(key, None)
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "cert.pem").write_bytes(b"".join(pem(item) for item in chain))
    (directory / "key.pem").write_bytes(private.private_bytes(*form))
    (directory / "ca.pem").write_bytes(pem(authority))


async def _serve(directory: Path, faults: Sequence[str]) -> None:
    from l2tp_doctor.practice.faults import FAULTS
    from l2tp_doctor.practice.server import PracticeGateway, ServerSettings
    from l2tp_doctor.practice.settings import GatewaySettings

    settings = GatewaySettings()
    for name in faults:
        settings = FAULTS[name].alter(settings)
    server = ServerSettings(settings, host=GATEWAY_ADDRESS, ike_port=500, nat_t_port=4500)
    async with PracticeGateway(server) as gateway:
        made = gateway.certificates
        if made is not None and made.client.private_key is not None:
            _write_certificates(
                directory, made.client.certificates, made.client.private_key.reveal(), made.ca
            )
        (directory / "ready").touch()
        await asyncio.sleep(_LIFETIME)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2:]))
