"""The path test between two machines, with faults on the way that the lab makes and counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from l2tp_doctor.report.reflect import ChannelRow, ReflectResult, decode
from lab import faults
from lab.gateway import GATEWAY_ADDRESS, GatewayStatus, Site, User
from lab.namespaces import ManagedProcess, wait_until
from lab.topologies import CLIENT_BEHIND_NAT, SERVER_BEHIND_NAT, Shape, Topology, topology
from tests.integration.checking import COMMAND, FAULTY, HEALTHY, UNDETERMINED, UNPRIVILEGED

pytestmark = pytest.mark.gateway

CONTROL_PORT = 8500


class ReflectorHost:
    """A machine in the gateway's place that runs nothing but the reflector."""

    psk = ""
    users: tuple[User, ...] = ()

    def __init__(self, directory: Path) -> None:
        self.site = Site("reflect", hosted=True)
        self.token = directory / "token"
        self.token.write_text("a token of the lab, 32 bytes long\n")
        self._output = directory / "output"
        self._process: ManagedProcess | None = None

    def start(self, *options: str, prefix: tuple[str, ...] = ()) -> None:
        self._output.write_text("")
        self._process = self.site.namespace.start(
            [*prefix, str(COMMAND), "reflect", "serve", "--token-file", str(self.token), "--lang", "en",
             *options],
            output=self._output,
        )  # fmt: skip
        wait_until(lambda: "Waiting for questions" in self.log(), 20, "the reflector listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def log(self) -> str:
        return self._output.read_text()

    def status(self) -> GatewayStatus:
        return GatewayStatus(0, 0, 0, 0, self.log())

    def wait_clean(self, timeout: float = 15) -> GatewayStatus:
        return self.status()

    def close(self) -> None:
        self.stop()
        self.site.close()


@dataclass(frozen=True)
class Outcome:
    """What one ``reflect test`` said."""

    exit_code: int
    result: ReflectResult

    def value(self, name: str) -> object:
        return next((item.value for item in self.result.observations if item.name == name), None)

    def channel(self, name: str) -> ChannelRow:
        return next(channel for channel in self.result.channels if channel.name == name)

    def way(self, name: str) -> tuple[object, object]:
        """Returns (arrived, returned) of a channel, as both the table and the observations say."""
        channel = self.channel(name)
        found = (channel.arrived, channel.returned)
        assert (self.value(f"reflect.{name}.arrived"), self.value(f"reflect.{name}.returned")) == found
        return found


@pytest.fixture(scope="module")
def reflector(lab_machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReflectorHost]:
    host = ReflectorHost(tmp_path_factory.mktemp("reflect"))
    try:
        host.start("--control-port", str(CONTROL_PORT))
        yield host
    finally:
        host.close()


@pytest.fixture
def path(reflector: ReflectorHost) -> Iterator[Topology]:
    with topology(reflector) as made:
        yield made


def run(path: Topology, reflector: ReflectorHost, *options: str, host: str = "") -> Outcome:
    done = path.client.run(
        [str(COMMAND), "reflect", "test", host or path.dial_address, "--token-file", str(reflector.token),
         "--json", "--lang", "en", *options],
        check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode in (HEALTHY, FAULTY, UNDETERMINED), done.stderr
    return Outcome(done.returncode, decode(done.stdout.encode()))


def test_a_clear_path_passes_everything(path: Topology, reflector: ReflectorHost) -> None:
    tested = run(path, reflector)
    assert (tested.exit_code, tested.result.verdict) == (HEALTHY, "passes"), tested.result
    for name in ("udp500", "udp4500", "esp_udp", "esp"):
        assert tested.way(name) == (True, True)
        sizes = {row.size: row for row in tested.channel(name).sizes}
        # An Ethernet carries 1500 bytes; 2000 and an IPv4 header are more.
        assert sizes[2000].fragmented
        assert not sizes[1400].fragmented
    assert tested.value("reflect.fragments.seen") is True
    assert tested.value("reflect.largest_arrived") == 2000
    assert tested.value("reflect.nat.address_seen") == path.client_address
    assert tested.value("reflect.nat.address_rewritten") is False
    assert tested.value("reflect.payload_changed") is False
    assert tested.channel("udp500").source == f"{path.client_address}:500"
    assert tested.result.elapsed_seconds < 10


def test_over_ipv6(path: Topology, reflector: ReflectorHost) -> None:
    assert path.dial_address6 is not None
    tested = run(path, reflector, host=path.dial_address6)
    assert tested.exit_code == HEALTHY, tested.result
    assert tested.value("reflect.fragments.seen") is True


@pytest.mark.parametrize(("port", "hit"), [(500, {"udp500"}), (4500, {"udp4500", "esp_udp"})])
def test_outbound_and_inbound_loss_differ(
    path: Topology, reflector: ReflectorHost, port: int, hit: set[str]
) -> None:
    others = {"udp500", "udp4500", "esp_udp", "esp"} - hit
    with faults.drop_udp(path, port, direction="out") as fault:
        tested = run(path, reflector)
    assert fault.packets > 0
    assert tested.exit_code == FAULTY
    assert {tested.way(name) for name in hit} == {(False, False)}
    assert {tested.way(name) for name in others} == {(True, True)}
    with faults.drop_udp(path, port, direction="in") as fault:
        tested = run(path, reflector)
    assert fault.packets > 0
    assert tested.exit_code == FAULTY
    assert {tested.way(name) for name in hit} == {(True, False)}
    assert {tested.way(name) for name in others} == {(True, True)}


def test_esp_dropped_on_either_way(path: Topology, reflector: ReflectorHost) -> None:
    with faults.drop_esp(path, direction="out"):
        tested = run(path, reflector)
    assert tested.way("esp") == (False, False)
    assert tested.way("esp_udp") == (True, True)
    with faults.drop_esp(path, direction="in") as fault:
        tested = run(path, reflector)
    assert fault.packets > 0
    assert tested.way("esp") == (True, False)
    assert tested.exit_code == FAULTY


def test_fragments_dropped_on_either_way(path: Topology, reflector: ReflectorHost) -> None:
    with faults.drop_fragments(path, direction="out"):
        tested = run(path, reflector)
    assert tested.value("reflect.fragments.arrived") is False
    assert tested.value("reflect.largest_arrived") == 1472
    assert tested.way("udp500") == (True, True)
    with faults.drop_fragments(path, direction="in"):
        tested = run(path, reflector)
    assert tested.value("reflect.fragments.arrived") is True
    assert tested.value("reflect.fragments.returned") is False
    assert (tested.value("reflect.largest_arrived"), tested.value("reflect.largest_returned")) == (2000, 1472)
    assert tested.exit_code == FAULTY


def test_a_black_hole_for_large_packets(path: Topology, reflector: ReflectorHost) -> None:
    # 1300 bytes in UDP make 1328 of IP, 1200 make 1228.
    with faults.drop_larger_than(path, 1300, direction="out"):
        tested = run(path, reflector)
    assert tested.value("reflect.largest_arrived") == 1200
    assert tested.value("reflect.fragments.arrived") is False
    assert tested.exit_code == FAULTY


@pytest.mark.parametrize("rewrite_ports", [False, True])
def test_a_nat_is_seen(reflector: ReflectorHost, rewrite_ports: bool) -> None:
    with topology(reflector, CLIENT_BEHIND_NAT, rewrite_ports=rewrite_ports) as path:
        tested = run(path, reflector)
    assert tested.way("udp500") == (True, True)
    assert tested.value("reflect.nat.address_rewritten") is True
    assert tested.value("reflect.nat.address_seen") == "192.0.2.1"
    assert tested.value("reflect.nat.source_port_rewritten") is rewrite_ports


def test_a_server_nat_takes_no_esp(reflector: ReflectorHost) -> None:
    with topology(reflector, SERVER_BEHIND_NAT) as path:
        tested = run(path, reflector)
    assert tested.way("udp500") == (True, True)
    assert tested.way("esp_udp") == (True, True)
    assert tested.way("esp") == (False, False)
    assert tested.value("reflect.nat.address_rewritten") is False


def test_a_middlebox_that_alters_ike_is_told_from_one_that_drops_it(
    path: Topology, reflector: ReflectorHost
) -> None:
    # The exchange type, byte 18 of ISAKMP behind 8 bytes of UDP header, becomes Aggressive Mode;
    # a checksum of 0 means none (RFC 768).
    with faults.rule(path, "udp dport 500", direction="out", verdict="@th,208,8 set 4 udp checksum set 0"):
        tested = run(path, reflector)
    assert tested.way("udp500") == (True, True)
    assert tested.value("reflect.payload_changed") is True
    assert all(row.changed for row in tested.channel("udp500").sizes)
    assert tested.exit_code == FAULTY


def test_nothing_returns_at_all_and_the_control_port_still_tells(
    path: Topology, reflector: ReflectorHost
) -> None:
    with faults.rule(path, "meta l4proto { udp, esp }", direction="in"):
        blind = run(path, reflector)
        told = run(path, reflector, "--control-port", str(CONTROL_PORT))
    assert (blind.exit_code, blind.result.verdict) == (UNDETERMINED, "undetermined")
    assert blind.way("udp500") == (None, False)
    assert told.exit_code == FAULTY
    assert told.value("reflect.control.answered") is True
    for name in ("udp500", "udp4500", "esp_udp", "esp"):
        assert told.way(name) == (True, False)
    assert told.value("reflect.largest_arrived") == 2000


def test_a_fifth_of_all_packets_lost_is_not_a_blocked_channel(
    path: Topology, reflector: ReflectorHost
) -> None:
    with faults.loss(path, 20) as fault:
        tested = run(path, reflector)
    assert fault.packets > 0
    for name in ("udp500", "udp4500", "esp_udp", "esp"):
        assert tested.way(name) == (True, True)


def test_a_wrong_token_meets_silence(path: Topology, reflector: ReflectorHost, tmp_path: Path) -> None:
    other = tmp_path / "token"
    other.write_text("another token, as long as the first")
    with faults.rule(path, "meta l4proto { udp, esp, icmp }", direction="in", verdict="accept") as answers:
        done = path.client.run(
            [str(COMMAND), "reflect", "test", GATEWAY_ADDRESS, "--token-file", str(other), "--lang", "en"],
            check=False,
        )
    assert done.returncode == UNDETERMINED
    assert "cannot be told from" in re.sub(r"\s+", " ", done.stdout)
    assert answers.packets == 0


def test_a_reflector_without_privileges_says_so(reflector: ReflectorHost, tmp_path: Path) -> None:
    host = ReflectorHost(tmp_path)
    try:
        host.start("--ike-port", "1500", "--nat-t-port", "1501", prefix=UNPRIVILEGED)
        with topology(host, Shape()) as path:
            tested = run(path, host, "--ike-port", "1500", "--nat-t-port", "1501")
        assert tested.exit_code == HEALTHY, tested.result
        assert tested.channel("esp").returned is None
        assert "native ESP" in tested.channel("esp").reason
        assert "native ESP cannot be received" in host.log()
    finally:
        host.close()


def test_a_taken_port_names_its_owner(reflector: ReflectorHost) -> None:
    done = reflector.site.namespace.run(
        [str(COMMAND), "reflect", "serve", "--token-file", str(reflector.token), "--lang", "en"], check=False
    )
    assert done.returncode == UNDETERMINED
    assert len(done.stderr.splitlines()) == 1
    assert "UDP 500 is held by l2tp-doctor" in done.stderr
    assert "stop the gateway" in done.stderr
