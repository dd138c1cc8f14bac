"""Names into addresses, with the system's resolver and without."""

from __future__ import annotations

import asyncio
import runpy
import socket
import threading
import time
from pathlib import Path
from typing import Any, Literal

import pytest

import l2tp_doctor
from l2tp_doctor.network.resolve import Resolved, resolve

SOURCE = Path(l2tp_doctor.__file__).parent / "network" / "resolve.py"


def ask(host: str, family: Literal[4, 6] | None = None, timeout: float = 5.0) -> Resolved:
    return asyncio.run(resolve(host, family, timeout))


@pytest.mark.parametrize(
    ("host", "family", "addresses"),
    [
        ("192.0.2.1", None, ("192.0.2.1",)),
        ("192.0.2.1", 4, ("192.0.2.1",)),
        ("2001:DB8::0:1", None, ("2001:db8::1",)),
        ("2001:db8::1", 6, ("2001:db8::1",)),
    ],
)
def test_literal_addresses(host: str, family: Literal[4, 6] | None, addresses: tuple[str, ...]) -> None:
    assert ask(host, family) == Resolved(addresses)


@pytest.mark.parametrize(("host", "family"), [("192.0.2.1", 6), ("2001:db8::1", 4)])
def test_a_literal_of_the_other_family_has_no_address(host: str, family: Literal[4, 6]) -> None:
    found = ask(host, family)
    assert found.addresses == ()
    assert found.error in ("no-address-of-family", "not-found")


def test_localhost() -> None:
    assert "127.0.0.1" in ask("localhost", 4).addresses


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "..", "a..b"])
def test_labels_no_name_can_have(host: str) -> None:
    assert ask(host) == Resolved((), "not-found")


def answering(monkeypatch: pytest.MonkeyPatch, answer: list[Any] | Exception) -> list[tuple[Any, ...]]:
    """Puts a resolver in place that always answers so; returns what it was asked."""
    asked: list[tuple[Any, ...]] = []

    def getaddrinfo(host: str, port: object, *, family: int, type: int) -> list[Any]:
        asked.append((host, port, family, type))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (socket.EAI_NONAME, "not-found"),
        (socket.EAI_AGAIN, "temporary-failure"),
        (getattr(socket, "EAI_NODATA", socket.EAI_AGAIN), None),
        (socket.EAI_FAIL, "temporary-failure"),
    ],
)
def test_the_resolver_s_reasons(monkeypatch: pytest.MonkeyPatch, number: int, reason: str | None) -> None:
    answering(monkeypatch, socket.gaierror(number, "words"))
    if reason is None:
        reason = "no-address-of-family" if hasattr(socket, "EAI_NODATA") else "temporary-failure"
    assert ask("vpn.example") == Resolved((), reason)


def test_a_name_that_does_not_exist_is_not_found_where_all_reasons_share_a_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On Windows EAI_NODATA equals EAI_NONAME and EAI_ADDRFAMILY is missing."""
    monkeypatch.setattr(socket, "EAI_NODATA", socket.EAI_NONAME, raising=False)
    monkeypatch.delattr(socket, "EAI_ADDRFAMILY", raising=False)
    names = runpy.run_path(str(SOURCE), run_name="resolve_elsewhere")
    assert names["_REASONS"][socket.EAI_NONAME] == "not-found"


def test_addresses_keep_the_resolver_s_order_without_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(socket.AF_INET6, 2, 17, "", (address, 0, 0, 0)) for address in ("2001:db8::2", "2001:db8::1")]
    rows += [(socket.AF_INET6, 2, 17, "", ("2001:db8::2", 0, 0, 0))]
    asked = answering(monkeypatch, rows)
    assert ask("vpn.example").addresses == ("2001:db8::2", "2001:db8::1")
    assert asked == [("vpn.example", None, socket.AF_UNSPEC, socket.SOCK_DGRAM)]


def test_no_rows_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [])
    assert ask("vpn.example") == Resolved((), "no-address-of-family")


def test_an_internationalised_name_is_asked_for_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, [(socket.AF_INET, 2, 17, "", ("192.0.2.1", 0))])
    assert ask("例え.example").addresses == ("192.0.2.1",)
    assert asked[0][0] == "例え.example"


def test_a_resolver_that_hangs_holds_up_neither_the_answer_nor_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[Any]:
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    try:
        assert ask("vpn.example", timeout=0.05) == Resolved((), "timeout")
        # asyncio.run is over as well: it did not wait for the thread.
        assert time.monotonic() - begin < 2.0
    finally:
        release.set()


def test_the_answer_that_comes_after_the_end_harms_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release = threading.Event()
    done: list[threading.Thread] = []

    def hang(*_: object, **__: object) -> list[Any]:
        done.append(threading.current_thread())
        release.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    ask("vpn.example", timeout=0.05)
    release.set()
    done[0].join(5)
    assert not done[0].is_alive()
    assert capsys.readouterr().err == ""
