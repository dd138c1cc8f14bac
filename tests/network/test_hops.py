"""The hop trace on a path of imaginary routers, and ICMP echo on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from l2tp_doctor.network import hop_echo, hops, icmp_errors
from l2tp_doctor.network.capture import Endpoint
from l2tp_doctor.network.hop_echo import EchoUnavailableError, HopEcho, quoted_hop
from l2tp_doctor.network.hops import CONTROLS, MAX_HOPS, MAX_PACKETS, Flow, HopProbe, HopTrace, quotes
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.network.path import Recorder
from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ip import IcmpEcho, build_icmp_echo
from tests.network.limited import LimitedSockets

HOST = "203.0.113.1"
COOKIES = bytes(range(1, 9)) + bytes(8)
MESSAGES = {Channel.IKE: COOKIES + b"ike", Channel.NAT_T: bytes(4) + COOKIES + b"ike"}


@dataclass
class World:
    """A path: routers at hops 1 … ``distance`` - 1, then the host.

    Attributes:
        drops: flow → the router that swallows it after having counted its hops.
        silent: routers that tell nobody when hops run out.
        answers: what the host answers to each flow; nothing if absent.
        quota: ICMP errors a router sends in all.
        quote: octets of the payload that a router quotes.
        refuses: flow → the router that refuses it, and with what.
    """

    distance: int = 5
    drops: dict[Flow, int] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    answers: dict[Flow, str] = field(
        default_factory=lambda: {Flow.PING: "reply", Flow.UDP: "port-unreachable"}
    )
    quota: int = 6
    quote: int = 548
    refuses: dict[Flow, tuple[int, str]] = field(default_factory=dict)
    sent: list[tuple[Flow, int]] = field(default_factory=list)
    open: int = 0
    told: Counter[int] = field(default_factory=Counter)

    def answer(self, flow: Flow, ttl: int) -> tuple[str, str] | None:
        """Sends a packet off; returns who answers what."""
        self.sent.append((flow, ttl))
        end = self.drops.get(flow, self.distance)
        refusal = self.refuses.get(flow)
        if refusal is not None and ttl > refusal[0]:
            return f"192.0.2.{refusal[0]}", refusal[1]
        if ttl < self.distance:
            if ttl > end or ttl in self.silent or self.told[ttl] >= self.quota:
                return None
            self.told[ttl] += 1
            return f"192.0.2.{ttl}", "time-exceeded"
        if flow in self.drops or flow not in self.answers:
            return None
        return HOST, self.answers[flow]

    # -- stand-ins for the sockets --------------------------------------------------------------

    def udp(self, _local: str, remote: Endpoint, *, on_datagram: Any, on_notice: Any) -> Any:
        assert remote == Endpoint(HOST, hops.CONTROL_PORT)
        return FakeEnd(self, {None: Flow.UDP}, on_datagram, lambda _channel, notice: on_notice(notice))

    def path(self, _local: str, remote: str, ports: object, **handlers: Any) -> Any:
        assert (remote, ports) == (HOST, (500, 4500))
        flows = {Channel.IKE: Flow.IKE_500, Channel.NAT_T: Flow.IKE_4500}
        return FakeEnd(self, flows, handlers["on_datagram"], handlers["on_notice"])

    def echo(self, _local: str, _remote: str, heard: Callable[[int, str, str], None]) -> Any:
        self.open += 1
        return FakeEcho(self, heard)


@dataclass
class FakeEnd:
    world: World
    flows: dict[Any, Flow]
    on_datagram: Any
    on_notice: Any

    def __post_init__(self) -> None:
        self.world.open += 1

    def send(self, datagram: Any, *, ttl: int) -> None:
        channel = datagram.channel if isinstance(datagram, Datagram) else None
        payload = datagram.data if isinstance(datagram, Datagram) else datagram
        found = self.world.answer(self.flows[channel], ttl)
        if found is None:
            return
        sender, what = found
        loop = asyncio.get_running_loop()
        if what == "reply":
            reply = Datagram(channel, b"answer") if channel else b"answer"
            loop.call_soon(self.on_datagram, reply, Endpoint(sender, 500))
        else:
            notice = IcmpNotice(what, sender, quoted=payload[: self.world.quote])
            loop.call_soon(self.on_notice, channel, notice)

    def close(self) -> None:
        self.world.open -= 1


@dataclass
class FakeEcho:
    world: World
    heard: Callable[[int, str, str], None]

    def send(self, hop: int) -> None:
        found = self.world.answer(Flow.PING, hop)
        if found is not None:
            asyncio.get_running_loop().call_soon(self.heard, hop, *found)

    def close(self) -> None:
        self.world.open -= 1


def run(
    monkeypatch: pytest.MonkeyPatch, world: World, *, may_ping: bool = True
) -> tuple[HopTrace, list[str]]:
    heard: list[str] = []

    def refuse(*_: object) -> None:
        raise EchoUnavailableError("not permitted")

    monkeypatch.setattr(hops, "UdpEndpoint", world.udp)
    monkeypatch.setattr(hops, "GatewayPath", world.path)
    monkeypatch.setattr(hops, "HopEcho", world.echo if may_ping else refuse)
    monkeypatch.setattr(hops, "_PACE", 0.0)
    monkeypatch.setattr(hops, "_SETTLE", 0.02)

    async def main() -> HopTrace:
        probe = HopProbe(
            "198.51.100.10",
            HOST,
            (500, 4500),
            MESSAGES,
            Recorder(0.0),
            lambda datagram, _sender: heard.append(f"reply {datagram.channel.name}"),
            lambda channel, notice: heard.append(f"{notice.name} {channel.name}"),
        )
        return await hops.trace_hops(probe)

    found = asyncio.run(main())
    assert world.open == 0
    assert len(world.sent) <= MAX_PACKETS
    return found, heard


def reached(found: HopTrace) -> tuple[int, int, int]:
    return found.last(CONTROLS), found.last([Flow.IKE_500]), found.last([Flow.IKE_4500])


@pytest.mark.parametrize("distance", [1, 2, 5, 12, 19])
@pytest.mark.parametrize("may_ping", [True, False])
def test_ike_that_gets_to_the_last_router(
    monkeypatch: pytest.MonkeyPatch, distance: int, may_ping: bool
) -> None:
    world = World(distance)
    found, _heard = run(monkeypatch, world, may_ping=may_ping)
    assert found.distance == distance
    assert reached(found) == (distance, distance - 1, distance - 1)
    if may_ping:
        assert max(hop for flow, hop in world.sent if flow is not Flow.PING) <= distance


@pytest.mark.parametrize("distance", [4, 9, 14])
@pytest.mark.parametrize("swallower", [1, 2, 3])
@pytest.mark.parametrize("may_ping", [True, False])
def test_the_swallower_of_one_port(
    monkeypatch: pytest.MonkeyPatch, distance: int, swallower: int, may_ping: bool
) -> None:
    world = World(distance, drops={Flow.IKE_500: swallower})
    found, _heard = run(monkeypatch, world, may_ping=may_ping)
    assert reached(found) == (distance, swallower, distance - 1)
    if swallower + 1 < distance:
        # Plain UDP was answered by the next router although IKE had asked it first.
        assert swallower + 1 in found.passed([Flow.UDP], again=True)
    assert max(Counter(world.sent).values()) <= 2  # two tries for each hop and kind


def test_routers_are_asked_no_more_than_they_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(8, drops={Flow.IKE_500: 2, Flow.IKE_4500: 4})
    run(monkeypatch, world)
    asked = Counter(hop for _flow, hop in world.sent if hop < 8)
    assert max(asked.values()) <= 7


@pytest.mark.parametrize("quote", [0, 8, 16, 548])
def test_routers_that_quote_little(monkeypatch: pytest.MonkeyPatch, quote: int) -> None:
    """RFC 792 demands 64 bits behind the IP header: the UDP header, and nothing of what is in it."""
    found, _heard = run(monkeypatch, World(quote=quote, drops={Flow.IKE_4500: 2}))
    assert reached(found) == (5, 4, 2)


def test_silent_routers_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _heard = run(monkeypatch, World(6, silent={2, 3}, drops={Flow.IKE_500: 3}))
    assert sorted(found.passed(CONTROLS)) == [1, 4, 5, 6]
    assert reached(found) == (6, 1, 5)


def test_a_host_that_answers_no_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(7, answers={Flow.UDP: "port-unreachable"}, drops={Flow.IKE_500: 3})
    found, _heard = run(monkeypatch, world)
    assert found.distance == 7
    assert reached(found) == (7, 3, 6)
    assert 4 in found.passed([Flow.UDP], again=True)


def test_a_host_that_answers_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(7, answers={}, drops={Flow.IKE_500: 3})
    found, _heard = run(monkeypatch, world)
    assert found.distance is None
    assert reached(found) == (6, 3, 6)
    assert max(hop for flow, hop in world.sent if flow is Flow.IKE_500) == 8


def test_ping_that_is_filtered_on_the_way_is_replaced_by_udp(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _heard = run(monkeypatch, World(7, drops={Flow.PING: 2, Flow.IKE_500: 4}))
    assert found.last([Flow.PING]) == 2
    assert reached(found) == (7, 4, 6)


def test_a_path_where_nobody_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(30, silent=set(range(30)))
    found, _heard = run(monkeypatch, world)
    assert found.answers == []
    assert {flow for flow, _hop in world.sent} == set(CONTROLS)
    assert max(hop for flow, hop in world.sent if flow is Flow.PING) == MAX_HOPS


def test_a_gateway_that_answers_after_all(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(3)
    world.answers[Flow.IKE_500] = "reply"
    found, heard = run(monkeypatch, world)
    assert reached(found) == (3, 3, 2)
    assert "reply IKE" in heard


def test_a_refusal_is_passed_on_and_a_time_exceeded_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found, heard = run(monkeypatch, World(5, refuses={Flow.IKE_500: (2, "admin-prohibited")}))
    assert reached(found) == (5, 2, 4)
    assert set(heard) == {"admin-prohibited IKE"}
    refusals = [item for item in found.answers if item.what == "admin-prohibited"]
    assert {(item.flow, item.sender) for item in refusals} == {(Flow.IKE_500, "192.0.2.2")}


def test_errors_for_what_we_never_sent_count_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    end = FakeEnd.send

    def forged(self: FakeEnd, datagram: Any, *, ttl: int) -> None:
        loop = asyncio.get_running_loop()
        channel = datagram.channel if isinstance(datagram, Datagram) else None
        for notice in (
            IcmpNotice("time-exceeded", "192.0.2.66", quoted=b"something else"),
            IcmpNotice("other", "", local=True),
        ):
            loop.call_soon(self.on_notice, channel, notice)
        end(self, datagram, ttl=ttl)

    monkeypatch.setattr(FakeEnd, "send", forged)
    found, heard = run(monkeypatch, world)
    assert reached(found) == (5, 4, 4)
    assert "192.0.2.66" not in {item.sender for item in found.answers}
    assert heard == []


def test_it_ends_in_time_whatever_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hops, "_WHOLE", 0.01)
    world = World(silent={1})
    run(monkeypatch, world)
    assert {flow for flow, _hop in world.sent} == {Flow.PING}


def test_all_rounds_fit_the_limit() -> None:
    longest = 4 * hops._SETTLE + MAX_PACKETS * hops._PACE
    assert longest < hops._WHOLE <= 2.5


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        (b"", True),
        (COOKIES[:8], True),
        (COOKIES + b"ike" + bytes(100), True),
        (COOKIES[:4] + bytes(124), True),  # padded to 128 octets: RFC 4884 §5.5
        (bytes(8), True),
        (b"\x02" + COOKIES[1:], False),
        (b"\xff", False),
    ],
)
def test_quotations(quoted: bytes, expected: bool) -> None:
    assert quotes(quoted, MESSAGES[Channel.IKE]) is expected


def test_the_control_question_is_a_dns_query() -> None:
    query = hops.CONTROL_PAYLOAD
    assert query[2:4] == b"\0\0"  # a query, recursion not desired
    assert query[4:12] == bytes.fromhex("0001000000000000")  # one question
    assert query[12:] == bytes.fromhex("0000020001")  # root, NS, IN


# -- ICMP echo --------------------------------------------------------------------------------

ECHO = build_icmp_echo(IcmpEcho(False, 0x1234, (3 << 6) | 17, b"token"))


@pytest.mark.parametrize(
    ("quoted", "expected"),
    [
        (ECHO, 17),
        (ECHO[:8], 17),
        (b"\x60" + bytes(39) + b"\x80" + ECHO[1:], 17),  # raw IPv6 sockets
        (b"\x80" + ECHO[1:], 17),
        (b"", None),
        (ECHO[:7], None),
        (b"\x00" + ECHO[1:], None),
        (ECHO[:4] + b"\x43\x21" + ECHO[6:], None),
        (b"\x60" + bytes(20), None),
    ],
)
def test_the_hop_of_a_quoted_echo(quoted: bytes, expected: int | None) -> None:
    assert quoted_hop(quoted, 0x1234) == expected


def allowed(kind: int) -> bool:
    try:
        with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not icmp_errors.available(), reason="no error queue on this system")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_RAW])
def test_a_host_answers_with_each_kind_of_socket(
    monkeypatch: pytest.MonkeyPatch, kind: int, address: str
) -> None:
    if not allowed(kind):
        pytest.skip("this process may not open such a socket")
    refusal = PermissionError(1, "not this kind")
    monkeypatch.setattr(
        hop_echo,
        "socket",
        LimitedSockets(lambda _family, wanted, _protocol: None if wanted == kind else refusal),
    )

    async def main() -> tuple[int, str, str]:
        heard: asyncio.Future[tuple[int, str, str]] = asyncio.get_running_loop().create_future()
        echo = HopEcho(address, address, lambda *found: None if heard.done() else heard.set_result(found))
        try:
            echo.send(7)
            return await asyncio.wait_for(heard, 1.0)
        finally:
            echo.close()

    assert asyncio.run(main()) == (7, address, "reply")


def test_without_the_right_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = PermissionError(1, "Operation not permitted")
    monkeypatch.setattr(hop_echo, "socket", LimitedSockets(lambda *_: refusal))
    with pytest.raises(EchoUnavailableError, match="Operation not permitted; Operation not permitted"):
        HopEcho("127.0.0.1", "127.0.0.1", lambda *_: None)
