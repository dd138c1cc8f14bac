"""A practice gateway on UDP 500 and 4500 of the namespace this process runs in.

``python -m bench.practice_host DIRECTORY [FAULT …]`` writes the client's certificates, where there are
any, and then an empty file ``ready`` into the directory, and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.gateway import GATEWAY_ADDRESS

_LIFETIME = 600.0
"""Seconds after which it ends by itself, should its owner forget it."""


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
    (directory / "client.pem").write_bytes(b"".join(pem(item) for item in chain))
    (directory / "client.key").write_bytes(
        private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
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
        if made is not None and any(FAULTS[name].certificates for name in faults):
            private = made.client.private_key
            if private is None:
                raise RuntimeError("the practice gateway made no client key")
            _write_certificates(directory, made.client.certificates, private.reveal(), made.ca)
        (directory / "ready").touch()
        await asyncio.sleep(_LIFETIME)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2:]))
