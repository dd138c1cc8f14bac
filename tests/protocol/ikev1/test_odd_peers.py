"""Policies' codecs, and peers whose messages are well-formed and all the same of no use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import Channel, Datagram, RetransmissionPolicy
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.authentication import Authenticator, holds_proof
from l2tp_doctor.protocol.ikev1.endpoint import IkeEndpoint, discard_clear_copy
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.keys import Phase1Secrets
from l2tp_doctor.protocol.ikev1.policy import (
    Credentials,
    Phase1Transform,
    Phase2Suite,
    decode_phase1,
    decode_phase2,
    phase2_offer,
)
from l2tp_doctor.protocol.ikev1.responder import State as ResponderState
from l2tp_doctor.protocol.ikev1.transmission import Transmission
from l2tp_doctor.protocol.isakmp.constants import OakleyAttribute
from l2tp_doctor.protocol.isakmp.message import Header, encode_message
from l2tp_doctor.protocol.isakmp.payloads import (
    Attribute,
    HashPayload,
    Identification,
    KeyExchange,
    Payload,
    Proposal,
    SecurityAssociation,
    Signature,
    VendorId,
)
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.ikev1.authority import credentials
from tests.protocol.ikev1.pair import ECP_256, INITIATOR, RESPONDER, Pair
from tests.protocol.ikev1.tools import is_ready, isakmp, message_of, only, triggers


class TestPhase1Transforms:
    @pytest.mark.parametrize(
        "transform",
        [
            Phase1Transform(7, 256, 2, 20, 1),
            Phase1Transform(5, None, 1, 2, 3, 3600),
            Phase1Transform(1, None, 6, 21, 65001),
        ],
    )
    def test_there_and_back(self, transform: Phase1Transform) -> None:
        assert decode_phase1(transform.encode(3)) == transform
        assert transform.encode(3).number == 3

    @pytest.mark.parametrize("kind", [1, 2, 3, 4])
    def test_each_of_the_four_attributes_is_needed(self, kind: int) -> None:
        encoded = ECP_256.encode(1)
        rest = tuple(attribute for attribute in encoded.attributes if attribute.type != kind)
        assert decode_phase1(replace(encoded, attributes=rest)) is None

    @pytest.mark.parametrize(
        "changes", [{"encryption": 6}, {"key_bits": 100}, {"hash": 3}, {"group": 24}, {"group": 0}]
    )
    def test_what_we_do_not_speak(self, changes: dict[str, int]) -> None:
        assert decode_phase1(replace(ECP_256, **changes).encode(1)) is None

    def test_aes_without_a_key_length_is_aes_128(self) -> None:
        """RFC 3602 §2.2."""
        decoded = decode_phase1(replace(ECP_256, key_bits=None).encode(1))
        assert decoded is not None
        assert decoded.key_bits == 128

    def test_a_key_length_of_3des_means_nothing(self) -> None:
        decoded = decode_phase1(replace(ECP_256, encryption=5, key_bits=192).encode(1))
        assert decoded is not None
        assert decoded.key_bits is None

    def test_without_a_lifetime_it_is_the_usual_one(self) -> None:
        encoded = ECP_256.encode(1)
        kinds = (OakleyAttribute.LIFE_TYPE, OakleyAttribute.LIFE_DURATION)
        rest = tuple(attribute for attribute in encoded.attributes if attribute.type not in kinds)
        decoded = decode_phase1(replace(encoded, attributes=rest))
        assert decoded is not None
        assert decoded.lifetime_seconds == 28800

    def test_a_lifetime_of_a_kilobyte_of_digits(self) -> None:
        encoded = ECP_256.encode(1)
        huge = Attribute.tlv(OakleyAttribute.LIFE_DURATION, b"\xff" * 1000)
        attributes = tuple(huge if item.type == huge.type else item for item in encoded.attributes)
        assert decode_phase1(replace(encoded, attributes=attributes)) is not None


class TestPhase2Transforms:
    def test_aes_without_a_key_length_is_aes_128(self) -> None:
        decoded = decode_phase2(Phase2Suite(12, None, 2).encode(1, 2))
        assert decoded is not None
        assert (decoded[0].key_bits, decoded[1]) == (128, 2)

    @pytest.mark.parametrize(
        "suite", [Phase2Suite(12, 100, 2), Phase2Suite(12, 128, 3), Phase2Suite(7, None, 2)]
    )
    def test_what_we_do_not_speak(self, suite: Phase2Suite) -> None:
        assert decode_phase2(suite.encode(1, 2)) is None

    def test_no_kilobytes(self) -> None:
        with_them = Phase2Suite(12, 128, 2).encode(1, 2)
        without = Phase2Suite(12, 128, 2, lifetime_kilobytes=None).encode(1, 2)
        assert len(with_them.attributes) == len(without.attributes) + 2

    def test_one_proposal_with_many_transforms(self) -> None:
        suites = (Phase2Suite(12, 256, 2), Phase2Suite(12, 128, 2))
        apart = phase2_offer(suites, b"SPI!", 2)
        together = phase2_offer(suites, b"SPI!", 2, separate=False)
        assert [(p.number, len(p.transforms)) for p in apart.proposals] == [(1, 1), (2, 1)]
        assert [[t.number for t in p.transforms] for p in together.proposals] == [[1, 2]]
        policy = replace(INITIATOR, suites=suites, separate_proposals=False)
        assert is_ready(Pair(policy, replace(RESPONDER, suites=suites[1:])).run())


def answer_with(number: int, how: Callable[[list[Payload]], Iterable[Payload]], **header: object) -> Pair:
    """The clear message with this number loses, gains or changes payloads on its way."""
    pair = Pair()

    def script(sent: int, _from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
        if sent != number:
            return [(0.01, datagram)]
        message = message_of(datagram)
        changed = replace(message.header, **header)  # type: ignore[arg-type]  # names are the header's
        data = encode_message(changed, list(how(list(message.payloads))))
        return [(0.01, Datagram(datagram.channel, data))]

    pair.script = script
    return pair


class TestUselessAnswers:
    @pytest.mark.parametrize(
        ("how", "reason"),
        [
            (lambda t: replace(t, attributes=t.attributes[:2]), "transform-not-offered"),
            (lambda _t: replace(ECP_256, key_bits=256).encode(1), "transform-not-offered"),
        ],
    )
    def test_a_choice_that_was_not_offered(self, how: Callable[..., object], reason: str) -> None:
        def change(payloads: list[Payload]) -> list[Payload]:
            choice = payloads[0]
            assert isinstance(choice, SecurityAssociation)
            proposal = choice.proposals[0]
            transform = how(proposal.transforms[0])
            changed = replace(proposal, transforms=(transform,))  # type: ignore[arg-type]  # a Transform
            return [SecurityAssociation((changed,)), *payloads[1:]]

        pair = answer_with(2, change).run()
        failed = pair.client_got(events.ExchangeFailed)[0]
        assert failed == events.ExchangeFailed(Step.MAIN_1, reason)
        assert is_ready(pair), "the gateway's repetition was genuine"

    def test_two_choices(self) -> None:
        def twice(payloads: list[Payload]) -> list[Payload]:
            choice = payloads[0]
            assert isinstance(choice, SecurityAssociation)
            return [SecurityAssociation(choice.proposals * 2)]

        pair = answer_with(2, twice).run()
        assert pair.client_got(events.ExchangeFailed)[0].reason == "more-than-one-choice"

    def test_no_responder_cookie(self) -> None:
        pair = answer_with(2, lambda payloads: payloads, responder_cookie=bytes(8)).run()
        assert triggers(pair.client_trace)[0] == "no-responder-cookie"
        assert is_ready(pair)

    @pytest.mark.parametrize("number", [3, 4])
    @pytest.mark.parametrize("missing", [0, 1])
    def test_a_key_exchange_without_key_or_nonce(self, number: int, missing: int) -> None:
        pair = answer_with(number, lambda payloads: [p for i, p in enumerate(payloads) if i != missing]).run()
        trace = pair.client_trace if number == 4 else pair.gateway_trace
        assert triggers(trace)[0] in ("malformed", "unknown-exchange")
        assert is_ready(pair)

    @pytest.mark.parametrize("number", [3, 4])
    def test_a_bad_public_value(self, number: int) -> None:
        def change(payloads: list[Payload]) -> list[Payload]:
            return [KeyExchange(bytes(64)), *payloads[1:]]

        pair = answer_with(number, change).run()
        trace = pair.client_trace if number == 4 else pair.gateway_trace
        assert triggers(trace)[0] == "bad-key-exchange"
        assert bool(pair.client_got(events.ExchangeFailed)) is (number == 4)
        assert is_ready(pair)

    def test_one_nat_d_says_nothing(self) -> None:
        pair = answer_with(4, lambda payloads: payloads[:3]).run()
        assert is_ready(pair)
        assert not pair.client_got(events.NatDetected)

    def test_proposals_for_other_protocols_are_passed_over(self) -> None:
        def change(payloads: list[Payload]) -> list[Payload]:
            offer = payloads[0]
            assert isinstance(offer, SecurityAssociation)
            other = Proposal(1, 3, b"SPI!", offer.proposals[0].transforms)
            return [SecurityAssociation((other, *offer.proposals)), *payloads[1:]]

        pair = answer_with(1, change).run(0.03)
        assert pair.client.state is State.MAIN_3_SENT


class TestProofs:
    def test_what_a_proof_is(self) -> None:
        identity, proof, signature = Identification(1, 0, 0, bytes(4)), HashPayload(b"x"), Signature(b"x")
        assert holds_proof([identity, proof])
        assert holds_proof([signature, identity])
        assert holds_proof([proof], identity=False)
        assert not holds_proof([proof])
        assert not holds_proof([identity])
        assert not holds_proof([], identity=False)

    @pytest.mark.parametrize("number", [5, 6])
    def test_a_readable_message_without_a_proof_does_not_end_the_exchange(self, number: int) -> None:
        pair = Pair().run(0.01 * number - 0.005)
        sender, receiver = (pair.client, pair.gateway) if number == 5 else (pair.gateway, pair.client)
        assert sender._sa is not None
        sender._sa._phase1_iv = sender._sa._previous_iv
        message, _ = sender._sa.seal_phase1(2, [VendorId(b"no proof at all")])
        sender._sa._phase1_iv = isakmp(pair.wire[-1][2])[-16:]
        receiver.receive(Datagram(Channel.IKE, message), pair.now)
        trace = pair.gateway_trace if number == 5 else pair.client_trace
        assert triggers(trace) == ["undecryptable"]
        pair.settle(pair.now + 60)
        assert is_ready(pair)

    @pytest.mark.parametrize("missing", [Identification, HashPayload])
    def test_aggressive_message_2_without_it(self, missing: type[Payload]) -> None:
        pair = answer_with(2, lambda payloads: [p for p in payloads if not isinstance(p, missing)])
        aggressive = Pair(replace(INITIATOR, aggressive=True), script=pair.script).run()
        assert only(aggressive.client_got(events.AuthenticationFailed)).reason == "incomplete"
        assert aggressive.client.state is State.STOPPED

    def test_aggressive_message_2_without_a_signature(self) -> None:
        rsa = (replace(ECP_256, authentication=3),)
        client, _ = credentials("client.example")
        gateway, _ = credentials("gateway.example")
        script = answer_with(2, lambda payloads: [p for p in payloads if not isinstance(p, Signature)]).script
        pair = Pair(
            replace(INITIATOR, aggressive=True, transforms=rsa),
            replace(RESPONDER, transforms=rsa),
            client,
            gateway,
            script=script,
        ).run()
        assert only(pair.client_got(events.AuthenticationFailed)).reason == "incomplete"

    @pytest.mark.parametrize("aggressive", [False, True])
    def test_our_wrong_hash_is_refused(self, aggressive: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        original = Authenticator.initiator_proof

        def wrong(
            self: Authenticator, *arguments: Identification, request_certificate: bool = True
        ) -> list[Payload]:
            identity, _ = original(self, *arguments, request_certificate=request_certificate)
            return [identity, HashPayload(bytes(20))]

        monkeypatch.setattr(Authenticator, "initiator_proof", wrong)
        pair = Pair(replace(INITIATOR, aggressive=aggressive)).run()
        assert only(pair.gateway_got(events.AuthenticationFailed)).reason == "hash"
        assert pair.gateway.state is ResponderState.REFUSED
        notify = pair.client_got(events.NotifyReceived)[0]
        assert (notify.name, notify.authentic) == ("INVALID_HASH_INFORMATION", True)

    def test_the_gateways_wrong_hash_ends_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        original = Authenticator.responder_proof

        def wrong(self: Authenticator, identity: Identification) -> list[Payload]:
            return [original(self, identity)[0], HashPayload(bytes(20))]

        monkeypatch.setattr(Authenticator, "responder_proof", wrong)
        pair = Pair().run()
        assert only(pair.client_got(events.AuthenticationFailed)).reason == "hash"
        assert pair.client.state is State.STOPPED

    def test_credentials_are_checked_before(self) -> None:
        secrets = Phase1Secrets(bytes(8), bytes(8), b"Ni", b"Nr", b"gx", b"gy", b"sa", b"gxy")
        with pytest.raises(ValueError, match="pre-shared"):
            Authenticator(ECP_256, Credentials(), secrets)
        rsa = Authenticator(replace(ECP_256, authentication=3), Credentials(), secrets)
        with pytest.raises(ValueError, match="private key"):
            rsa.initiator_proof(Identification(1, 0, 0, bytes(4)))

    def test_a_gateway_may_complain_in_clear(self) -> None:
        pair = Pair(
            responder_policy=replace(RESPONDER, complain_in_clear=True),
            responder_credentials=Credentials(psk=Secret(b"other")),
        ).run()
        notify = pair.client_got(events.NotifyReceived)[0]
        assert (notify.name, notify.encrypted) == ("PAYLOAD_MALFORMED", False)


def test_the_share_of_lost_transmissions() -> None:
    transmission = Transmission(RetransmissionPolicy())
    assert transmission.loss is None
    transmission.begin(0.0)
    transmission.answered(0.1)
    transmission.begin(1.0)
    transmission.resent(1.5)
    transmission.resent(2.0)
    transmission.answered(2.1)
    assert transmission.loss == pytest.approx(0.5)  # four sent, two answered


def test_the_endpoint_alone_is_no_engine() -> None:
    endpoint = IkeEndpoint(bytes, lambda _event: None, discard_clear_copy, 1280)
    message = encode_message(Header(b"somebody", bytes(8), 2, 0, 0), [])
    with pytest.raises(NotImplementedError):
        endpoint.receive(Datagram(Channel.IKE, message), 0.0)
    endpoint._accepted.append(message)
    with pytest.raises(NotImplementedError):
        endpoint.receive(Datagram(Channel.IKE, message), 0.0)
