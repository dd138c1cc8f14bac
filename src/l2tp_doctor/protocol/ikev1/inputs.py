"""What can happen to an IKEv1 engine: messages classified by what they carry."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from l2tp_doctor.protocol.engine import Datagram
from l2tp_doctor.protocol.ikev1.endpoint import first_of
from l2tp_doctor.protocol.isakmp.constants import ExchangeType, Flags
from l2tp_doctor.protocol.isakmp.message import Message
from l2tp_doctor.protocol.isakmp.payloads import KeyExchange, SecurityAssociation


class Input(enum.Enum):
    """What can happen to it."""

    START = "start"
    MAIN_SA = "Main Mode message with SA"
    MAIN_KE = "Main Mode message with KE"
    MAIN_ENCRYPTED = "encrypted Main Mode message"
    AGGRESSIVE = "Aggressive Mode message"
    QUICK = "Quick Mode message"
    INFORMATIONAL_CLEAR = "clear Informational message"
    INFORMATIONAL_ENCRYPTED = "encrypted Informational message"
    OTHER_VERSION = "message of another IKE version"
    GIVE_UP = "no answer"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Received:
    """A message with the bytes and the datagram it came in."""

    raw: bytes
    message: Message
    datagram: Datagram


def classify(message: Message) -> Input | None:
    """Returns which input a message is, by what it carries rather than by what is awaited."""
    encrypted = bool(message.header.flags & Flags.ENCRYPTION)
    match message.header.exchange:
        case ExchangeType.IDENTITY_PROTECTION if encrypted:
            return Input.MAIN_ENCRYPTED
        case ExchangeType.IDENTITY_PROTECTION if first_of(message.payloads, SecurityAssociation):
            return Input.MAIN_SA
        case ExchangeType.IDENTITY_PROTECTION if first_of(message.payloads, KeyExchange):
            return Input.MAIN_KE
        case ExchangeType.AGGRESSIVE if not encrypted:
            return Input.AGGRESSIVE
        case ExchangeType.QUICK if encrypted:
            return Input.QUICK
        case ExchangeType.INFORMATIONAL:
            return Input.INFORMATIONAL_ENCRYPTED if encrypted else Input.INFORMATIONAL_CLEAR
        case _:
            return None


def needed(received: Received | None) -> tuple[bytes, Message, Datagram]:
    """Returns the parts of what was received; ``ValueError`` where the table gave none (a bug of ours)."""
    if received is None:
        raise ValueError("this input comes with a message")
    return received.raw, received.message, received.datagram
