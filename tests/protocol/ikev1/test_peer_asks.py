"""Quick Modes the gateway begins, as SoftEther does whenever message 3 of the client's cannot be read.

RFC 2409 §5.5 lets either side begin one.  The gateways below are models of what SoftEther's public source
does (``ProcIkeQuickModePacketRecv``, ``StartQuickMode``, ``ProcessIKEInterrupts`` in ``Proto_IKE.c``).
"""

from __future__ import annotations

import random

import pytest

from l2tp_doctor.protocol.engine import Channel, Datagram
from l2tp_doctor.protocol.ikev1 import events
from l2tp_doctor.protocol.ikev1.initiator import UNHEARD_QUICK_MODES, State
from l2tp_doctor.protocol.ikev1.inputs import Received
from l2tp_doctor.protocol.ikev1.policy import Phase2Suite
from l2tp_doctor.protocol.ikev1.quick_mode import NatTraversal, QuickMode
from l2tp_doctor.protocol.ikev1.quick_responder import MAX_QUICK_MODES
from l2tp_doctor.protocol.ikev1.responder import Ikev1Responder
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.message import Header, decode_header, decode_message
from tests.protocol.ikev1.pair import AES_SHA1, Pair, Script, seeded
from tests.protocol.ikev1.tools import isakmp, lose_where, triggers

ASK_EVERY = 2.0  # IKE_QUICKMODE_START_INTERVAL and IKE_SA_RESEND_INTERVAL


class AskingGateway(Ikev1Responder):
    """Begins Quick Modes of its own, and repeats its messages every two seconds."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]  # the base class's, unchanged
        self.asked: dict[int, QuickMode] = {}
        self.established: list[QuickMode] = []
        self.repeat: dict[int, Datagram] = {}
        self.ask_at: float | None = None
        self.spoiled = False
        self.number = 5000

    def ask(self, now: float, suites: tuple[object, ...] = (AES_SHA1,)) -> QuickMode:
        sa, _ = self._keys()
        self.number += 1
        traversal = NatTraversal(self.channel is Channel.NAT_T, False)
        quick = QuickMode(sa, self.number, traversal, self.number, self._random(16))
        payloads = quick.message_1(suites, self._paths)  # type: ignore[arg-type]  # suites of any kind
        message, clear = sa.seal_with_hash_1(ExchangeType.QUICK, quick.message_id, payloads)
        self.repeat[quick.message_id] = self._send(
            now, self.channel, message, "Quick Mode 1", payloads, clear
        )
        self.asked[quick.message_id] = quick
        return quick

    def _take_quick(self, sa: IsakmpSa, received: Received, now: float, *, draft: bool) -> None:
        quick = self.asked.get(received.message.header.message_id)
        if quick is None:
            super()._take_quick(sa, received, now, draft=draft)
            return
        opened = self._open_of_peer(sa.open_quick, received.message)
        quick.take_message_2(opened, (AES_SHA1,))
        sa.accept_quick(received.message)
        self._accepted.append(received.raw)
        payloads = quick.message_3()
        sealed, clear = sa.seal(ExchangeType.QUICK, quick.message_id, payloads)
        self.repeat[quick.message_id] = self._send(now, self.channel, sealed, "Quick Mode 3", payloads, clear)
        self.established.append(quick)

    def get_timer(self) -> float | None:
        times = [super().get_timer(), self.ask_at]
        return min((time for time in times if time is not None), default=None)

    def handle_timer(self, now: float) -> None:
        super().handle_timer(now)
        if self.ask_at is None or now < self.ask_at:
            return
        self.ask_at = now + ASK_EVERY if len(self.asked) < 5 else None
        self._outgoing.extend(self.repeat.values())
        if not self.established:
            self.ask(now)


class SoftEtherLike(AskingGateway):
    """Takes a repeated message 1 for message 3, which spoils its chain of IVs for the genuine one."""

    def _duplicate(self, raw: bytes, header: Header, now: float) -> None:
        if header.exchange != ExchangeType.QUICK or header.message_id in self.asked:
            super()._duplicate(raw, header, now)
            return
        sa, _ = self._keys()
        sa.accept_quick(decode_message(raw))

    def _take_quick(self, sa: IsakmpSa, received: Received, now: float, *, draft: bool) -> None:
        if self.ask_at is None and not self.asked:
            self.ask_at = now + ASK_EVERY
        super()._take_quick(sa, received, now, draft=draft)


def joined(
    kind: type[AskingGateway], script: Script | None = None, seed: int = 1
) -> tuple[Pair, AskingGateway]:
    pair = Pair(seed=seed) if script is None else Pair(script=script, seed=seed)
    gateway = kind(
        pair.responder_policy,
        pair.responder_paths,
        pair.responder_credentials,
        seeded(seed + 1),
        pair.gateway_trace.append,
    )
    pair.gateway = gateway
    return pair, gateway


def fits(mine: events.QuickModeEstablished, quick: QuickMode) -> bool:
    inbound, outbound = quick.esp_pair(initiator=True)
    there = inbound.open(mine.outbound.seal(b"to the gateway", 17, seeded(5)))
    back = mine.inbound.open(outbound.seal(b"to the client", 17, seeded(6)))
    return (there, back) == ((b"to the gateway", 17), (b"to the client", 17))


def is_quick(datagram: Datagram, *message_ids: int) -> bool:
    header = decode_header(isakmp(datagram))
    return header.exchange == ExchangeType.QUICK and header.message_id in message_ids


def test_the_clients_keys_and_the_gateways_fit() -> None:
    pair, gateway = joined(AskingGateway)
    pair.run(0.2)
    quick = gateway.ask(pair.now)
    pair.settle(pair.now + 1)
    answered, established = (
        pair.client_got(events.QuickModeAnswered),
        pair.client_got(events.QuickModeEstablished),
    )
    assert (len(answered), len(established)) == (1, 2)
    assert established[1].inbound is answered[0].inbound
    assert gateway.established == [quick]
    assert fits(established[1], quick)
    assert pair.client.state is State.READY
    assert pair.client.get_timer() is None


def test_it_replaces_the_clients_own_question() -> None:
    """The gateway never answers ours and asks itself: the client is ready and stops asking."""
    pair, gateway = joined(AskingGateway, lose_where(lambda client, d: not client and is_quick(d, 1)))
    pair.run(1.0)
    assert pair.client.awaiting is events.Step.QUICK_1
    quick = gateway.ask(pair.now)
    pair.settle(pair.now + 0.1)
    assert pair.client.state is State.READY
    assert pair.client.transmission.lossy
    assert not pair.client.transmission.waiting
    assert fits(pair.client_got(events.QuickModeEstablished)[0], quick)
    pair.settle(pair.now + 30)
    assert not pair.client_got(events.GaveUp)


def test_a_repeated_question_gets_the_same_answer() -> None:
    pair, gateway = joined(AskingGateway)
    pair.run(0.2)
    gateway.ask(pair.now)
    for _ in range(3):
        gateway._outgoing.append(gateway.repeat[gateway.number])
    pair.settle(pair.now + 1)
    answers = [d.data for _, client, d in pair.wire if client and is_quick(d, gateway.number)]
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert len(pair.client_got(events.QuickModeAnswered)) == 1


def test_esp_under_the_new_pair_confirms_it() -> None:
    pair, gateway = joined(AskingGateway)
    pair.run(0.2)
    gateway.ask(pair.now)
    pair.settle(pair.now + 0.015)
    answered = pair.client_got(events.QuickModeAnswered)[0]
    assert len(pair.client_got(events.QuickModeEstablished)) == 1
    pair.client.confirm_quick_mode(pair.now, answered.inbound.sa.spi + 1)
    assert pair.client.next_event() is None
    pair.client.confirm_quick_mode(pair.now, answered.inbound.sa.spi)
    assert isinstance(pair.client.next_event(), events.QuickModeEstablished)
    pair.settle(pair.now + 1)  # message 3 is nothing new then
    assert len(pair.client_got(events.QuickModeEstablished)) == 1


def test_what_we_do_not_offer_is_refused() -> None:
    pair, gateway = joined(AskingGateway)
    pair.run(0.2)
    gateway.ask(pair.now, (Phase2Suite(3, None, 1),))
    pair.settle(pair.now + 1)
    assert pair.gateway_got(events.NotifyReceived)[-1].name == "NO_PROPOSAL_CHOSEN"
    assert not pair.client_got(events.QuickModeAnswered)
    assert pair.client.state is State.READY


def test_forged_questions_change_nothing() -> None:
    pair, gateway = joined(AskingGateway)
    pair.run(0.2)
    pair.client_trace.clear()
    gateway.ask(pair.now)
    genuine = isakmp(gateway._outgoing.pop())
    source = random.Random(3)
    for _ in range(300):
        position = source.randrange(24, len(genuine))
        forged = bytearray(genuine)
        forged[position] ^= source.randrange(1, 256)
        pair.client.receive(Datagram(Channel.IKE, bytes(forged)), pair.now)
    assert set(triggers(pair.client_trace)) <= {"undecryptable", "hash", "malformed"}
    assert not pair.client._quick_modes
    assert not pair.client.datagrams_to_send(pair.now)


def test_only_so_many_are_kept() -> None:
    pair, gateway = joined(AskingGateway)
    pair.run(0.2)
    for _ in range(MAX_QUICK_MODES + 2):
        gateway.ask(pair.now)
    pair.settle(pair.now + 1)
    assert len(pair.client_got(events.QuickModeAnswered)) == MAX_QUICK_MODES
    assert triggers(pair.client_trace).count("limit") == 2


@pytest.mark.parametrize("lost", range(8, 14))
def test_soft_ethers_spoiled_exchange_is_mended(lost: int) -> None:
    """Message 2 is late and message 1 goes out twice: message 3 is unreadable, so the gateway asks itself."""
    state = {"first": True}

    def script(number: int, client: bool, datagram: Datagram) -> list[tuple[float, Datagram]]:
        if number == lost and number > 9:
            return []
        if not client and is_quick(datagram, 1) and state.pop("first", False):
            return [(0.4, datagram)]
        return [(0.01, datagram)]

    pair, gateway = joined(SoftEtherLike, script)
    pair.run(12)
    assert pair.client.state is State.READY
    assert "undecryptable" in triggers(pair.gateway_trace)
    assert gateway.established
    assert any(
        fits(event, gateway.established[-1]) for event in pair.client_got(events.QuickModeEstablished)[1:]
    )


def test_twenty_percent_loss_ends_well() -> None:
    """Each seed ends with a pair both sides hold, long before SoftEther's ten seconds are over."""
    for seed in range(40):
        source = random.Random(seed)

        def script(
            _number: int, _client: bool, datagram: Datagram, source: random.Random = source
        ) -> list[tuple[float, Datagram]]:
            return [] if source.random() < 0.2 else [(0.01, datagram)]

        pair, gateway = joined(SoftEtherLike, script, seed)
        pair.run(40)
        assert pair.client.state is State.READY, seed
        confirmed = pair.gateway_got(events.QuickModeEstablished)
        assert bool(confirmed) or bool(gateway.established), seed


def test_a_quick_mode_nobody_sees_is_begun_anew() -> None:
    """SoftEther mistakes message ID 1 for an earlier dial's: it repeats message 6 and never answers."""
    pair, gateway = joined(AskingGateway, lose_where(lambda client, d: client and is_quick(d, 1)))
    pair.run(0.065)
    message_6 = next(d for _, client, d in reversed(pair.wire) if not client)
    while pair.client.transmission.transmissions <= UNHEARD_QUICK_MODES:
        pair.settle(pair.now + 0.1)
        pair.now += 0.1
    pair.client.receive(message_6, pair.now)
    pair.settle(pair.now + 0.1)
    assert pair.client.state is State.READY
    assert len(pair.client_got(events.QuickModeEstablished)) == 1
    assert not gateway.asked
