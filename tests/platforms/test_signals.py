"""Ctrl-C and SIGTERM at any moment: what was opened is closed, and the exit code says why it ended."""

from __future__ import annotations

import json
import signal
import sys
import time

import pytest

from tests.platforms.command import Served, serve, start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


def stopped_after(
    served: Served, delay: float, number: signal.Signals, *more: str
) -> tuple[int, bytes, str, float]:
    """Sends a signal so long after the command has said that it dials."""
    process = start(*served.target(), *more)
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith(b"Dialling"), first
    time.sleep(delay)
    begin = time.monotonic()
    process.send_signal(number)
    out, error = process.communicate(timeout=20)
    return process.returncode, out, error.decode(), time.monotonic() - begin


@pytest.mark.parametrize("delay", [0.0, 0.15, 0.3, 0.45, 0.6, 0.9, 1.2, 1.6, 2.4])
def test_ctrl_c_tears_down_whatever_is_up(delay: float) -> None:
    # A gateway a tenth of a second away: the dial takes about two seconds, layer after layer.
    with serve(delay=0.1) as served:
        code, _, error, took = stopped_after(served, delay, signal.SIGINT)
        # While modules load, Python itself may end by the signal (bpo-1054041); a shell calls that 130 too.
        assert code in (130, 0, -signal.SIGINT)
        assert (code == 0) is ("closing what was opened" not in error and delay > 1)
        assert "Traceback" not in error
        assert took < 4
        assert served.wait_until(
            lambda status: not (status.sessions or status.tunnels or status.links or status.leases)
        )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("fault", ["udp-500-blocked", "l2tp-service-down"])
def test_a_signal_among_experiments(fault: str, number: signal.Signals, code: int) -> None:
    with serve(fault) as served:
        got, out, error, took = stopped_after(served, 1.5, number, "--json")
        assert got == code
        assert took < 3.5
        assert "Traceback" not in error
        document = json.loads(out)
        assert document["interrupted"] is True
        assert served.wait_until(lambda status: not (status.sessions or status.tunnels))


def test_a_second_ctrl_c_does_not_wait_for_the_teardown() -> None:
    with serve("l2tp-service-stuck") as served:
        process = start(*served.target(), "--json")
        assert process.stderr is not None
        for line in process.stderr:
            if b"SCCRQ" in line:
                break
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if b"closing what was opened" in line:
                break
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=20)
        assert process.returncode == 130
        assert time.monotonic() - begin < 1.0
        assert b"Traceback" not in error


def test_a_check_that_was_stopped_says_so_and_names_nothing_it_did_not_see() -> None:
    with serve("udp-500-blocked") as served:
        code, out, error, _ = stopped_after(served, 0.4, signal.SIGINT)
        assert code == 130
        assert "Traceback" not in error
        assert out


def test_the_practice_command_ends_on_sigterm_and_lets_its_clients_go() -> None:
    process = start("practice")
    assert process.stdout is not None
    assert b"127.0.0.1" in process.stdout.readline()
    process.terminate()
    _, error = process.communicate(timeout=10)
    assert process.returncode == 0
    assert error == b""
