"""Main Mode with RSA signatures (RFC 2409 §5.1), and the fragments its long messages need."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.authentication import ANY_CA
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.policy import Credentials
from l2tp_doctor.protocol.ikev1.responder import State as ResponderState
from l2tp_doctor.protocol.isakmp.constants import PayloadType
from l2tp_doctor.protocol.isakmp.message import decode_payloads, encode_message
from l2tp_doctor.protocol.isakmp.payloads import Certificate, CertificateRequest, Identification, Payload
from l2tp_doctor.protocol.isakmp.vendor_ids import RFC_3947
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.ikev1.authority import credentials, issue
from tests.protocol.ikev1.pair import ECP_256, INITIATOR, RESPONDER, Pair
from tests.protocol.ikev1.tools import (
    HEALTHY,
    is_ready,
    isakmp,
    labels,
    lose_where,
    message_of,
    only,
    triggers,
)

RSA = replace(ECP_256, authentication=3)
BY_CERTIFICATE = replace(INITIATOR, transforms=(RSA,)), replace(RESPONDER, transforms=(RSA,))
ANY_IDENTITY = Identification(2, 0, 0, b"gateway.example")
LARGEST = 1280


def pair_with(
    client: Credentials,
    gateway: Credentials,
    *,
    script: object = None,
    force_nat_t: bool = False,
    vendor_ids: tuple[bytes, ...] = INITIATOR.vendor_ids,
) -> Pair:
    initiator, responder = BY_CERTIFICATE
    pair = Pair(
        replace(initiator, force_nat_t=force_nat_t, vendor_ids=vendor_ids),
        replace(responder, vendor_ids=vendor_ids),
        client,
        gateway,
    )
    if script is not None:
        pair.script = script  # type: ignore[assignment]  # a Script, given through one keyword
    return pair


CLIENT, CLIENT_CHAIN = credentials("client.example")
GATEWAY, GATEWAY_CHAIN = credentials("gateway.example")


class TestSignatures:
    def test_both_sides_prove_themselves_with_their_chains(self) -> None:
        pair = pair_with(CLIENT, GATEWAY).run()
        assert is_ready(pair)
        assert labels(pair) == HEALTHY
        assert only(pair.client_got(events.PeerCertificates)).chain == GATEWAY_CHAIN
        assert only(pair.gateway_got(events.PeerCertificates)).chain == CLIENT_CHAIN
        assert only(pair.client_got(events.PeerIdentity)).id_type == 9

    def test_message_5_asks_for_a_certificate_of_any_authority(self) -> None:
        clear: list[bytes] = []
        pair = pair_with(CLIENT, GATEWAY)
        pair.client._clear_copies = lambda _wire, copy: clear.append(copy)
        pair.run()
        payloads: list[tuple[Payload, ...]] = [decode_payloads(copy[16], copy[28:]) for copy in clear[:2]]
        assert [p.payload_type for p in payloads[0]] == [
            PayloadType.ID,
            PayloadType.CERT,
            PayloadType.CERT,
            PayloadType.SIG,
            PayloadType.CERTREQ,
        ]
        assert payloads[0][-1] == ANY_CA == CertificateRequest(4, b"")
        assert [p.data for p in payloads[1] if isinstance(p, Certificate)] == list(GATEWAY_CHAIN)

    def test_self_signed_counts_as_a_signature(self) -> None:
        alone = issue("alone.example")
        gateway = Credentials(certificates=(alone.der,), private_key=Secret(alone.private_der))
        assert is_ready(pair_with(CLIENT, gateway).run())

    @pytest.mark.parametrize("wrong", ["gateway", "client"])
    def test_wrong_signature(self, wrong: str) -> None:
        """The private key belongs to another certificate than the one that is shown."""
        other = issue("somebody.example")
        forged = {
            "client": Credentials(certificates=CLIENT_CHAIN, private_key=Secret(other.private_der)),
            "gateway": Credentials(certificates=GATEWAY_CHAIN, private_key=Secret(other.private_der)),
        }[wrong]
        sides = (forged, GATEWAY) if wrong == "client" else (CLIENT, forged)
        pair = pair_with(*sides).run()
        verdicts = pair.client_got if wrong == "gateway" else pair.gateway_got
        assert only(verdicts(events.AuthenticationFailed)).reason == "signature"
        assert pair.client.state is State.STOPPED
        assert not pair.client_got(events.MainModeEstablished)
        if wrong == "client":
            assert pair.gateway.state is ResponderState.REFUSED
            notify = pair.client_got(events.NotifyReceived)[0]
            assert (notify.name, notify.authentic) == ("INVALID_HASH_INFORMATION", True)

    def test_missing_certificate(self) -> None:
        """The gateway signs, but sends no certificate: nothing to verify the signature with."""
        policy = replace(BY_CERTIFICATE[1], identity=ANY_IDENTITY)
        pair = Pair(BY_CERTIFICATE[0], policy, CLIENT, GATEWAY).run(0.045)
        assert pair.gateway.state is ResponderState.MAIN_4_SENT
        assert pair.gateway._authenticator is not None
        pair.gateway._authenticator._credentials = replace(GATEWAY, certificates=())
        pair.settle(pair.now + 30)
        assert only(pair.client_got(events.AuthenticationFailed)).reason == "certificate-missing"
        assert only(pair.client_got(events.PeerCertificates)).chain == ()
        assert pair.client.state is State.STOPPED

    def test_garbage_for_a_certificate(self) -> None:
        gateway = replace(GATEWAY, certificates=(b"\x30\x03\x02\x01\x00",))
        policy = replace(BY_CERTIFICATE[1], identity=ANY_IDENTITY)
        pair = Pair(BY_CERTIFICATE[0], policy, CLIENT, gateway).run()
        assert only(pair.client_got(events.AuthenticationFailed)).reason == "signature"


class TestOwnCredentials:
    @pytest.mark.parametrize(
        "broken",
        [
            replace(CLIENT, private_key=Secret(b"no key")),
            replace(CLIENT, certificates=(b"no certificate",)),
        ],
        ids=["key", "certificate"],
    )
    def test_what_we_cannot_use_ourselves_is_not_blamed_on_the_gateway(self, broken: Credentials) -> None:
        pair = pair_with(broken, GATEWAY).run()
        assert only(pair.client_got(events.CredentialNeeded)).kind == "certificate"
        assert not pair.client_got(events.ExchangeFailed)
        assert pair.client.state is State.STOPPED
        assert pair.client.get_timer() is None
        remark = [e for e in pair.client_trace if e.summary == "our certificate or key cannot be used"]
        assert only(remark).fields["detail"]

    def test_a_gateway_with_a_broken_key_only_drops(self) -> None:
        pair = pair_with(CLIENT, replace(GATEWAY, private_key=Secret(b"no key"))).run()
        assert "no-credentials" in triggers(pair.gateway_trace)
        assert pair.client.state is State.STOPPED


class TestFragments:
    """[MS-IKEE] 3.2.7: a message is fragmented "the next time it is retransmitted", not before."""

    @staticmethod
    def long_pair(**options: object) -> Pair:
        client, chain = credentials("client-4096.example", bits=4096)
        gateway, _ = credentials("gateway-4096.example", bits=4096)
        assert sum(map(len, chain)) > LARGEST
        return pair_with(client, gateway, **options)  # type: ignore[arg-type]

    @staticmethod
    def too_big(_from_client: bool, datagram: Datagram) -> bool:
        return len(datagram.data) > LARGEST + 4

    @pytest.mark.parametrize("force", [False, True], ids=["udp500", "udp4500"])
    def test_a_path_that_loses_big_datagrams(self, force: bool) -> None:
        pair = self.long_pair(script=lose_where(self.too_big), force_nat_t=force).run()
        assert is_ready(pair)
        fragments = [
            (from_client, isakmp(datagram))
            for _, from_client, datagram in pair.wire
            if isakmp(datagram)[16] == PayloadType.FRAGMENT
        ]
        assert {from_client for from_client, _ in fragments} == {True, False}
        assert all(len(message) <= LARGEST for _, message in fragments)
        channel = Channel.NAT_T if force else Channel.IKE
        assert {d.channel for _, _, d in pair.wire[4:]} == {channel}

    def test_the_first_transmission_is_whole(self) -> None:
        pair = self.long_pair().run()
        assert is_ready(pair)
        assert [isakmp(d)[16] for _, client, d in pair.wire if client].count(PayloadType.FRAGMENT) == 0
        assert max(len(d.data) for _, client, d in pair.wire if client) > LARGEST

    def test_a_lost_fragment_of_the_answer_comes_again_with_the_next_question(self) -> None:
        """Message 6 is cut for each repetition of message 5, not sent whole the second time."""
        lost: list[bytes] = []

        def script(_number: int, from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
            message = isakmp(datagram)
            if self.too_big(from_client, datagram):
                return []
            if not from_client and message[16] == PayloadType.FRAGMENT and not lost:
                lost.append(message)
                return []
            return [(0.01, datagram)]

        pair = self.long_pair(script=script).run()
        assert lost
        assert is_ready(pair)

    def test_fragments_out_of_order(self) -> None:
        def script(number: int, _from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
            if self.too_big(True, datagram):
                return []
            piece = isakmp(datagram)[16] == PayloadType.FRAGMENT
            return [(0.05 - 0.01 * (number % 4) if piece else 0.01, datagram)]

        assert is_ready(self.long_pair(script=script).run())

    def test_without_the_vendor_id_nothing_is_fragmented(self) -> None:
        pair = self.long_pair(script=lose_where(self.too_big), vendor_ids=(RFC_3947.value,)).run()
        assert pair.client.state is State.STOPPED
        assert not [d for _, _, d in pair.wire if isakmp(d)[16] == PayloadType.FRAGMENT]
        assert only(pair.client_got(events.GaveUp)).step is events.Step.MAIN_5


def asking(*requests: CertificateRequest, message: int = 4) -> Pair:
    """The gateway's message 2 or 4 carries these requests."""

    def script(sent: int, _from_client: bool, datagram: Datagram) -> Iterable[tuple[float, Datagram]]:
        if sent != message:
            return [(0.01, datagram)]
        clear = message_of(datagram)
        data = encode_message(clear.header, [*clear.payloads, *requests])
        return [(0.01, Datagram(datagram.channel, data))]

    return pair_with(CLIENT, GATEWAY, script=script)


class TestCertificateRequests:
    """RFC 2408 §3.10: "the Certificate Request payload MUST be accepted at any point during the exchange"."""

    AUTHORITY = b"\x30\x00"

    @pytest.mark.parametrize("message", [2, 4])
    def test_what_the_gateway_asks_for_is_told_once(self, message: int) -> None:
        requests = [CertificateRequest(4, self.AUTHORITY), ANY_CA, CertificateRequest(4, self.AUTHORITY)]
        told = only(asking(*requests, message=message).run().client_got(events.CertificateRequested))
        assert told.authorities == (self.AUTHORITY, b"")

    def test_nothing_asked_for_is_told_too(self) -> None:
        assert only(asking().run().client_got(events.CertificateRequested)).authorities == ()

    def test_requests_for_other_kinds_are_none(self) -> None:
        pair = asking(CertificateRequest(1, self.AUTHORITY), CertificateRequest(10, b""))
        assert only(pair.run().client_got(events.CertificateRequested)).authorities == ()

    def test_with_a_pre_shared_key_the_question_means_nothing(self) -> None:
        assert Pair().run().client_got(events.CertificateRequested) == []

    def test_it_is_known_before_a_missing_certificate_is(self) -> None:
        pair = pair_with(Credentials(), GATEWAY, script=asking(ANY_CA).script).run()
        kinds = [type(event) for event in pair.client_events]
        assert kinds.index(events.CertificateRequested) < kinds.index(events.CredentialNeeded)
