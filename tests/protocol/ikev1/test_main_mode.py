"""Main Mode between two engines: every algorithm, every mismatch, every NAT."""

from __future__ import annotations

from dataclasses import replace

import pytest

from l2tp_doctor.protocol.crypto import SUPPORTED_GROUPS
from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.policy import Credentials, PathAddresses, Phase1Transform
from l2tp_doctor.protocol.ikev1.requester import GRACE_AFTER_ERROR
from l2tp_doctor.protocol.ikev1.responder import State as ResponderState
from l2tp_doctor.protocol.isakmp.constants import EncapsulationMode, IpsecAttribute, NotifyType, PayloadType
from l2tp_doctor.protocol.isakmp.message import decode_payloads
from l2tp_doctor.protocol.isakmp.payloads import (
    Identification,
    NatDiscovery,
    NatOriginalAddress,
    SecurityAssociation,
    VendorId,
)
from l2tp_doctor.protocol.isakmp.vendor_ids import NAT_T_DRAFT_02_NEWLINE
from l2tp_doctor.protocol.secret import Secret
from tests.protocol.ikev1.pair import (
    CLIENT,
    ECP_256,
    GATEWAY,
    INITIATOR,
    MODP_2048,
    RESPONDER,
    Pair,
    with_group,
)
from tests.protocol.ikev1.tools import HEALTHY, is_ready, labels, message_of, only, triggers

TRANSLATED = bytes((203, 0, 113, 7))
INSIDE = bytes((10, 0, 0, 1))
OTHER_PSK = Credentials(psk=Secret(b"wrong horse"))


def with_transform(transform: Phase1Transform) -> Pair:
    return Pair(
        replace(INITIATOR, transforms=(transform,)), replace(RESPONDER, transforms=(transform,))
    ).run()


class TestEverySupportedAlgorithm:
    @pytest.mark.parametrize("group", sorted(SUPPORTED_GROUPS))
    def test_group(self, group: int) -> None:
        pair = Pair(*with_group(group)).run()
        assert is_ready(pair)
        assert only(pair.client_got(events.TransformSelected)).group == group

    def test_the_groups_a_windows_gateway_may_want_are_all_there(self) -> None:
        assert {1, 2, 5, 14, 15, 16, 19, 20, 21} <= SUPPORTED_GROUPS

    @pytest.mark.parametrize("hash_id", [1, 2, 4, 5, 6])
    @pytest.mark.parametrize(("cipher", "bits"), [(7, 128), (7, 192), (7, 256), (5, None), (1, None)])
    def test_cipher_and_hash(self, cipher: int, bits: int | None, hash_id: int) -> None:
        assert is_ready(with_transform(Phase1Transform(cipher, bits, hash_id, 19, 1)))


class TestHealthy:
    def test_messages_and_events_in_order(self) -> None:
        pair = Pair().run()
        assert is_ready(pair)
        assert labels(pair) == HEALTHY
        assert [type(event) for event in pair.client_events] == [
            events.TransformSelected,
            events.ReplyReceived,
            events.VendorIds,
            events.ReplyReceived,
            events.NatDetected,
            events.ReplyReceived,
            events.PeerIdentity,
            events.MainModeEstablished,
            events.ReplyReceived,
            events.QuickModeEstablished,
        ]
        steps = [event.step for event in pair.client_got(events.ReplyReceived)]
        assert steps == [Step.MAIN_1, Step.MAIN_3, Step.MAIN_5, Step.QUICK_1]
        assert pair.client.awaiting is None
        assert pair.client.get_timer() is None
        assert triggers(pair.client_trace) == triggers(pair.gateway_trace) == []

    def test_round_trip_times_are_those_of_the_path(self) -> None:
        pair = Pair().run()
        times = [event.rtt for event in pair.client_got(events.ReplyReceived)]
        assert times == pytest.approx([0.02] * 4)

    def test_the_gateway_takes_the_first_offer_it_accepts(self) -> None:
        weak = Phase1Transform(5, None, 2, 2, 1)
        pair = Pair(replace(INITIATOR, transforms=(weak, MODP_2048, ECP_256))).run()
        selected = only(pair.client_got(events.TransformSelected))
        assert (selected.group, selected.authentication) == (14, 1)
        assert selected.description == "AES_CBC_256/SHA1/MODP_2048/PSK"

    def test_a_longer_lifetime_than_ours_is_no_other_transform(self) -> None:
        longer = replace(ECP_256, lifetime_seconds=86400)
        assert is_ready(Pair(responder_policy=replace(RESPONDER, transforms=(longer,))).run())

    def test_identities_are_the_addresses_as_each_side_knows_them(self) -> None:
        pair = Pair().run()
        assert only(pair.client_got(events.PeerIdentity)).text == "198.51.100.1"
        assert only(pair.gateway_got(events.PeerIdentity)).text == "192.0.2.10"

    def test_configured_identities_are_sent_instead(self) -> None:
        pair = Pair(
            replace(INITIATOR, identity=Identification(2, 0, 0, b"client.example")),
            replace(RESPONDER, identity=Identification(2, 0, 0, b"gateway.example")),
        ).run()
        assert is_ready(pair)
        assert only(pair.client_got(events.PeerIdentity)).text == "gateway.example"
        assert only(pair.gateway_got(events.PeerIdentity)).text == "client.example"

    def test_ipv6(self) -> None:
        ours, theirs = (
            bytes.fromhex("20010db8" + "00" * 11 + "01"),
            bytes.fromhex("20010db8" + "00" * 11 + "02"),
        )
        pair = Pair(
            initiator_paths=PathAddresses(ours, theirs), responder_paths=PathAddresses(theirs, ours)
        ).run()
        assert is_ready(pair)
        verdict = only(pair.client_got(events.NatDetected))
        assert (verdict.client_behind, verdict.server_behind) == (False, False)
        assert only(pair.client_got(events.PeerIdentity)).text == "2001:db8::2"

    def test_without_suites_main_mode_is_all_there_is(self) -> None:
        pair = Pair(replace(INITIATOR, suites=())).run()
        assert pair.client.state is State.ESTABLISHED
        assert labels(pair) == HEALTHY[:6]


class TestPskMismatch:
    def test_with_notify(self) -> None:
        """The gateway's complaint is encrypted with other keys than ours: all we know is that."""
        pair = Pair(responder_credentials=OTHER_PSK).run()
        assert pair.client.state is State.STOPPED
        assert pair.client_got(events.Undecryptable)[0].after is Step.MAIN_5
        assert only(pair.client_got(events.GaveUp)).step is Step.MAIN_5
        assert pair.gateway_got(events.Undecryptable)[0].after is Step.MAIN_5
        assert not pair.gateway_got(events.MainModeEstablished)
        assert pair.now - 100.0 < 0.06 + GRACE_AFTER_ERROR + 0.1, "it does not wait as long as for silence"

    def test_without_notify(self) -> None:
        policy = replace(RESPONDER, notify_on_bad_psk=False)
        pair = Pair(responder_policy=policy, responder_credentials=OTHER_PSK).run()
        assert pair.client.state is State.STOPPED
        assert [event.step for event in pair.client_got(events.Silence)] == [Step.MAIN_5]
        gave_up = only(pair.client_got(events.GaveUp))
        assert gave_up.step is Step.MAIN_5
        assert gave_up.transmissions > 1
        assert not pair.client_got(events.Undecryptable)

    def test_an_identity_the_gateway_does_not_want(self) -> None:
        policy = replace(RESPONDER, accepted_identities=(b"somebody else",))
        pair = Pair(responder_policy=policy).run()
        notify = pair.client_got(events.NotifyReceived)[0]
        assert (notify.notify_type, notify.authentic) == (NotifyType.AUTHENTICATION_FAILED, True)
        assert pair.client.state is State.STOPPED
        assert pair.gateway.state is ResponderState.REFUSED

    def test_an_identity_the_gateway_wants(self) -> None:
        assert is_ready(Pair(responder_policy=replace(RESPONDER, accepted_identities=(CLIENT,))).run())


class TestProposalMismatch:
    ONLY_3DES = replace(RESPONDER, transforms=(Phase1Transform(5, None, 2, 2, 1),))

    def test_with_notify(self) -> None:
        pair = Pair(responder_policy=self.ONLY_3DES).run()
        notify = pair.client_got(events.NotifyReceived)[0]
        assert notify == events.NotifyReceived(
            NotifyType.NO_PROPOSAL_CHOSEN, "NO_PROPOSAL_CHOSEN", False, False, Step.MAIN_1
        )
        assert pair.client.state is State.STOPPED
        assert pair.now - 100.0 < 0.02 + GRACE_AFTER_ERROR + 0.1

    def test_without_notify(self) -> None:
        pair = Pair(responder_policy=replace(self.ONLY_3DES, notify_on_mismatch=False)).run()
        assert only(pair.client_got(events.Silence)).step is Step.MAIN_1
        assert only(pair.client_got(events.GaveUp)).step is Step.MAIN_1
        assert pair.client.state is State.STOPPED

    @pytest.mark.parametrize(
        "other",
        [
            replace(ECP_256, key_bits=256),
            replace(ECP_256, hash=4),
            replace(ECP_256, group=20),
            replace(ECP_256, authentication=3),
            replace(ECP_256, encryption=5, key_bits=None),
        ],
    )
    def test_each_attribute_counts(self, other: Phase1Transform) -> None:
        pair = Pair(responder_policy=replace(RESPONDER, transforms=(other,))).run()
        assert pair.client_got(events.NotifyReceived)
        assert not pair.client_got(events.TransformSelected)

    def test_main_mode_not_allowed(self) -> None:
        pair = Pair(responder_policy=replace(RESPONDER, main_mode=False)).run()
        assert pair.client_got(events.NotifyReceived)[0].name == "UNSUPPORTED_EXCHANGE_TYPE"
        assert pair.client.state is State.STOPPED


class TestNatDetection:
    """RFC 3947 §3.2; each side is told the addresses it would see with that translation on the path."""

    @pytest.mark.parametrize("server", [False, True])
    @pytest.mark.parametrize("client", [False, True])
    def test_verdict(self, client: bool, server: bool) -> None:
        pair = Pair(
            initiator_paths=PathAddresses(CLIENT, GATEWAY),
            responder_paths=PathAddresses(INSIDE if server else GATEWAY, TRANSLATED if client else CLIENT),
        ).run()
        assert is_ready(pair)
        for verdict in (*pair.client_got(events.NatDetected), *pair.gateway_got(events.NatDetected)):
            assert (verdict.client_behind, verdict.server_behind) == (client, server)
            assert not verdict.forced
        behind = client or server
        assert pair.channels()[:4] == [Channel.IKE] * 4
        assert set(pair.channels()[4:]) == {Channel.NAT_T if behind else Channel.IKE}
        assert [event.channel for event in pair.client_got(events.Floated)] == [Channel.NAT_T] * behind
        for side in (pair.client_got, pair.gateway_got):
            assert only(side(events.QuickModeEstablished)).udp_encapsulated is behind

    def test_a_translated_port_is_a_nat_too(self) -> None:
        pair = Pair(responder_paths=PathAddresses(GATEWAY, CLIENT, remote_ike_port=61234)).run()
        assert only(pair.client_got(events.NatDetected)).client_behind

    def test_behind_nat_the_identity_stays_the_private_address(self) -> None:
        pair = Pair(responder_paths=PathAddresses(GATEWAY, TRANSLATED)).run()
        assert only(pair.gateway_got(events.PeerIdentity)).text == "192.0.2.10"

    def test_forced(self) -> None:
        pair = Pair(replace(INITIATOR, force_nat_t=True)).run()
        assert is_ready(pair)
        verdict = only(pair.client_got(events.NatDetected))
        assert verdict == events.NatDetected(client_behind=False, server_behind=False, forced=True)
        assert only(pair.gateway_got(events.NatDetected)).client_behind
        assert pair.channels() == [Channel.IKE] * 4 + [Channel.NAT_T] * 5
        for _, _, datagram in pair.wire[4:]:
            assert datagram.data[:4] == bytes(4)
            assert message_of(datagram).header.length == len(datagram.data) - 4

    def test_the_gateway_pretends(self) -> None:
        pair = Pair(responder_policy=replace(RESPONDER, pretend_behind_nat=True)).run()
        assert is_ready(pair)
        assert only(pair.client_got(events.NatDetected)).server_behind

    @pytest.mark.parametrize("side", ["client", "gateway"])
    def test_one_side_without_nat_t(self, side: str) -> None:
        silent = replace(INITIATOR, vendor_ids=()) if side == "client" else INITIATOR
        gateway = replace(RESPONDER, nat_t=False, vendor_ids=()) if side == "gateway" else RESPONDER
        pair = Pair(silent, gateway, responder_paths=PathAddresses(GATEWAY, TRANSLATED)).run()
        assert is_ready(pair)
        assert not pair.client_got(events.NatDetected)
        assert not only(pair.client_got(events.VendorIds)).nat_t
        for _, _, datagram in pair.wire[:4]:
            assert not [p for p in message_of(datagram).payloads if isinstance(p, NatDiscovery)]
        assert set(pair.channels()) == {Channel.IKE}

    def test_keepalives_only_on_4500(self) -> None:
        pair = Pair(replace(INITIATOR, force_nat_t=True))
        pair.client.send_keepalive()
        assert pair.client.datagrams_to_send(pair.now) == []
        pair.run()
        pair.client.send_keepalive()
        assert [d.data for d in pair.client.datagrams_to_send(pair.now)] == [b"\xff"]


class TestDraftNumbers:
    """Draft 02 of NAT-T: payload types 130 and 131, encapsulation mode 61444."""

    DRAFT = (NAT_T_DRAFT_02_NEWLINE.value,)

    def test_numbers(self) -> None:
        clear: list[bytes] = []
        pair = Pair(
            replace(INITIATOR, vendor_ids=self.DRAFT, force_nat_t=True),
            replace(RESPONDER, vendor_ids=self.DRAFT),
        )
        pair.client._clear_copies = lambda _wire, copy: clear.append(copy)
        pair.run()
        assert is_ready(pair)
        assert only(pair.client_got(events.QuickModeEstablished)).udp_encapsulated
        for number in (2, 3):
            message = message_of(pair.wire[number][2])
            types = [payload.payload_type for payload in message.payloads]
            assert types == [PayloadType.KE, PayloadType.NONCE, 130, 130]
        quick_1 = next(copy for copy in clear if copy[18] == 32)
        payloads = decode_payloads(quick_1[16], quick_1[28:])
        assert [p.payload_type for p in payloads if isinstance(p, NatOriginalAddress)] == [131, 131]
        offer = next(p for p in payloads if isinstance(p, SecurityAssociation))
        modes = {t.get(IpsecAttribute.ENCAPSULATION_MODE) for p in offer.proposals for t in p.transforms}
        assert modes == {61444} == {int(EncapsulationMode.UDP_TRANSPORT_DRAFT)}

    def test_the_rfc_wins_when_both_speak_it(self) -> None:
        both = (*self.DRAFT, *INITIATOR.vendor_ids)
        pair = Pair(
            replace(INITIATOR, vendor_ids=both, force_nat_t=True), replace(RESPONDER, vendor_ids=both)
        ).run()
        types = [payload.payload_type for payload in message_of(pair.wire[2][2]).payloads]
        assert types[2:] == [PayloadType.NAT_D, PayloadType.NAT_D]


class TestStraightOn4500:
    def test_every_message_is_marked(self) -> None:
        pair = Pair(replace(INITIATOR, first_channel=Channel.NAT_T)).run()
        assert is_ready(pair)
        assert set(pair.channels()) == {Channel.NAT_T}
        assert all(datagram.data[:4] == bytes(4) for _, _, datagram in pair.wire)
        assert not pair.client_got(events.Floated)

    def test_without_nat_both_sides_agree_on_plain_esp(self) -> None:
        pair = Pair(replace(INITIATOR, first_channel=Channel.NAT_T)).run()
        assert not only(pair.client_got(events.QuickModeEstablished)).udp_encapsulated
        assert not only(pair.gateway_got(events.QuickModeEstablished)).udp_encapsulated

    def test_with_nat_they_agree_on_udp(self) -> None:
        pair = Pair(
            replace(INITIATOR, first_channel=Channel.NAT_T),
            responder_paths=PathAddresses(GATEWAY, TRANSLATED),
        ).run()
        assert only(pair.client_got(events.QuickModeEstablished)).udp_encapsulated
        assert only(pair.gateway_got(events.QuickModeEstablished)).udp_encapsulated


class TestMissingCredentials:
    @pytest.mark.parametrize(("authentication", "kind"), [(1, "psk"), (3, "certificate")])
    def test_stops_after_message_4(self, authentication: int, kind: str) -> None:
        transform = replace(ECP_256, authentication=authentication)
        pair = Pair(
            replace(INITIATOR, transforms=(transform,)),
            replace(RESPONDER, transforms=(transform,)),
            initiator_credentials=Credentials(),
        ).run()
        assert only(pair.client_got(events.CredentialNeeded)).kind == kind
        assert pair.client.state is State.STOPPED
        assert labels(pair) == HEALTHY[:4]
        assert pair.client.get_timer() is None
        pair.client.close(pair.now)
        assert pair.client.datagrams_to_send(pair.now) == [], "there is nothing to delete, and no key"
        assert pair.client_got(events.NatDetected), "what needs no credential is still found out"

    def test_an_offer_of_both_kinds_asks_for_what_the_gateway_chose(self) -> None:
        """The gateway takes the second, so the first one's certificate is not missed."""
        by_certificate = replace(ECP_256, authentication=3)
        pair = Pair(replace(INITIATOR, transforms=(by_certificate, ECP_256))).run()
        assert is_ready(pair)
        assert only(pair.gateway_got(events.PeerIdentity)).text == "192.0.2.10"

    def test_a_gateway_without_credentials_says_so_in_its_trace(self) -> None:
        pair = Pair(responder_credentials=Credentials()).run()
        assert "no-credentials" in triggers(pair.gateway_trace)
        assert pair.client.state is State.STOPPED

    def test_stop_after_message_4(self) -> None:
        pair = Pair(replace(INITIATOR, stop_after=Step.MAIN_3)).run()
        assert pair.client.state is State.STOPPED
        assert labels(pair) == HEALTHY[:4]
        assert not pair.client_got(events.CredentialNeeded)
        assert pair.client_got(events.NatDetected)
        assert pair.client.get_timer() is None


class TestOwner:
    def test_an_initiator_is_started_once(self) -> None:
        pair = Pair().run()
        with pytest.raises(ValueError, match="once"):
            pair.client.start(pair.now)

    def test_closing_twice_says_nothing_twice(self) -> None:
        pair = Pair().run()
        pair.client.close(pair.now)
        sent = pair.client.datagrams_to_send(pair.now)
        pair.client.close(pair.now)
        assert len(sent) == 2
        assert pair.client.datagrams_to_send(pair.now) == []

    def test_vendor_ids_are_named_in_order(self) -> None:
        vendor_ids = (*RESPONDER.vendor_ids, b"\x09\x00\x26\x89\xdf\xd6\xb7\x12")
        pair = Pair(responder_policy=replace(RESPONDER, vendor_ids=vendor_ids)).run()
        heard = only(pair.client_got(events.VendorIds))
        assert heard.names == ("RFC 3947", "FRAGMENTATION", "XAUTH")
        assert (heard.nat_t, heard.fragmentation, heard.dpd) == (True, True, False)
        sent = [p.data for p in message_of(pair.wire[1][2]).payloads if isinstance(p, VendorId)]
        assert sent == list(vendor_ids)
