"""The reflector and the path test on real sockets of this machine's loopback."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from l2tp_doctor.network import reflect_server
from l2tp_doctor.network.port_owner import udp_port_owner
from l2tp_doctor.network.reflect_ports import linux
from l2tp_doctor.network.reflect_server import PortError, ReflectServer, ReflectSettings
from l2tp_doctor.observations import Observation
from l2tp_doctor.probes.reflect import ReflectMeasurement, ReflectRequest, reflect_test
from l2tp_doctor.protocol.engine import TraceEvent
from l2tp_doctor.protocol.reflect.reflector import ReflectorEvent, SessionBegan, WrongToken
from l2tp_doctor.protocol.reflect.wire import Lane, Question, open_answer, seal_question
from l2tp_doctor.protocol.secret import Secret

TOKEN = Secret(b"a token of the loopback tests")
OTHER = Secret(b"a token that nobody else has")


class Silent:
    def on_trace(self, event: TraceEvent) -> None:
        assert TOKEN.reveal().decode() not in repr(event)

    def on_observation(self, observation: Observation) -> None:
        pass

    def on_experiment(self, name: str, running: bool) -> None:
        pass


@contextlib.asynccontextmanager
async def serving(
    address: str = "127.0.0.1", *, control: bool = False
) -> AsyncIterator[tuple[ReflectServer, list[ReflectorEvent]]]:
    events: list[ReflectorEvent] = []
    settings = ReflectSettings(TOKEN, (address,), 0, 0, 0 if control else None)
    async with ReflectServer(settings, events.append) as server:
        yield server, events


def request(server: ReflectServer, host: str = "127.0.0.1", token: Secret = TOKEN) -> ReflectRequest:
    return ReflectRequest(
        host, token, server.ike_port, server.nat_t_port, server.control_port, budget=20.0
    )  # fmt: skip


def values(measurement: ReflectMeasurement) -> dict[str, object]:
    return {item.name: item.value for item in measurement.observations}


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_loopback_passes_on_every_channel(address: str) -> None:
    async def main() -> tuple[ReflectMeasurement, list[ReflectorEvent]]:
        async with serving(address, control=True) as (server, events):
            return await reflect_test(request(server, address), Silent()), events

    if address == "::1" and not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    measurement, events = asyncio.run(main())
    found = values(measurement)
    assert measurement.verdict == "passes", measurement.channels
    for name in ("udp500", "udp4500", "esp_udp"):
        assert (found[f"reflect.{name}.arrived"], found[f"reflect.{name}.returned"]) == (True, True)
    assert found["reflect.nat.address_seen"] == address
    assert found["reflect.nat.address_rewritten"] is False
    assert found["reflect.nat.source_port_rewritten"] is False
    assert found["reflect.payload_changed"] is False
    assert found["reflect.control.answered"] is True
    assert isinstance(events[0], SessionBegan)
    assert len(events) == 1
    by_name = {channel.name: channel for channel in measurement.channels}
    assert by_name["udp500"].source == by_name["udp500"].source_seen != ""


def test_a_wildcard_answers_from_the_address_that_was_asked() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        async with serving("0.0.0.0") as (server, _):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.setblocking(False)
                client.connect(("127.0.0.7", server.ike_port))  # hears nobody else
                asked = Question(Lane.IKE, b"sessionX", 0, int(time.time()), 408)
                client.send(seal_question(TOKEN, asked, os.urandom))
                async with asyncio.timeout(5):
                    return await loop.sock_recv(client, 4096)

    if not linux():
        pytest.skip("only Linux tells the address a packet arrived at")
    report = open_answer(TOKEN, Lane.IKE, asyncio.run(main())).report
    assert report.address == bytes([127, 0, 0, 1])


def test_without_the_token_no_channel_answers() -> None:
    async def main() -> tuple[ReflectMeasurement, list[ReflectorEvent]]:
        async with serving(control=True) as (server, events):
            asked = ReflectRequest(
                "127.0.0.1", OTHER, server.ike_port, server.nat_t_port, server.control_port, budget=1.0
            )
            return await reflect_test(asked, Silent()), events

    measurement, events = asyncio.run(main())
    assert measurement.verdict == "undetermined"
    assert values(measurement)["reflect.udp500.arrived"] is None
    assert values(measurement)["reflect.udp500.returned"] is False
    assert all(isinstance(event, WrongToken) for event in events)


@pytest.mark.parametrize(
    "sent", [b"", b"\0", b"\xff\xff" + bytes(10), b"\0\x20" + bytes(32), b"GET / HTTP/1.1\r\n"]
)
def test_a_stranger_on_tcp_is_hung_up_on_without_a_word(sent: bytes) -> None:
    async def main() -> bytes:
        async with serving(control=True) as (server, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.control_port)
            writer.write(sent)
            writer.write_eof()
            async with asyncio.timeout(5):
                said = await reader.read()
            writer.close()
            return said

    assert asyncio.run(main()) == b""


def test_a_connection_that_says_nothing_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect_server, "FIRST_RECORD_SECONDS", 0.05)

    async def main() -> bytes:
        async with serving(control=True) as (server, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.control_port)
            async with asyncio.timeout(5):
                said = await reader.read()
            writer.close()
            return said

    assert asyncio.run(main()) == b""


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reflect_server, "MAX_CONNECTIONS", 2)

    async def main() -> bytes:
        async with serving(control=True) as (server, _):
            held = [await asyncio.open_connection("127.0.0.1", server.control_port) for _ in range(3)]
            async with asyncio.timeout(5):
                said = await held[2][0].read()
            for _, writer in held:
                writer.close()
            return said

    assert asyncio.run(main()) == b""


def test_a_taken_port_is_named_with_its_owner() -> None:
    async def main() -> PortError:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.bind(("127.0.0.1", 0))
            port = other.getsockname()[1]
            with pytest.raises(PortError) as caught:
                async with ReflectServer(ReflectSettings(TOKEN, ("127.0.0.1",), port, 0)):
                    pass
            assert caught.value.port == port
            if linux():
                assert udp_port_owner(port) == Path("/proc/self/comm").read_text().strip()
            return caught.value

    assert asyncio.run(main()).errno == errno.EADDRINUSE


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with a gateway's daemon whose descriptors cannot be read."""
    (tmp_path / "net").mkdir()
    header = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    )
    line = (
        "  1: 00000000:01F4 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2\n"
    )
    (tmp_path / "net" / "udp").write_text(header + line)
    for number, name in ((10, "bash"), (20, "charon")):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "comm").write_text(f"{name}\n")
    return tmp_path


def test_an_ike_daemon_of_another_user_is_taken_for_the_owner(proc: Path) -> None:
    assert udp_port_owner(500, proc=proc) == "charon"
    assert udp_port_owner(501, proc=proc) == ""
    (proc / "10" / "fd").mkdir()
    (proc / "10" / "fd" / "3").symlink_to("socket:[4711]")
    assert udp_port_owner(500, proc=proc) == "bash"


def test_no_system_tells_nothing(tmp_path: Path) -> None:
    assert udp_port_owner(500, proc=tmp_path / "none") == ""
