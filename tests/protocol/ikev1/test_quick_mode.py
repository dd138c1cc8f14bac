"""Quick Mode between two engines (RFC 2409 §5.5): suites, PFS, and what must not be accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from l2tp_doctor.protocol.ikev1 import events, keys, quick_mode
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.policy import Phase2Suite, phase2_offer
from l2tp_doctor.protocol.ikev1.quick_mode import QuickMode, random_spi
from l2tp_doctor.protocol.ikev1.quick_responder import MAX_QUICK_MODES
from l2tp_doctor.protocol.ikev1.requester import GRACE_AFTER_ERROR
from l2tp_doctor.protocol.isakmp.message import decode_payloads
from l2tp_doctor.protocol.isakmp.payloads import (
    HashPayload,
    Identification,
    KeyExchange,
    NatOriginalAddress,
    Nonce,
    Payload,
    Proposal,
    SecurityAssociation,
    Transform,
)
from tests.protocol.ikev1.pair import AES_SHA1, CLIENT, GATEWAY, INITIATOR, RESPONDER, Pair
from tests.protocol.ikev1.tools import HEALTHY, is_ready, labels, only, triggers

DES, TRIPLE_DES, NULL, AES, GCM = 2, 3, 11, 12, 20
SUITES = [
    *(Phase2Suite(AES, bits, integrity) for bits in (128, 192, 256) for integrity in (1, 2, 5, 6, 7)),
    *(Phase2Suite(cipher, None, integrity) for cipher in (DES, TRIPLE_DES, NULL) for integrity in (1, 2, 5)),
    *(Phase2Suite(GCM, bits, None) for bits in (128, 192, 256)),
    Phase2Suite(AES, 256, None),
]


def with_suites(offered: tuple[Phase2Suite, ...], accepted: tuple[Phase2Suite, ...] | None = None) -> Pair:
    taken = offered if accepted is None else accepted
    return Pair(replace(INITIATOR, suites=offered), replace(RESPONDER, suites=taken))


def clear_copies(pair: Pair) -> list[tuple[Payload, ...]]:
    """Will hold the payloads of the encrypted messages the client sends and receives."""
    found: list[tuple[Payload, ...]] = []
    pair.client._clear_copies = lambda _wire, copy: found.append(decode_payloads(copy[16], copy[28:]))
    return found


class TestSuites:
    @pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.suite.name)
    def test_the_keys_of_both_sides_fit(self, suite: Phase2Suite) -> None:
        pair = with_suites((suite,)).run()
        assert is_ready(pair)
        established = only(pair.client_got(events.QuickModeEstablished))
        assert established.inbound.sa.suite == established.outbound.sa.suite == suite.suite
        assert established.description == f"{suite.suite.name}/transport/native"
        keys = {established.inbound.sa.encryption_key, established.outbound.sa.encryption_key}
        assert len(keys) == (1 if suite.encryption == NULL else 2), "each direction has keys of its own"

    @pytest.mark.parametrize("group", [2, 14, 19])
    @pytest.mark.parametrize("suite", [SUITES[1], SUITES[-2], Phase2Suite(TRIPLE_DES, None, 2)])
    def test_with_pfs(self, suite: Phase2Suite, group: int) -> None:
        pair = with_suites((replace(suite, group=group),))
        copies = clear_copies(pair)
        pair.run()
        assert is_ready(pair)
        for message in copies[2:4]:
            assert len([payload for payload in message if isinstance(payload, KeyExchange)]) == 1

    def test_pfs_changes_the_keys(self) -> None:
        without = only(with_suites((AES_SHA1,)).run().client_got(events.QuickModeEstablished))
        with_it = only(
            with_suites((replace(AES_SHA1, group=19),)).run().client_got(events.QuickModeEstablished)
        )
        assert without.outbound.sa.encryption_key != with_it.outbound.sa.encryption_key

    def test_the_first_acceptable_offer_wins(self) -> None:
        weak = Phase2Suite(TRIPLE_DES, None, 2)
        pair = with_suites((AES_SHA1, SUITES[1], weak), (weak, SUITES[1])).run()
        assert only(pair.client_got(events.QuickModeEstablished)).inbound.sa.suite == SUITES[1].suite

    def test_payloads_of_message_1(self) -> None:
        pair = Pair()
        copies = clear_copies(pair)
        pair.run()
        kinds = [type(payload) for payload in copies[2]]
        assert kinds == [HashPayload, SecurityAssociation, Nonce, Identification, Identification]
        assert copies[2][3:] == (Identification(1, 17, 1701, CLIENT), Identification(1, 17, 1701, GATEWAY))
        assert [type(payload) for payload in copies[4]] == [HashPayload]

    def test_original_addresses_behind_nat(self) -> None:
        """RFC 3947 §5.2: NAT-OAi and NAT-OAr, in both messages."""
        pair = Pair(replace(INITIATOR, force_nat_t=True))
        copies = clear_copies(pair)
        pair.run()
        for message in copies[2:4]:
            addresses = [p.address for p in message if isinstance(p, NatOriginalAddress)]
            assert addresses == [CLIENT, GATEWAY]

    def test_windows_numbers_its_quick_mode_1(self) -> None:
        pair = Pair().run()
        assert pair.wire[6][2].data[20:24] == bytes((0, 0, 0, 1))
        chosen = Pair(replace(INITIATOR, quick_message_id=None)).run()
        assert is_ready(chosen)
        assert int.from_bytes(chosen.wire[6][2].data[20:24], "big") > 1


class TestMismatch:
    def test_an_encrypted_notify_tells_us(self) -> None:
        pair = with_suites((AES_SHA1,), (SUITES[0],)).run()
        notify = pair.client_got(events.NotifyReceived)[0]
        assert notify == events.NotifyReceived(14, "NO_PROPOSAL_CHOSEN", True, True, Step.QUICK_1)
        assert pair.client.state is State.ESTABLISHED
        assert only(pair.client_got(events.GaveUp)).step is Step.QUICK_1
        assert pair.now - 100.0 < 0.1 + GRACE_AFTER_ERROR
        assert not pair.gateway_got(events.QuickModeEstablished)

    def test_pfs_wanted_but_not_offered(self) -> None:
        pair = Pair(responder_policy=replace(RESPONDER, require_pfs=True)).run()
        assert pair.client_got(events.NotifyReceived)[0].name == "NO_PROPOSAL_CHOSEN"

    def test_pfs_wanted_and_offered(self) -> None:
        suites = (replace(AES_SHA1, group=14),)
        policy = replace(RESPONDER, require_pfs=True, suites=suites)
        assert is_ready(Pair(replace(INITIATOR, suites=suites), policy).run())


Answer = Callable[[SecurityAssociation], SecurityAssociation]


def rewritten(pair: Pair, monkeypatch: pytest.MonkeyPatch, how: Answer) -> Pair:
    """The gateway answers with ``how(answer)``, correctly authenticated."""
    original = QuickMode.message_2

    def message_2(self: QuickMode, answer: SecurityAssociation, *rest: object) -> list[Payload]:
        return original(self, how(answer), *rest)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(QuickMode, "message_2", message_2)
    return pair.run()


def proposal_of(answer: SecurityAssociation) -> Proposal:
    return answer.proposals[0]


def with_proposal(**changes: object) -> Answer:
    return lambda answer: SecurityAssociation((replace(proposal_of(answer), **changes),))  # type: ignore[arg-type]


def with_transform(make: Callable[[Transform], Transform]) -> Answer:
    return lambda answer: SecurityAssociation(
        (replace(proposal_of(answer), transforms=(make(proposal_of(answer).transforms[0]),)),)
    )


def with_attribute(kind: int, value: int) -> Answer:
    def make(transform: Transform) -> Transform:
        changed = tuple(
            replace(item, value=value.to_bytes(2, "big")) if item.type == kind else item
            for item in transform.attributes
        )
        return replace(transform, attributes=changed)

    return with_transform(make)


class TestBadAnswers:
    @pytest.mark.parametrize(
        ("how", "reason"),
        [
            (with_transform(lambda t: replace(t, identifier=TRIPLE_DES)), "transform-not-offered"),
            (with_transform(lambda t: replace(t, identifier=77)), "transform-not-offered"),
            (with_attribute(6, 128), "transform-not-offered"),  # key length
            (with_attribute(5, 5), "transform-not-offered"),  # authentication algorithm
            (with_attribute(4, 1), "transform-not-offered"),  # tunnel mode
            (with_proposal(protocol=2), "transform-not-offered"),  # AH
            (lambda answer: SecurityAssociation(answer.proposals * 2), "more-than-one-choice"),
            (lambda _answer: SecurityAssociation(()), "more-than-one-choice"),
            (with_proposal(spi=bytes(4)), "reserved-spi"),
            (with_proposal(spi=b"\x00\x00\x00\xff"), "reserved-spi"),
            (with_proposal(spi=b"\x12\x34"), "reserved-spi"),
            (with_proposal(spi=b""), "reserved-spi"),
        ],
        ids=[
            "cipher",
            "unknown",
            "key",
            "integrity",
            "tunnel",
            "ah",
            "two",
            "none",
            "zero",
            "255",
            "short",
            "no",
        ],
    )
    def test_what_was_not_offered_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, how: Answer, reason: str
    ) -> None:
        pair = rewritten(Pair(), monkeypatch, how)
        failed = pair.client_got(events.ExchangeFailed)[0]
        assert (failed.step, failed.reason) == (Step.QUICK_1, reason)
        assert pair.client.state is State.ESTABLISHED
        assert not pair.client_got(events.QuickModeEstablished)
        assert reason in triggers(pair.client_trace)

    def test_hash_2_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        real = keys.quick_hash_2
        calls: list[int] = []

        def wrong(*arguments: object) -> bytes:
            calls.append(1)
            value: bytes = real(*arguments)  # type: ignore[arg-type]  # passed on as they came
            # The gateway computes it first, the client second.
            return bytes(len(value)) if len(calls) == 1 else value

        monkeypatch.setattr(keys, "quick_hash_2", wrong)
        pair = Pair().run()
        failed = pair.client_got(events.ExchangeFailed)[0]
        assert (failed.step, failed.reason) == (Step.QUICK_1, "hash")
        assert pair.client.state is State.ESTABLISHED

    def test_hash_1_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("l2tp_doctor.protocol.ikev1.sa.IsakmpSa.verify_hash_1", lambda *_: False)
        pair = Pair().run()
        assert "hash" in triggers(pair.gateway_trace)
        assert not pair.gateway_got(events.QuickModeEstablished)

    def test_hash_3_wrong(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(QuickMode, "message_3", lambda _self: [HashPayload(bytes(20))])
        pair = Pair().run()
        assert triggers(pair.gateway_trace).count("hash") >= 1
        assert pair.gateway.get_timer() is None, "message 2 is repeated for a while and then given up"

    def test_no_key_exchange_in_the_answer_to_pfs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = QuickMode.message_2

        def without(self: QuickMode, *rest: object) -> list[Payload]:
            payloads = original(self, *rest)  # type: ignore[arg-type]  # passed on as they came
            return [payload for payload in payloads if not isinstance(payload, KeyExchange)]

        monkeypatch.setattr(QuickMode, "message_2", without)
        pair = with_suites((replace(AES_SHA1, group=19),)).run()
        assert "malformed" in triggers(pair.client_trace)
        assert pair.client.state is State.ESTABLISHED

    def test_a_bad_public_value_in_the_answer_to_pfs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = QuickMode.message_2

        def bad(self: QuickMode, *rest: object) -> list[Payload]:
            payloads = original(self, *rest)  # type: ignore[arg-type]  # passed on as they came
            return [KeyExchange(b"\x01" * 64) if isinstance(p, KeyExchange) else p for p in payloads]

        monkeypatch.setattr(QuickMode, "message_2", bad)
        pair = with_suites((replace(AES_SHA1, group=19),)).run()
        assert pair.client_got(events.ExchangeFailed)[0].reason == "bad-key-exchange"
        assert pair.client.state is State.ESTABLISHED


class TestOffersTheGatewayCannotUse:
    def offer(self, monkeypatch: pytest.MonkeyPatch, how: Answer, pair: Pair | None = None) -> Pair:
        monkeypatch.setattr(
            quick_mode,
            "phase2_offer",
            lambda *arguments, **options: how(phase2_offer(*arguments, **options)),
        )
        return (pair or Pair()).run()

    @pytest.mark.parametrize(
        "how",
        [
            with_proposal(spi=bytes(4)),
            with_proposal(spi=b"\x00" * 8),
            with_proposal(protocol=2),
            with_attribute(4, 1),
            with_transform(lambda t: replace(t, identifier=77)),
            lambda _offer: SecurityAssociation(()),
        ],
        ids=["spi-0", "spi-8", "ah", "tunnel", "unknown", "empty"],
    )
    def test_no_proposal_chosen(self, monkeypatch: pytest.MonkeyPatch, how: Answer) -> None:
        pair = self.offer(monkeypatch, how)
        assert pair.client_got(events.NotifyReceived)[0].name == "NO_PROPOSAL_CHOSEN"
        assert not pair.gateway_got(events.QuickModeEstablished)


def test_a_gateway_keeps_few_half_open_quick_modes() -> None:
    """A peer that sends only first messages does not fill its memory."""
    pair = Pair().run()
    assert pair.client._sa is not None
    for number in range(MAX_QUICK_MODES + 3):
        quick = QuickMode(
            pair.client._sa, 1000 + number, quick_mode.NatTraversal(False, False), 4096 + number, bytes(48)
        )
        payloads = quick.message_1(INITIATOR.suites, pair.initiator_paths)
        message, _ = pair.client._sa.seal_with_hash_1(32, quick.message_id, payloads)
        pair.client._outgoing.append(pair.client._wrap(pair.client.channel, message))
    pair.settle(pair.now + 30)
    assert len(pair.gateway_got(events.QuickModeAnswered)) == MAX_QUICK_MODES
    assert triggers(pair.gateway_trace).count("limit") == 4


def test_spis_are_never_reserved_ones() -> None:
    """RFC 4303 §2.1: 1 to 255 are reserved, 0 is never sent."""
    values = iter([bytes(4), b"\x00\x00\x00\xff", b"\x00\x00\x01\x00"])
    assert random_spi(lambda _size: next(values)) == 256


def test_a_quick_mode_without_a_suite_has_no_keys() -> None:
    pair = Pair().run()
    assert pair.client._sa is not None
    quick = QuickMode(pair.client._sa, 5, quick_mode.NatTraversal(False, False), 4096, bytes(48))
    assert quick.description == ""
    with pytest.raises(ValueError, match="suite"):
        quick.esp_pair(initiator=True)


def test_the_messages_are_those_of_the_healthy_flow() -> None:
    assert labels(with_suites(tuple(SUITES)).run()) == HEALTHY
