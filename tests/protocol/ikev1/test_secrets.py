"""Neither the pre-shared key nor anything derived from it shows in what may be printed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace

import pytest

from l2tp_doctor.protocol.ikev1 import endpoint, events
from l2tp_doctor.protocol.ikev1.policy import Credentials
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.ikev1.authority import credentials
from tests.protocol.ikev1.pair import AES_SHA1, ECP_256, INITIATOR, RESPONDER, Pair
from tests.protocol.ikev1.tools import is_ready, only

PHRASE = b"Sesam-oeffne-dich-4711"


def secrets_of(pair: Pair) -> dict[str, bytes]:
    """Every value of the two engines from which traffic could be read or the key be guessed."""
    found: dict[str, bytes] = {}
    for side, engine in (("client", pair.client), ("gateway", pair.gateway)):
        sa = engine._sa
        assert sa is not None
        found |= {
            f"{side} g^xy": sa.secrets.shared,
            f"{side} SKEYID": sa.keys.skeyid,
            f"{side} SKEYID_d": sa.keys.skeyid_d,
            f"{side} SKEYID_a": sa.keys.skeyid_a,
            f"{side} SKEYID_e": sa.keys.skeyid_e,
            f"{side} cipher key": sa._key,
        }
        got = pair.client_got if side == "client" else pair.gateway_got
        established = only(got(events.QuickModeEstablished))
        for way, esp in (("in", established.inbound.sa), ("out", established.outbound.sa)):
            found |= {f"{side} {way} e": esp.encryption_key, f"{side} {way} a": esp.integrity_key}
    quick = pair.client._quick
    assert quick is not None
    if quick.shared:
        found["g(qm)^xy"] = quick.shared
    return found


def shown(pair: Pair) -> Iterator[tuple[str, str]]:
    """Everything that is or could be printed: traces, events, and each object of the engines."""
    for name, trace in (("client trace", pair.client_trace), ("gateway trace", pair.gateway_trace)):
        yield name, repr(trace)
    yield "client events", repr(pair.client_events)
    yield "gateway events", repr(pair.gateway_events)
    for thing in reachable(pair.client, pair.gateway):
        yield type(thing).__name__, repr(thing)
        yield type(thing).__name__, str(thing)


def reachable(*roots: object) -> Iterator[object]:
    """The objects of this package that hang on the engines."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        module = type(thing).__module__
        if module.startswith("l2tp_doctor"):
            yield thing
        if module.startswith("l2tp_doctor") or isinstance(thing, dict | list | tuple):
            if is_dataclass(thing) and not isinstance(thing, type):
                waiting += [getattr(thing, item.name) for item in fields(thing) if hasattr(thing, item.name)]
            waiting += [item for item in gc.get_referents(thing) if not isinstance(item, type)]


def appearances(value: bytes) -> tuple[str, ...]:
    """How bytes may look in text: hex, repr, text."""
    return (value.hex(), repr(value)[2:-1], value.hex(" "), value.hex(":"), str(int.from_bytes(value, "big")))


def assert_nothing_leaks(pair: Pair, secrets: dict[str, bytes]) -> None:
    for where, text in shown(pair):
        for what, value in secrets.items():
            if len(value) < 8:
                continue
            for form in appearances(value):
                assert form not in text, f"{what} shows in {where}"


@pytest.mark.parametrize("aggressive", [False, True])
@pytest.mark.parametrize("group", [None, 19])
def test_psk_dial(aggressive: bool, group: int | None) -> None:
    psk = Credentials(psk=Secret(PHRASE))
    suites = (replace(AES_SHA1, group=group),)
    pair = Pair(
        replace(INITIATOR, aggressive=aggressive, suites=suites), replace(RESPONDER, suites=suites), psk, psk
    ).run()
    assert is_ready(pair)
    found = secrets_of(pair)
    pair.client.send_dpd(pair.now)
    pair.settle(pair.now + 5)
    pair.client.close(pair.now)
    pair.settle(pair.now + 5)
    assert_nothing_leaks(pair, {**found, "psk": PHRASE})


def test_the_scan_would_find_a_secret() -> None:
    pair = Pair().run()
    with pytest.raises(AssertionError, match="cookie shows"):
        assert_nothing_leaks(pair, {"cookie": pair.client.cookie})


def test_certificate_dial() -> None:
    rsa = (replace(ECP_256, authentication=3),)
    client, _ = credentials("client.example")
    gateway, _ = credentials("gateway.example")
    pair = Pair(replace(INITIATOR, transforms=rsa), replace(RESPONDER, transforms=rsa), client, gateway).run()
    assert is_ready(pair)
    assert client.private_key is not None
    assert_nothing_leaks(pair, {**secrets_of(pair), "private key": client.private_key.reveal()})


def test_the_proofs_do_not_show_either() -> None:
    """HASH_I and g^x in a trace would be enough to try passphrases at home (Aggressive Mode)."""
    proofs: list[bytes] = []
    pair = Pair(replace(INITIATOR, aggressive=True))
    pair.client._clear_copies = lambda _wire, clear: proofs.append(clear)
    pair.run()
    hash_i = proofs[0][32:52]
    assert len(hash_i) == 20
    for text in (repr(pair.client_trace), repr(pair.gateway_trace), repr(pair.client_events)):
        assert hash_i.hex() not in text


class TestExceptions:
    def test_a_wrong_psk_is_not_in_the_reasons(self) -> None:
        psk = Credentials(psk=Secret(PHRASE))
        pair = Pair(initiator_credentials=psk).run()
        text = repr(pair.client_trace) + repr(pair.gateway_trace) + repr(pair.client_events)
        for form in appearances(PHRASE):
            assert form not in text

    def test_a_broken_private_key_is_not_quoted(self) -> None:
        rsa = (replace(ECP_256, authentication=3),)
        client, _ = credentials("client.example")
        gateway, _ = credentials("gateway.example")
        broken = replace(client, private_key=Secret(PHRASE))
        pair = Pair(
            replace(INITIATOR, transforms=rsa), replace(RESPONDER, transforms=rsa), broken, gateway
        ).run()
        for form in appearances(PHRASE):
            assert form not in repr(pair.client_trace)

    def test_refusals_carry_only_their_reason(self) -> None:
        refused = endpoint.MessageRefusedError("unexpected", "Quick Mode message in state idle")
        assert repr(refused) == "MessageRefusedError('unexpected', 'Quick Mode message in state idle')"
