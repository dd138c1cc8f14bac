"""A reflector on a host beside the gateway: the other end for ``check --reflect``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from lab.checking import COMMAND
from lab.gateway import BRIDGE, GATEWAY_ROUTER, Site
from lab.namespaces import Namespace, link, wait_running, wait_until

REFLECTOR_ADDRESS = "203.0.113.50"
"""In the gateway's own network."""
_TOKEN = "a token of the lab, 32 bytes long"
_READY_SECONDS = 20.0
_PORT = "refl"


@contextlib.contextmanager
def reflector(site: Site, folder: Path) -> Iterator[tuple[str, ...]]:
    """Run a reflector beside a gateway for the length of a ``with`` block.

    Args:
        site: the gateway's wire.
        folder: for the token and what the reflector says.

    Yields:
        The options of ``check`` that ask it.
    """
    token, output = folder / "token", folder / "reflector.txt"
    token.write_text(_TOKEN)
    output.write_text("")
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(Namespace("reflector"))
        link(host, "eth0", site.namespace, _PORT)
        site.namespace.ip(f"link set {_PORT} master {BRIDGE}", f"link set {_PORT} up")
        host.ip(
            f"addr add {REFLECTOR_ADDRESS}/24 dev eth0",
            "link set eth0 up",
            f"route add default via {GATEWAY_ROUTER}",
        )
        wait_running(host, "eth0")
        process = host.start(
            [str(COMMAND), "reflect", "serve", "--token-file", str(token), "--lang", "en"], output=output
        )
        stack.callback(process.stop)
        wait_until(
            lambda: "Waiting for questions" in output.read_text(), _READY_SECONDS, "the reflector listens"
        )
        # Resolve the link addresses now, as for the gateway; without a path yet nothing answers.
        host.run(["ping", "-q", "-c", "1", "-W", "1", GATEWAY_ROUTER], check=False)
        yield "--reflect", REFLECTOR_ADDRESS, "--reflect-token-file", str(token)
        token.unlink()
