"""NOTIFY, DELETE and DPD: the authentic ones count, the others are heard and change nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import events, informational
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.ikev1.initiator import State
from l2tp_doctor.protocol.ikev1.responder import State as ResponderState
from l2tp_doctor.protocol.isakmp.constants import NotifyType, ProtocolId
from l2tp_doctor.protocol.isakmp.message import Header, encode_message
from l2tp_doctor.protocol.isakmp.payloads import Delete, Notify, Payload
from tests.protocol.ikev1.pair import INITIATOR, Pair
from tests.protocol.ikev1.tools import change, is_ready, only, triggers


def clear_informational(
    pair: Pair, payloads: list[Payload], *, responder_cookie: bytes | None = None
) -> Datagram:
    cookie = pair.client._phase1.peer_cookie if responder_cookie is None else responder_cookie
    return Datagram(Channel.IKE, encode_message(Header(pair.client.cookie, cookie, 5, 0, 77), payloads))


def to_client(pair: Pair, datagram: Datagram) -> None:
    pair.client.receive(datagram, pair.now)
    pair.settle(pair.now + 20)


def sealed_by_gateway(pair: Pair, payloads: list[Payload], *, authentic: bool = True) -> Datagram:
    sa = pair.gateway._sa
    assert sa is not None
    if authentic:
        message, _ = sa.seal_with_hash_1(5, 4711, payloads)
    else:
        message, _ = sa.seal(5, 4711, payloads)
    return Datagram(Channel.IKE, message)


class TestDpd:
    """RFC 3706."""

    def test_the_client_asks(self) -> None:
        pair = Pair().run()
        pair.client.send_dpd(pair.now)
        pair.settle(pair.now + 5)
        assert pair.client_got(events.PeerAlive) == [events.PeerAlive()]
        assert only(pair.gateway_got(events.NotifyReceived)).name == "R_U_THERE"
        answer = only(pair.client_got(events.NotifyReceived))
        assert (answer.name, answer.authentic) == ("R_U_THERE_ACK", True)

    def test_the_gateway_asks(self) -> None:
        pair = Pair().run()
        question = informational.dpd(pair.client.cookie, pair.client._phase1.peer_cookie, 12345, ack=False)
        to_client(pair, sealed_by_gateway(pair, [question]))
        answer = only(pair.gateway_got(events.NotifyReceived))
        assert (answer.name, answer.authentic) == ("R_U_THERE_ACK", True)
        assert pair.client.state is State.READY

    def test_an_answer_to_another_question_is_no_sign_of_life(self) -> None:
        pair = Pair().run()
        pair.client.send_dpd(pair.now)
        pair.client.datagrams_to_send(pair.now)
        answer = informational.dpd(pair.client.cookie, pair.client._phase1.peer_cookie, 1, ack=True)
        to_client(pair, sealed_by_gateway(pair, [answer]))
        assert not pair.client_got(events.PeerAlive)

    def test_an_unauthentic_question_is_not_answered(self) -> None:
        pair = Pair().run()
        question = informational.dpd(pair.client.cookie, pair.client._phase1.peer_cookie, 12345, ack=False)
        sent = len(pair.wire)
        to_client(pair, clear_informational(pair, [question]))
        to_client(pair, sealed_by_gateway(pair, [question], authentic=False))
        assert len(pair.wire) == sent
        assert [event.authentic for event in pair.client_got(events.NotifyReceived)] == [False, False]

    def test_before_there_are_keys_nothing_is_asked(self) -> None:
        pair = Pair()
        pair.client.send_dpd(pair.now)
        assert pair.client.datagrams_to_send(pair.now) == []


class TestDelete:
    def test_closing_reaches_the_gateway(self) -> None:
        pair = Pair().run()
        spi = only(pair.client_got(events.QuickModeEstablished)).inbound.sa.spi
        pair.client.close(pair.now)
        pair.settle(pair.now + 5)
        assert pair.client.state is State.CLOSED
        assert pair.client_got(events.Closed) == [events.Closed()]
        assert [(e.protocol, e.authentic) for e in pair.gateway_got(events.DeleteReceived)] == [
            ("esp", True),
            ("isakmp", True),
        ]
        assert pair.gateway.state is ResponderState.CLOSED
        assert pair.gateway.get_timer() is None
        fields = [e.fields["payloads"] for e in pair.gateway_trace if "DELETE" in e.summary]
        assert f"{spi:08x}" in str(fields[0])
        assert pair.client.cookie.hex() in str(fields[1])

    def test_the_gateway_closes(self) -> None:
        pair = Pair().run()
        pair.gateway.close(pair.now)
        pair.settle(pair.now + 5)
        assert [(e.protocol, e.authentic) for e in pair.client_got(events.DeleteReceived)] == [
            ("esp", True),
            ("isakmp", True),
        ]
        assert pair.client.state is State.STOPPED
        pair.client.close(pair.now)
        assert pair.client.datagrams_to_send(pair.now) == [], "there is nothing left to delete"
        assert pair.client.next_event() == events.Closed()

    def test_an_esp_delete_alone_leaves_the_isakmp_sa(self) -> None:
        pair = Pair().run()
        to_client(pair, sealed_by_gateway(pair, [informational.delete_esp(0x12345678)]))
        assert only(pair.client_got(events.DeleteReceived)).protocol == "esp"
        assert pair.client.state is State.READY

    def test_after_message_6_was_lost_the_gateway_is_told_all_the_same(self) -> None:
        pair = Pair(script=lambda number, _client, d: [] if number >= 6 and not _client else [(0.01, d)])
        pair.run(0.2)
        assert pair.client.state is State.MAIN_5_SENT
        pair.client.close(pair.now)
        pair.settle(pair.now + 5)
        deleted = only(pair.gateway_got(events.DeleteReceived))
        assert (deleted.protocol, deleted.authentic) == ("isakmp", True)
        assert pair.gateway.state is ResponderState.CLOSED

    @pytest.mark.parametrize("how", ["clear", "without hash"])
    def test_a_spoofed_delete_is_heard_and_ignored(self, how: str) -> None:
        pair = Pair().run()
        delete: list[Payload] = [
            informational.delete_isakmp(pair.client.cookie, pair.client._phase1.peer_cookie)
        ]
        forged = (
            clear_informational(pair, delete)
            if how == "clear"
            else sealed_by_gateway(pair, delete, authentic=False)
        )
        to_client(pair, forged)
        pair.gateway.receive(forged, pair.now)
        pair.settle(pair.now + 5)
        for got in (pair.client_got, pair.gateway_got):
            assert only(got(events.DeleteReceived)).authentic is False
        assert pair.client.state is State.READY
        assert pair.gateway.state is ResponderState.ESTABLISHED

    def test_a_closed_gateway_neither_repeats_nor_answers(self) -> None:
        """Message 3 was lost, so the gateway was still repeating its message 2."""
        pair = Pair(script=lambda number, _client, d: [] if number == 9 else [(0.01, d)])
        pair.run(0.2)
        assert pair.gateway.get_timer() is not None
        pair.client.close(pair.now)
        pair.settle(pair.now + 10)
        assert pair.gateway.state is ResponderState.CLOSED
        assert pair.gateway.get_timer() is None
        pair.gateway.receive(pair.wire[6][2], pair.now)
        assert pair.gateway.datagrams_to_send(pair.now) == []


class TestSpoofedNotify:
    @pytest.mark.parametrize("step", range(1, 10))
    def test_does_not_end_a_healthy_exchange(self, step: int) -> None:
        """Anyone on the path can send a clear NO-PROPOSAL-CHOSEN right before each genuine answer."""
        pair = Pair()

        def forge(message: bytes) -> list[bytes]:
            header = Header(message[:8], message[8:16], 5, 0, 99)
            return [encode_message(header, [Notify(NotifyType.NO_PROPOSAL_CHOSEN, ProtocolId.ISAKMP)])]

        count = iter(range(1, 100))
        pair.script = change(lambda _client, _message: next(count) == step, forge, genuine=True)
        pair.run()
        assert is_ready(pair)
        heard = [*pair.client_got(events.NotifyReceived), *pair.gateway_got(events.NotifyReceived)]
        assert not any(event.authentic or event.encrypted for event in heard)

    def test_another_responder_cookie_may_complain_but_proves_nothing(self) -> None:
        pair = Pair().run()
        notify: list[Payload] = [Notify(NotifyType.INVALID_COOKIE, ProtocolId.ISAKMP)]
        to_client(pair, clear_informational(pair, notify, responder_cookie=b"another!"))
        assert only(pair.client_got(events.NotifyReceived)).authentic is False
        assert pair.client.state is State.READY

    def test_somebody_elses_cookie_is_not_ours(self) -> None:
        pair = Pair().run()
        message = encode_message(Header(b"nobody's", bytes(8), 5, 0, 9), [Notify(14, 1)])
        to_client(pair, Datagram(Channel.IKE, message))
        pair.gateway.receive(Datagram(Channel.IKE, message), pair.now)
        assert triggers(pair.client_trace) == triggers(pair.gateway_trace) == ["unknown-cookie"]
        assert not pair.client_got(events.NotifyReceived)

    def test_a_status_is_no_error(self) -> None:
        """INITIAL-CONTACT while we wait does not shorten our patience (RFC 2408 §3.14.1)."""
        pair = Pair(script=lambda _number, _client, _datagram: [])
        pair.run(0.1)
        to_client(pair, clear_informational(pair, [Notify(NotifyType.INITIAL_CONTACT, 1)]))
        assert only(pair.client_got(events.GaveUp)).step is Step.MAIN_1
        assert pair.now - 100.0 == pytest.approx(6.0)


class TestUndecryptable:
    def test_is_counted_and_dropped(self) -> None:
        pair = Pair().run()
        for number in range(3):
            noise = encode_message(
                Header(pair.client.cookie, pair.client._phase1.peer_cookie, 5, 0, 50 + number), []
            )
            message = bytearray(noise + bytes(range(64)))
            message[16], message[19] = 8, 1
            message[24:28] = len(message).to_bytes(4, "big")
            pair.client.receive(Datagram(Channel.IKE, bytes(message)), pair.now)
            pair.gateway.receive(Datagram(Channel.IKE, bytes(message)), pair.now)
        pair.settle(pair.now + 5)
        assert len(pair.client_got(events.Undecryptable)) == len(pair.gateway_got(events.Undecryptable)) == 3
        assert triggers(pair.client_trace) == triggers(pair.gateway_trace) == ["undecryptable"] * 3
        assert pair.client.state is State.READY

    def test_an_encrypted_message_without_payloads_proves_nothing(self) -> None:
        """With next payload 0 any ciphertext would count as decrypted; it must not end the exchange."""

        def forge(message: bytes) -> list[bytes]:
            return [message[:16] + b"\x00" + message[17:]]

        pair = Pair(
            script=change(lambda client, m: not client and bool(m.header.flags & 1), forge, genuine=True)
        ).run()
        assert is_ready(pair)
        assert not pair.client_got(events.AuthenticationFailed)

    def test_nor_does_one_of_phase_2(self) -> None:
        pair = Pair().run()
        forged = bytearray(sealed_by_gateway(pair, [Notify(14, 1)]).data)
        forged[16] = 0
        to_client(pair, Datagram(Channel.IKE, bytes(forged)))
        assert triggers(pair.client_trace) == ["undecryptable"]

    def test_also_towards_the_gateway(self) -> None:
        def forge(message: bytes) -> list[bytes]:
            return [message[:16] + b"\x00" + message[17:]]

        pair = Pair(
            script=change(lambda client, m: client and bool(m.header.flags & 1), forge, genuine=True)
        ).run()
        assert is_ready(pair)

    def test_before_there_are_keys(self) -> None:
        pair = Pair(script=lambda _number, _client, _datagram: []).run(0.1)
        message = bytearray(encode_message(Header(pair.client.cookie, b"gateway!", 5, 1, 9), []))
        message += bytes(32)
        message[24:28] = len(message).to_bytes(4, "big")
        pair.client.receive(Datagram(Channel.IKE, bytes(message)), pair.now)
        assert triggers(pair.client_trace) == ["no-keys-yet"]


class TestVersion:
    def test_an_ikev2_answer_is_told(self) -> None:
        pair = Pair(script=lambda _number, _client, _datagram: []).run(0.1)
        message = bytearray(encode_message(Header(pair.client.cookie, b"gateway!", 34, 0x20, 0), []))
        message[17] = 0x20
        pair.client.receive(Datagram(Channel.IKE, bytes(message)), pair.now)
        pair.settle(pair.now)
        assert only(pair.client_got(events.VersionRefused)) == events.VersionRefused(2, "IKEV2_SA_INIT")
        pair.gateway.receive(Datagram(Channel.IKE, bytes(message)), pair.now)
        assert triggers(pair.gateway_trace) == ["other-version"]


class TestText:
    def test_printable_notification_data_is_kept(self) -> None:
        assert (
            informational.notify_text(Notify(14, 1, b"", b"no suitable proposal\x00"))
            == "no suitable proposal"
        )

    def test_anything_else_is_not(self) -> None:
        assert informational.notify_text(Notify(14, 1, b"", b"\xff\xfe")) == ""
        assert informational.notify_text(Notify(14, 1, b"", b"\x1b[2J")) == ""
        assert informational.notify_text(Notify(14, 1, b"", "\u202egnp.exe".encode())) == ""

    def test_a_novel_is_cut(self) -> None:
        assert len(informational.notify_text(Notify(14, 1, b"", b"x" * 60000))) == informational.MAX_TEXT

    def test_several_in_one_message(self) -> None:
        heard = list(
            informational.read(
                [Notify(14, 1), Delete(3, (bytes(4),)), Delete(1, (bytes(16),))],
                encrypted=True,
                authentic=True,
                after=None,
            )
        )
        assert [type(event).__name__ for event in heard] == [
            "NotifyReceived",
            "DeleteReceived",
            "DeleteReceived",
        ]


def test_without_quick_mode_only_the_isakmp_sa_is_deleted() -> None:
    pair = Pair(replace(INITIATOR, suites=())).run()
    pair.client.close(pair.now)
    pair.settle(pair.now + 5)
    assert [event.protocol for event in pair.gateway_got(events.DeleteReceived)] == ["isakmp"]
