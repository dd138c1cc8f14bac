"""A measurement as a whole: healthy, without credentials, out of time, cancelled."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from l2tp_doctor.diagnosis import diagnose
from l2tp_doctor.knowledge import profile
from l2tp_doctor.network import liveness, raw_esp
from l2tp_doctor.practice.server import PracticeGateway
from l2tp_doctor.practice.settings import PRACTICE_PASSWORD
from l2tp_doctor.probes import experiments
from l2tp_doctor.probes.check import measure
from l2tp_doctor.probes.interface import Measurement
from l2tp_doctor.protocol.engine import Direction
from l2tp_doctor.protocol.secret import Secret
from tests.probes.common import Listening, check, gateway, request, values
from tests.probes.test_faults import emptied


def test_a_healthy_dial() -> None:
    async def main() -> None:
        listener = Listening()
        async with gateway() as server:
            measurement, diagnosis = await check(request(server), listener)
            await emptied(server)
        assert diagnosis.verdict == "healthy"
        assert diagnosis.causes == ()
        got = values(measurement)
        assert got["dial.connected"] is True
        assert got["dial.clean_teardown"] is True
        assert got["ppp.auth.server_authentic"] is True
        assert got["ppp.ipcp.dns"] == ("192.0.2.1",)
        assert str(got["ppp.ipcp.address"]).startswith("192.0.2.")
        assert got["tunnel.echo_reply"] is True
        assert isinstance(got["tunnel.echo_rtt"], float)
        assert "route.error" not in got
        assert tuple(listener.observations) == measurement.observations
        assert tuple(listener.trace) == measurement.trace
        assert measurement.stage == "connected"
        assert measurement.address == "127.0.0.1"
        assert measurement.elapsed < 5
        # The record is whole: what was sent and heard, in order of time.
        times = [packet.at for packet in measurement.packets]
        assert times == sorted(times)
        assert {packet.direction for packet in measurement.packets} == {Direction.OUT, Direction.IN}
        assert any(packet.decrypted for packet in measurement.packets)

    asyncio.run(main())


def test_nothing_of_a_secret_is_in_what_a_measurement_shows() -> None:
    async def main() -> None:
        async with gateway() as server:
            measurement, _ = await check(request(server))
        shown = repr(measurement) + "".join(repr(event) for event in measurement.trace)
        for secret in ("practice-psk", PRACTICE_PASSWORD):
            assert secret not in shown
            assert secret.encode().hex() not in shown

    asyncio.run(main())


def test_loopback_is_dialled_with_nat_t_even_where_raw_sockets_are_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_esp, "unavailable_because", lambda: "")

    async def main() -> None:
        async with gateway() as server:
            measurement, _ = await check(request(server, nat_t="auto"))
        got = values(measurement)
        assert got["native_esp.available"] is True
        assert got["nat_t.forced"] is True
        assert got["esp.encapsulation"] == "udp"

    asyncio.run(main())


def test_insisting_on_native_esp_without_a_raw_socket_measures_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(raw_esp, "unavailable_because", lambda: "no permission")

    async def main() -> None:
        async with gateway() as server:
            with pytest.raises(PermissionError, match="no permission"):
                await check(request(server, nat_t="native"))
            assert server.status().empty
            assert server.status().counters.get("received", 0) == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    ("missing", "reason", "stage", "named"),
    [
        ({"psk": None}, "needs-psk", "ike_auth", "ike.main.needs_psk"),
        ({"username": None, "password": None}, "needs-credentials", "auth", "ppp.auth.needs_credentials"),
        ({"password": None}, "needs-credentials", "auth", "ppp.auth.needs_credentials"),
    ],
)
def test_without_credentials_it_goes_as_far_as_it_can(
    missing: dict[str, Any], reason: str, stage: str, named: str
) -> None:
    async def main() -> None:
        async with gateway() as server:
            measurement, diagnosis = await check(request(server, **missing))
            await emptied(server)
        assert measurement.stage == stage
        assert values(measurement)[named] is True
        assert diagnosis.verdict == "undetermined"
        assert diagnosis.undetermined is not None
        assert diagnosis.undetermined.reason == reason
        for language in ("ja", "en"):
            assert diagnosis.undetermined.text.get(language)
        assert measurement.elapsed < 5

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["udp-500-blocked", "l2tp-service-down", None])
def test_the_budget_is_hard(fault: str | None) -> None:
    async def main() -> None:
        async with gateway(fault) as server:
            begin = time.monotonic()
            measurement, diagnosis = await check(request(server, budget=1.0))
            took = time.monotonic() - begin
            assert took <= 1.0 + 2.0 + 0.3
            assert not measurement.interrupted
            assert values(measurement).get("route.error") is None
            if fault is not None:
                assert diagnosis.verdict != "healthy"
            await emptied(server)

    asyncio.run(main())


def test_a_dead_resolver_does_not_outlast_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket
    import threading

    release = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(30))

    async def main() -> Measurement:
        async with gateway() as server:
            return (await check(request(server, host="vpn.example", budget=0.2)))[0]

    begin = time.monotonic()
    try:
        measurement = asyncio.run(main())
        assert time.monotonic() - begin < 3.0
    finally:
        release.set()
    assert measurement.stage == "resolve"
    assert measurement.address is None


@pytest.mark.parametrize("host", ["nobody.invalid", "a" * 64 + ".example"])
def test_a_name_that_does_not_exist(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    real = socket.getaddrinfo

    def offline(name: str, *rest: Any, **named: Any) -> Any:
        if name == "nobody.invalid":  # RFC 6761 §6.4: it never exists; no name server need be asked
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(name, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", offline)

    async def main() -> None:
        async with gateway() as server:
            measurement, diagnosis = await check(request(server, host=host))
        assert diagnosis.verdict == "faulty"
        assert diagnosis.causes[0].id == "name-not-resolved"
        assert measurement.stage == "resolve"
        assert measurement.packets == ()

    asyncio.run(main())


def test_an_experiment_that_cannot_run_is_an_error_and_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Too many open files, say: it must not pass as a silence, nor keep the gateway busy."""

    async def broken(_run: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(experiments, "ping", broken)

    async def main() -> None:
        async with gateway("udp-4500-blocked") as server:
            with pytest.raises(OSError, match="Too many open files"):
                await check(request(server))
        assert await others() == []

    asyncio.run(main())


def test_ping_that_is_not_allowed_is_not_measured_and_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def not_allowed(*_: object, **__: object) -> None:
        raise liveness.PingUnavailableError("Operation not permitted")

    monkeypatch.setattr(liveness, "ping", not_allowed)

    async def main() -> None:
        async with gateway("udp-500-blocked") as server:
            measurement, diagnosis = await check(request(server))
        ping = next(item for item in measurement.observations if item.name == "host.ping_reply")
        assert ping.value is None
        assert "Operation not permitted" in ping.reason
        assert diagnosis.causes[0].id == "udp-500-blocked"

    asyncio.run(main())


# -- cancellation ----------------------------------------------------------------------------------


async def others() -> list[asyncio.Task[Any]]:
    """Every other task that is still alive once the loop had a round to finish them."""
    await asyncio.sleep(0)
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def open_sockets() -> int:
    if not sys.platform.startswith("linux"):
        return 0
    count = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # descriptors vanish while they are listed
        try:
            count += os.readlink(f"/proc/self/fd/{name}").startswith("socket:")  # noqa: PTH115  # no file
        except OSError:
            continue
    return count


async def cancelled_after(server: PracticeGateway, delay: float, **changes: Any) -> Measurement:
    asked = request(server, **changes)
    task = asyncio.ensure_future(measure(asked, profile(asked.profile), Listening()))
    await asyncio.sleep(delay)
    task.cancel()
    return await task


MOMENTS = [0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08]


@pytest.mark.parametrize("seed", range(4))
def test_cancelled_at_any_moment_it_tears_down_and_returns_what_it_knows(seed: int) -> None:
    """The moments differ from run to run; a healthy dial takes about 0.1 s."""
    chance = random.Random(seed)

    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = 10.0
        async with gateway() as server:
            before = open_sockets()
            for moment in [*MOMENTS, *(chance.uniform(0, 0.12) for _ in range(12))]:
                measurement = await cancelled_after(server, moment)
                assert measurement.interrupted or measurement.stage == "connected"
                assert await others() == []
                assert open_sockets() == before
                diagnose(measurement.observations, stage=measurement.stage)
                await emptied(
                    server, half_open=len(MOMENTS) + 12
                )  # one of each dial stopped before message 5

    asyncio.run(main(), debug=True)


@pytest.mark.parametrize("fault", ["udp-500-blocked", "udp-4500-blocked", "l2tp-service-down"])
@pytest.mark.parametrize("delay", [0.3, 1.2])
def test_cancelled_among_experiments_it_leaves_nothing(fault: str, delay: float) -> None:
    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = 10.0
        async with gateway(fault) as server:
            before = open_sockets()
            begin = time.monotonic()
            measurement = await cancelled_after(server, delay)
            assert time.monotonic() - begin < delay + 2.5
            assert measurement.interrupted
            assert values(measurement).get("route.error") is None
            assert await others() == []
            assert open_sockets() == before
            await emptied(server)

    asyncio.run(main(), debug=True)


def test_the_second_cancellation_ends_at_once() -> None:
    async def main() -> None:
        async with gateway("l2tp-service-stuck") as server:
            asked = request(server)
            before = open_sockets()
            task = asyncio.ensure_future(measure(asked, profile(asked.profile), Listening()))
            await asyncio.sleep(0.3)
            task.cancel()
            await asyncio.sleep(0.02)
            begin = time.monotonic()
            task.cancel()
            measurement = await task
            assert time.monotonic() - begin < 0.2
            assert measurement.interrupted
            assert await others() == []
            assert open_sockets() == before

    asyncio.run(main(), debug=True)


def test_cancelled_while_it_ends_anyway_the_verdict_stays() -> None:
    async def main() -> None:
        async with gateway(delay=0.05) as server:
            asked = replace(request(server), password=Secret(b"wrong"))
            listener = Listening()
            task = asyncio.ensure_future(measure(asked, profile(asked.profile), listener))
            async with asyncio.timeout(10):
                while not any(item.name == "dial.connected" for item in listener.observations):
                    await asyncio.sleep(0.005)
            before = time.monotonic()
            task.cancel()
            measurement = await task
            assert time.monotonic() - before < 2.5
            diagnosis = diagnose(measurement.observations, stage=measurement.stage)
            assert diagnosis.causes[0].id == "ppp-credentials-rejected"
            assert await others() == []

    asyncio.run(main())
