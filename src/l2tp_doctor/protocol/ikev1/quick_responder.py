"""Answering a peer's Quick Modes (RFC 2409 §5.5), for whichever side of phase 1 we are.

Either side may begin one once phase 1 is up, and SoftEther does: as long as it holds no ESP SA whose
message 3 it could read, it begins a Quick Mode of its own every two seconds, and after ten it drops the
client (``StartQuickMode`` and ``ProcessIKEInterrupts`` in its ``Proto_IKE.c``).  It comes to that over a
lossy path because it takes a repeated message 1 for message 3 and moves its chain of IVs behind it
(``SearchIPsecSaByMessageId``, ``IPsecSaRecvPacket``): the genuine message 3 is unreadable to it from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from l2tp_doctor.protocol.engine import Channel, Datagram, RandomSource, RetransmissionPolicy, TraceSink
from l2tp_doctor.protocol.esp import EspInbound, EspOutbound
from l2tp_doctor.protocol.ikev1 import events, informational
from l2tp_doctor.protocol.ikev1.endpoint import ClearCopySink, IkeEndpoint, MessageRefusedError
from l2tp_doctor.protocol.ikev1.inputs import Received
from l2tp_doctor.protocol.ikev1.policy import PathAddresses, Phase2Suite
from l2tp_doctor.protocol.ikev1.quick_mode import NatTraversal, QuickMode, random_spi
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa
from l2tp_doctor.protocol.ikev1.transmission import Due, Transmission
from l2tp_doctor.protocol.isakmp.constants import ExchangeType, NotifyType, ProtocolId
from l2tp_doctor.protocol.isakmp.message import Message
from l2tp_doctor.protocol.isakmp.payloads import Notify, Payload
from l2tp_doctor.protocol.wire import WireError

# Quick Modes one peer may keep half-open: a peer that only sends first messages must not fill our memory.
MAX_QUICK_MODES = 8

Opening = TypeVar("Opening")


@dataclass(frozen=True, slots=True)
class _Unconfirmed:
    """A Quick Mode whose message 2 is on its way, and the pair that both sides have once it arrives."""

    quick: QuickMode
    inbound: EspInbound
    outbound: EspOutbound


class QuickModeResponder(IkeEndpoint):
    """The part of an IKEv1 engine that answers Quick Modes and repeats its answers.

    Args:
        random: source of nonces, SPIs and private values.
        trace: hears every message.
        clear_copies: gets the clear text of every encrypted message.
        fragment_size: bytes of an IKE fragment's message, once one is needed.
        suites: what is accepted.
        paths: addresses as this side knows them.
        nonce_size: bytes of our nonces.
        retransmission: when an unconfirmed message 2 is sent again.
        require_pfs: whether an offer without a key exchange is refused.
    """

    def __init__(
        self,
        random: RandomSource,
        trace: TraceSink,
        clear_copies: ClearCopySink,
        fragment_size: int,
        *,
        suites: Sequence[Phase2Suite],
        paths: PathAddresses,
        nonce_size: int,
        retransmission: RetransmissionPolicy,
        require_pfs: bool = False,
    ) -> None:
        super().__init__(random, trace, clear_copies, fragment_size)
        self._acceptable_suites = suites
        self._paths = paths
        self._quick_nonce_size = nonce_size
        self._require_pfs = require_pfs
        self._quick_modes: dict[int, QuickMode] = {}
        self._answers: dict[bytes, list[Datagram]] = {}
        self._unconfirmed: dict[int, _Unconfirmed] = {}
        self._repeated: list[Datagram] = []
        self.confirmation = Transmission(retransmission)
        """Keeps time for the newest message 2."""

    def confirm_quick_mode(self, now: float, spi: int | None = None) -> None:
        """ESP under that SA of ours (``None``: the newest) arrived, so the peer got our message 2."""
        for message_id in reversed(self._unconfirmed):
            if spi in (None, self._unconfirmed[message_id].inbound.sa.spi):
                self._confirmed(message_id, now)
                return

    def _confirmed(self, message_id: int, now: float) -> None:
        pair = self._unconfirmed.pop(message_id, None)
        if pair is None:
            return
        self.confirmation.answered(now)
        self._repeated = []
        encapsulated = pair.quick.traversal.encapsulated
        self._emit(
            events.QuickModeEstablished(pair.inbound, pair.outbound, encapsulated, pair.quick.description)
        )

    def _repeat_unconfirmed(self, now: float) -> None:
        """Sends an unconfirmed message 2 again when it is time, or gives up on it."""
        due = self.confirmation.due(now)
        if due is Due.RESEND:
            self._outgoing.extend(self._repeated)
        elif due is Due.GIVE_UP:
            self._repeated = []

    def _forget_answers(self) -> None:
        """Neither timers nor repeated questions make us send anything from now on."""
        self.confirmation.cancel()
        self._repeated = []
        self._answers = {}

    def _answer(self, now: float, received: Received, label: str, message: bytes,
                payloads: Sequence[Payload], clear: bytes | None = None) -> list[Datagram]:  # fmt: skip
        self.channel = received.datagram.channel
        answer = [self._send(now, self.channel, message, label, payloads, clear)]
        if clear is not None and self._peer_fragments:
            # Repetitions are cut as well: a path that loses big datagrams loses each of them.
            answer = self._in_pieces(self._outgoing.pop())
            self._outgoing.extend(answer)
        self._accepted.append(received.raw)
        # _accepted is bounded; answers to what it has forgotten are not needed any more.
        self._answers = {key: value for key, value in self._answers.items() if key in self._accepted}
        self._answers[received.raw] = answer
        return answer

    def _open_of_peer(self, opener: Callable[[Message], Opening], message: Message) -> Opening:
        try:
            return opener(message)
        except WireError as error:
            self._emit(events.Undecryptable(None))
            raise MessageRefusedError("undecryptable", str(error)) from error

    def _take_quick(self, sa: IsakmpSa, received: Received, now: float, *, draft: bool) -> None:
        """Takes message 1 or 3 of a Quick Mode of the peer's."""
        quick = self._quick_modes.get(received.message.header.message_id)
        if quick is None:
            self._take_quick_1(sa, received, now, draft=draft)
        else:
            self._take_quick_3(sa, received, now, quick)

    def _take_quick_1(self, sa: IsakmpSa, received: Received, now: float, *, draft: bool) -> None:
        if len(self._quick_modes) >= MAX_QUICK_MODES:
            raise MessageRefusedError("limit", "too many Quick Modes")
        opened = self._open_of_peer(sa.open_quick, received.message)
        quick = QuickMode(
            sa,
            received.message.header.message_id,
            NatTraversal(received.datagram.channel is Channel.NAT_T, draft),
            random_spi(self._random),
            self._random(self._quick_nonce_size),
        )
        answer = quick.take_message_1(
            opened, self._acceptable_suites, self._random, require_pfs=self._require_pfs
        )
        sa.accept_quick(received.message)
        self._received(now, "Quick Mode 1", received.message, received.raw, received.datagram, opened)
        self.channel = received.datagram.channel
        if answer is None:
            sa.forget_quick(quick.message_id)
            refusal: list[Payload] = [Notify(NotifyType.NO_PROPOSAL_CHOSEN, ProtocolId.ESP)]
            self._send_sealed(now, "Informational", refusal)
            return
        self._quick_modes[quick.message_id] = quick
        payloads = quick.message_2(answer, opened, self._paths)
        message, clear = quick.seal_with_hash_2(payloads)
        self._repeated = self._answer(now, received, "Quick Mode 2", message, payloads, clear)
        self.confirmation.begin(now)
        # The initiator may send ESP right behind message 3, and the two may change places on the way.
        inbound, outbound = quick.esp_pair(initiator=False)
        self._unconfirmed[quick.message_id] = _Unconfirmed(quick, inbound, outbound)
        self._emit(events.QuickModeAnswered(inbound, outbound, quick.traversal.encapsulated))

    def _take_quick_3(self, sa: IsakmpSa, received: Received, now: float, quick: QuickMode) -> None:
        opened = self._open_of_peer(sa.open_quick, received.message)
        if not quick.verify_message_3(opened):
            raise MessageRefusedError("hash")
        sa.accept_quick(received.message)
        self._received(now, "Quick Mode 3", received.message, received.raw, received.datagram, opened)
        self._accepted.append(received.raw)
        self._confirmed(quick.message_id, now)

    def _send_sealed(self, now: float, label: str, payloads: list[Payload]) -> None:
        """Sends an Informational message under the SA's keys (RFC 2409 §5.7)."""
        if self._sa is None:
            raise ValueError("there are no keys yet")
        message_id = self._random_message_id()
        message, clear = self._sa.seal_with_hash_1(ExchangeType.INFORMATIONAL, message_id, payloads)
        self._send(now, self.channel, message, label, payloads, clear)

    def _delete_esp(self, now: float, spi: int) -> None:
        self._send_sealed(now, "Delete ESP", [informational.delete_esp(spi)])
