"""Networks that refuse, lack, occupy or flood, each in a namespace of its own or on loopback."""

from __future__ import annotations

import json
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.platforms.command import COMMAND, CREDENTIALS, ENVIRONMENT, ROOT, run, text
from tests.platforms.isolated import isolated, need_namespaces

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")


def checked(*arguments: str, alone: bool = True) -> tuple[int, dict[str, Any]]:
    if alone:
        need_namespaces()
    command = isolated(COMMAND) if alone else COMMAND
    done = run("check", *arguments, *CREDENTIALS, "--json", command=command)
    assert "Traceback" not in text(done)
    return done.returncode, json.loads(done.stdout)


def observed(document: dict[str, Any]) -> dict[str, Any]:
    return {item["name"]: item["value"] for item in document["observations"]}


def test_without_any_network_a_name_is_not_resolved() -> None:
    code, document = checked("vpn.example.com", "--budget", "20")
    assert code == 1
    assert document["causes"][0]["id"] == "name-not-resolved"
    assert document["stage"] == "resolve"


@pytest.mark.parametrize(("address", "option"), [("192.0.2.1", "-4"), ("2001:db8::1", "-6")])
def test_without_a_route_the_gateway_cannot_be_reached(address: str, option: str) -> None:
    code, document = checked(address, option)
    assert code == 1
    assert observed(document)["route.error"] == "network-unreachable"
    assert [item["id"] for item in document["causes"]] == ["gateway-unreachable"]
    assert document["timeline"] == []


def test_a_name_without_ipv6_address_dialled_with_6(tmp_path: Path) -> None:
    need_namespaces()
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 only4.test\n", encoding="ascii")
    # A mount namespace too, so that the name is known from a hosts file of our own.
    script = 'ip link set lo up && mount --bind "$0" /etc/hosts && exec "$@"'
    done = run(
        "check", "only4.test", "-6", "--json", "--budget", "20",
        command=["unshare", "--net", "--mount", "sh", "-c", script, str(hosts), *COMMAND],
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["causes"][0]["id"] == "name-not-resolved"
    assert observed(document)["resolve.ok"] is False


# A gateway on 127.0.0.2 with the real port numbers; another process may hold our own source ports.
WITH_PORTS = """
import asyncio, json, socket, sys
from dataclasses import replace
from l2tp_doctor.practice.server import PracticeGateway, ServerSettings
from l2tp_doctor.practice.settings import GatewaySettings
from tests.probes.common import check, request, values

async def main(taken):
    blockers = []
    for port in taken:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", port))
        blockers.append(sock)
    hosts = ServerSettings(GatewaySettings(), "127.0.0.2", 500, 4500)
    async with PracticeGateway(hosts) as server:
        measurement, diagnosis = await check(replace(request(server), host="127.0.0.2"))
    for sock in blockers:
        sock.close()
    sources = {packet.source for packet in measurement.packets}
    ports = sorted({source.port for source in sources if source.address == "127.0.0.1"})
    print(json.dumps([diagnosis.verdict, values(measurement).get("source.port_500"), ports]))

asyncio.run(main([int(port) for port in sys.argv[1:]]))
"""


@pytest.mark.parametrize("taken", [(), (4500,), (500, 4500)], ids=str)
def test_source_ports_that_are_taken_fall_back_to_others(taken: tuple[int, ...]) -> None:
    need_namespaces()
    done = subprocess.run(
        isolated([sys.executable, "-c", WITH_PORTS, *map(str, taken)]),
        capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, timeout=40,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    verdict, from_500, ports = json.loads(done.stdout)
    assert verdict == "healthy"
    assert from_500 is (500 not in taken)
    assert (500 in ports) is (500 not in taken)
    assert (4500 in ports) is (4500 not in taken)


# -- peers that mean harm --------------------------------------------------------------------------

Reply = Callable[[bytes], list[bytes]]


@contextmanager
def hostile(reply: Reply) -> Iterator[tuple[str, ...]]:
    """Two UDP ports that answer every datagram with whatever ``reply`` returns."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ike,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nat_t,
    ):
        stop = threading.Event()

        def serve(sock: socket.socket) -> None:
            while not stop.is_set():
                try:
                    data, sender = sock.recvfrom(65535)
                except OSError:
                    continue
                for answer in reply(data):
                    if stop.is_set():
                        return
                    try:
                        sock.sendto(answer, sender)
                    except OSError:
                        break

        for sock in (ike, nat_t):
            sock.bind(("127.0.0.1", 0))
            sock.settimeout(0.1)
        threads = [threading.Thread(target=serve, args=(sock,), daemon=True) for sock in (ike, nat_t)]
        for thread in threads:
            thread.start()
        try:
            yield ("--ike-port", str(ike.getsockname()[1]), "--nat-t-port", str(nat_t.getsockname()[1]))
        finally:
            stop.set()
            for thread in threads:
                thread.join(5)


def echo_back(data: bytes) -> list[bytes]:
    return [data]


def mangled(data: bytes) -> list[bytes]:
    """Our own header with a responder cookie and then what nobody can read."""
    return [data[:8] + os.urandom(8) + data[16:28] + os.urandom(len(data))] * 5


HOSTILE: dict[str, Reply] = {
    "garbage flood": lambda _: [os.urandom(200)] * 3000,
    "empty": lambda _: [b""] * 50,
    "65 kB": lambda _: [os.urandom(65_507)] * 300,
    "65 kB with our cookie": lambda data: [data[:8] + os.urandom(65_499)] * 300,
    "our own words": echo_back,
    "mangled": mangled,
    "one byte each": lambda data: [bytes([byte]) for byte in data],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_peer_costs_neither_time_nor_memory_nor_the_verdict(name: str) -> None:
    def limited() -> None:
        # Address space of a healthy check is well below half of this.
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    with hostile(HOSTILE[name]) as ports:
        done = subprocess.run(
            [*COMMAND, "--lang", "en", "check", "127.0.0.1", *ports, *CREDENTIALS, "--json", "--budget", "3"],
            capture_output=True, env=ENVIRONMENT, cwd=ROOT, timeout=30, preexec_fn=limited,
        )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert b"bug in l2tp-doctor" not in done.stderr
    assert done.returncode in (1, 3), done.stderr.decode()[-500:]
    document = json.loads(done.stdout)
    assert document["verdict"] != "healthy"
    assert document["stage"] in ("reach", "ike_main")
    assert document["elapsed_seconds"] < 3 + 2 + 1
    assert len(done.stdout) + len(done.stderr) < 8_000_000
