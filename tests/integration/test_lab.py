"""Proves the lab itself, with foreign tools only: a wrong lab would make every other proof worthless."""

from __future__ import annotations

import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from lab import faults, netem, registry
from lab.gateway import Gateway, User
from lab.namespaces import LabError, Namespace, in_namespace, wait_until
from lab.reference_client import ReferenceClient
from lab.softether import SoftEther
from lab.strongswan import StrongSwan
from lab.topologies import (
    BOTH_BEHIND_NAT,
    CLIENT_BEHIND_NAT,
    DIRECT,
    SERVER_BEHIND_NAT,
    SHAPES,
    Shape,
    Topology,
    topology,
)

pytestmark = pytest.mark.gateway

ROOT = Path(__file__).resolve().parents[2]
_SCAN = ["ike-scan", "--retry=2", "--timeout=300", "--vendor=4a131c81070358455c5728f20e95452f"]


def scan(
    path: Topology, *, port: int = 500, transform: str = "7/256,2,1,14", address: str | None = None
) -> bool:
    """Say whether ike-scan gets a Main Mode handshake."""
    options = [f"--trans={transform}", f"--dport={port}"]
    if port == 4500:
        options = [f"--trans={transform}", "--nat-t"]
    done = path.client.run([*_SCAN, *options, address or path.dial_address])
    return "Main Mode Handshake returned" in done.stdout


def ping(namespace: Namespace, address: str, *options: str) -> bool:
    done = namespace.run(["ping", "-c", "1", "-W", "1", *options, address], check=False)
    return done.returncode == 0


@pytest.fixture(params=["softether", "strongswan"])
def gateway(request: pytest.FixtureRequest) -> Gateway:
    found: Gateway = request.getfixturevalue(f"{request.param}_gateway")
    return found


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_ike_scan_is_answered_through_every_topology(gateway: Gateway, shape: Shape) -> None:
    with topology(gateway, shape) as path:
        assert scan(path)
        assert scan(path, port=4500)


def test_ipv6_reaches_the_gateway_on_a_straight_path(softether_path: Topology) -> None:
    assert softether_path.dial_address6 is not None
    assert ping(softether_path.client, softether_path.dial_address6)


def test_hops_count(gateway: Gateway) -> None:
    with topology(gateway, DIRECT, hops=4) as path:
        assert len(path.routers) == 4
        assert not ping(path.client, path.dial_address, "-t", "4")
        assert ping(path.client, path.dial_address, "-t", "5")


def test_second_client_shares_the_nat(strongswan_gateway: StrongSwan) -> None:
    with topology(strongswan_gateway, CLIENT_BEHIND_NAT) as path:
        second, address = path.add_client()
        assert address != path.client_address
        assert ping(second, path.dial_address)


def test_names_can_be_made_resolvable(softether_path: Topology) -> None:
    softether_path.client.set_hosts({"vpn.example": softether_path.dial_address})
    assert ping(softether_path.client, "vpn.example")
    assert not ping(softether_path.client, "other.example")


# -- faults ----------------------------------------------------------------------------------------


def test_drop_500_silences_500_only(gateway: Gateway) -> None:
    with topology(gateway) as path:
        for direction in ("out", "in", "both"):
            with faults.drop_udp(path, 500, direction=direction) as fault:
                assert not scan(path)
                assert scan(path, port=4500)
            assert fault.packets > 0
        assert scan(path)


def test_drop_4500_silences_4500_only(gateway: Gateway) -> None:
    with topology(gateway) as path, faults.drop_udp(path, 4500) as fault:
        assert scan(path)
        assert not scan(path, port=4500)
        assert fault.packets > 0


def test_a_reject_is_heard_by_the_client(softether_path: Topology) -> None:
    def refused() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(2)
            channel.connect((softether_path.dial_address, 500))
            channel.send(b"x" * 28)
            with pytest.raises(OSError, match=r"(?i)refused|unreachable") as caught:
                channel.recv(100)
            return not isinstance(caught.value, TimeoutError)

    with faults.drop_udp(softether_path, 500, reject="port-unreachable"):
        assert in_namespace(softether_path.client, refused)


def test_a_stopped_daemon_gives_port_unreachable_and_a_paused_one_silence(
    softether_gateway: SoftEther,
) -> None:
    def error_of_a_send(address: str) -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.settimeout(0.5)
            channel.connect((address, 500))
            channel.send(b"x" * 28)
            try:
                channel.recv(100)
            except OSError as error:
                return type(error).__name__
            return "answer"

    with topology(softether_gateway) as path:
        with softether_gateway.paused():
            assert path.client.call(error_of_a_send, path.dial_address) == "TimeoutError"
        with softether_gateway.stopped():
            assert path.client.call(error_of_a_send, path.dial_address) == "ConnectionRefusedError"
        assert scan(path)


def test_loss_is_near_its_percentage(softether_path: Topology) -> None:
    def answered(percent: float) -> int:
        with faults.loss(softether_path, percent, direction="out"):
            done = softether_path.client.run(
                ["ping", "-q", "-c", "400", "-i", "0.002", "-W", "0.2", softether_path.dial_address],
                check=False,
            )
        found = re.search(r"(\d+) received", done.stdout)
        assert found is not None
        return int(found[1])

    assert answered(0) == 400
    # 400 draws at 20 %: more than six standard deviations (8) on either side.
    assert 270 <= answered(20) <= 370
    assert answered(100) == 0


def test_fragments_and_large_packets_can_vanish(softether_path: Topology) -> None:
    client, address = softether_path.client, softether_path.dial_address
    assert ping(client, address, "-s", "3000")
    with faults.drop_fragments(softether_path):
        assert not ping(client, address, "-s", "3000")
        assert ping(client, address, "-s", "1000")
    with faults.drop_larger_than(softether_path, 1200):
        assert not ping(client, address, "-s", "1300", "-M", "do")
        assert ping(client, address, "-s", "1100", "-M", "do")
    assert ping(client, address, "-s", "3000")


def test_a_small_mtu_is_announced_both_ways(softether_gateway: SoftEther) -> None:
    with topology(softether_gateway, DIRECT, hops=2, mtu=1400) as path:
        assert not ping(path.client, path.dial_address, "-s", "1400", "-M", "do")
        assert ping(path.client, path.dial_address, "-s", "1300", "-M", "do")
        # Fragmented on the way there and back.
        assert ping(path.client, path.dial_address, "-s", "1400", "-M", "dont")


def test_a_spoilt_checksum_and_another_port_keep_ike_from_arriving(softether_path: Topology) -> None:
    assert scan(softether_path)
    for made in (faults.bad_checksum(softether_path, 500), faults.rewrite_port(softether_path, 500, 501)):
        with made as fault:
            assert not scan(softether_path)
        assert fault.packets > 0
    assert scan(softether_path)


def test_a_guests_card_loses_and_its_clock_is_shifted(
    strongswan_gateway: StrongSwan, strongswan_path: Topology
) -> None:
    guest, client, address = strongswan_gateway.guest, strongswan_path.client, strongswan_path.dial_address
    directions: tuple[Literal["out", "in", "both"], ...] = ("out", "in", "both")
    for direction in directions:
        with netem.netem(guest, "loss 100%", direction) as fault:
            assert not ping(client, address)
        assert fault.packets > 0
        assert ping(client, address)
    year = guest.run("date +%Y").stdout
    with netem.clock(guest, -4000):
        assert int(guest.run("date +%Y").stdout) <= int(year) - 10
    assert guest.run("date +%Y").stdout == year


def test_esp_does_not_pass_a_server_nat_and_can_be_dropped_anywhere(strongswan_gateway: StrongSwan) -> None:
    def send_esp(address: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, 50) as channel:
            channel.sendto(b"\0\0\x12\x34" + b"\0\0\0\x01" + bytes(64), (address, 0))

    with topology(strongswan_gateway, SERVER_BEHIND_NAT) as path:
        assert path.server_nat is not None
        with faults.rule(path.server_nat, 'oifname "wan" meta l4proto esp') as arrived:
            path.client.call(send_esp, path.dial_address)
            assert ping(path.client, path.dial_address)
        assert arrived.packets == 0
    with topology(strongswan_gateway) as path, faults.drop_esp(path) as fault:
        path.client.call(send_esp, path.dial_address)
        wait_until(lambda: fault.packets == 1, 2, "the ESP packet is caught")


def test_no_sa_waits_for_its_cipher() -> None:
    """One that the kernel has to compose first is deaf for seconds: a blocked ESP to whoever asks."""
    with StrongSwan() as gateway:
        known = gateway.guest.run("cat /proc/crypto; echo; cat /proc/sys/kernel/modprobe").stdout
        assert gateway.status().clean
    for mode in ("sha1),cbc(aes", "sha256),cbc(aes", "sha512),cbc(aes", "sha1),cbc(des3_ede"):
        assert f": authenc(hmac({mode}))" in known
    assert ": rfc4106(gcm(aes))" in known
    assert known.endswith("/modprobe\n")  # what else a test may want is still loaded when it is wanted


def test_plaintext_l2tp_never_arrives(strongswan_gateway: StrongSwan) -> None:
    def send(address: str) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"\xc8\x02" + bytes(30), (address, 1701))

    with topology(strongswan_gateway) as path:
        path.client.call(send, path.dial_address)
        wait_until(lambda: path.plaintext_l2tp_packets("client") == 1, 2, "the guard counted it")


def test_the_delay_is_exact(softether_gateway: SoftEther) -> None:
    def round_trips(path: Topology) -> list[float]:
        done = path.client.run(["ping", "-c", "30", "-i", "0.01", path.dial_address])
        return [float(found) for found in re.findall(r"time=([\d.]+)", done.stdout)][1:]

    with topology(softether_gateway) as path:
        plain = statistics.median(round_trips(path))
    with topology(softether_gateway, DIRECT, one_way_delay=0.025) as path:
        delayed = round_trips(path)
    added = statistics.median(delayed) - plain
    assert 49.9 < added < 51.0, f"{added:.3f} ms added to the round trip"


# -- gateways --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [DIRECT, BOTH_BEHIND_NAT], ids=["direct", "both-behind-nat"])
def test_the_reference_client_connects_and_leaves_nothing(gateway: Gateway, shape: Shape) -> None:
    gateway.wait_clean(30)
    with topology(gateway, shape) as path, ReferenceClient(path) as client:
        dial = client.dial(gateway.psk, gateway.users[0])
        assert 0 < dial.ike_seconds < dial.total_seconds
        status = gateway.status()
        assert not status.clean
        assert status.ike_sas == 1
        assert status.ipsec_sas >= 1
        assert status.l2tp_sessions == 1
        assert client.ping(client.peer_address())
        assert path.plaintext_l2tp_packets("client") == 0
        assert path.plaintext_l2tp_packets("gateway") == 0
        client.hang_up()
        assert gateway.wait_clean(30).clean


def test_native_esp_without_nat_and_udp_encapsulation_with_it(strongswan_gateway: StrongSwan) -> None:
    for shape, encapsulated in ((DIRECT, False), (CLIENT_BEHIND_NAT, True)):
        with topology(strongswan_gateway, shape) as path, ReferenceClient(path) as client:
            with faults.rule(path, "meta l4proto esp", verdict="accept") as native:
                client.dial()
                assert ("espinudp" in strongswan_gateway.guest.run("ip xfrm state").stdout) is encapsulated
                client.hang_up()
            assert (native.packets > 0) is not encapsulated
        strongswan_gateway.wait_clean(30)


def test_wrong_key_and_wrong_password_are_refused(strongswan_gateway: StrongSwan) -> None:
    with topology(strongswan_gateway) as path, ReferenceClient(path) as client:
        with pytest.raises(LabError, match="no IPsec"):
            client.dial("wrong-psk", timeout=12)
        with pytest.raises(LabError, match="no address"):
            client.dial(user=User("alice", "wrong"), timeout=12)
    strongswan_gateway.reset()
    assert strongswan_gateway.status().clean


def test_strongswan_takes_other_proposals_and_services(strongswan_gateway: StrongSwan) -> None:
    with topology(strongswan_gateway) as path:
        with strongswan_gateway.configured(ike="aes256-sha512-modp4096"):
            assert not scan(path)
        assert scan(path)
        with strongswan_gateway.stopped("charon"):
            assert not scan(path)
            assert 1701 in strongswan_gateway.udp_ports()
        with strongswan_gateway.stopped("xl2tpd"):
            assert scan(path)
            assert 1701 not in strongswan_gateway.udp_ports()
        with strongswan_gateway.paused("charon"):
            assert not scan(path)
        strongswan_gateway.reset()
        assert scan(path)


def test_softether_refuses_a_disabled_account(softether_gateway: SoftEther) -> None:
    softether_gateway.disable_user("alice")
    try:
        with topology(softether_gateway) as path, ReferenceClient(path) as client:
            with pytest.raises(LabError, match="no address"):
                client.dial(timeout=12)
            client.hang_up()
    finally:
        softether_gateway.disable_user("alice", disabled=False)
    softether_gateway.restart()
    assert softether_gateway.status().clean


def test_two_servers_run_side_by_side(softether_gateway: SoftEther) -> None:
    with SoftEther(psk="other", users=[User("bob", "builder")]) as other:
        with topology(softether_gateway) as first, topology(other) as second:
            assert scan(first)
            assert scan(second)
        with pytest.raises(LabError, match="already attached"), topology(other), topology(other):
            pytest.fail("a gateway has one wire")


# -- removal ---------------------------------------------------------------------------------------

# A shell starts background jobs with SIGINT ignored, and children inherit that.
_OWNER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from lab.registry import current_run
from lab.softether import SoftEther
from lab.topologies import topology
with SoftEther() as gateway, topology(gateway, one_way_delay=0.01) as path:
    print(current_run().run_id, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", _OWNER], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_when_the_owner_dies(owner: subprocess.Popen[str], number: signal.Signals) -> None:
    assert owner.stdout is not None
    run_id = owner.stdout.readline().strip()
    directory = registry.RUN_ROOT / run_id
    recorded = [int(line.split()[0]) for line in (directory / "processes").read_text().splitlines()]
    assert len(registry.namespaces_of(run_id)) == 3
    assert any(registry.start_time(pid) is not None for pid in recorded)
    owner.send_signal(number)
    owner.wait(20)
    wait_until(lambda: not directory.exists(), 20, "the run's directory is gone")
    assert registry.namespaces_of(run_id) == []
    assert [pid for pid in recorded if registry.start_time(pid) is not None] == []
    assert run_id not in Path("/proc/self/mounts").read_text()
    # The directory is the last thing that the reaper removes; its own end comes a moment after.
    wait_until(lambda: _processes_naming(run_id) == [], 20, "no process names the run")


def _processes_naming(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in line:
                found.append(line)
    return found


def test_clean_leaves_living_runs_alone(softether_path: Topology) -> None:
    subprocess.run([sys.executable, "-m", "lab", "clean"], cwd=ROOT, check=True, timeout=60)
    assert softether_path.client.exists()
    assert scan(softether_path)


def test_ike_scan_takes_no_time_to_speak_of(softether_path: Topology) -> None:
    begin = time.monotonic()
    assert scan(softether_path)
    assert time.monotonic() - begin < 1.0
