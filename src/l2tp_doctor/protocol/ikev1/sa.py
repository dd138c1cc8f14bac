"""One ISAKMP SA: its cookies, its keys, and its chain of CBC initialisation vectors."""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from l2tp_doctor.protocol.crypto import CryptoError, IkeCipher
from l2tp_doctor.protocol.ikev1 import keys as derivation
from l2tp_doctor.protocol.ikev1.keys import Phase1Keys, Phase1Secrets
from l2tp_doctor.protocol.isakmp.constants import ExchangeType, PayloadType
from l2tp_doctor.protocol.isakmp.message import (
    Header,
    Message,
    decode_payloads,
    encode_encrypted,
    encode_message,
    encode_payloads,
)
from l2tp_doctor.protocol.isakmp.payloads import HashPayload, Payload
from l2tp_doctor.protocol.wire import WireError

_GENERIC_HEADER = 4
# Octets of a HASH that must be left outside the first block for a match to be no chance.
_PROOF_OCTETS = 4


def payload_body(payload: Payload) -> bytes:
    """Returns a payload's bytes without its generic header, as the authentication hashes want it."""
    return encode_payloads([payload])[1][_GENERIC_HEADER:]


def chain_end(first: int, body: bytes) -> int:
    """Returns where a payload chain ends in ``body``; what follows is cipher padding.

    Raises:
        WireError: a payload reaches beyond the body.
    """
    position = 0
    kind = first
    while kind != PayloadType.NONE:
        if position + _GENERIC_HEADER > len(body):
            raise WireError(position, "generic header", "cut short")
        kind = body[position]
        length = int.from_bytes(body[position + 2 : position + 4], "big")
        if length < _GENERIC_HEADER or position + length > len(body):
            raise WireError(position, "payload length", f"{length} is impossible here")
        position += length
    return position


@dataclass(frozen=True, slots=True)
class Opened:
    """A decrypted message.

    ``after_hash`` is what HASH(1) and HASH(2) cover: everything behind a leading HASH payload.
    """

    payloads: tuple[Payload, ...]
    plaintext: bytes = field(repr=False)
    after_hash: bytes = field(repr=False)


def _open_plaintext(first: int, plaintext: bytes) -> Opened:
    if first == PayloadType.NONE:
        # Nothing inside would be looked at, so any bytes at all would count as decrypted.
        raise WireError(16, "next payload", "an encrypted message without payloads")
    end = chain_end(first, plaintext)
    payloads = decode_payloads(first, plaintext[:end])
    start = 0
    if payloads and isinstance(payloads[0], HashPayload):
        start = _GENERIC_HEADER + len(payloads[0].data)
    return Opened(payloads, plaintext[:end], plaintext[start:end])


@dataclass
class IsakmpSa:
    """Keys and IV chains of one ISAKMP SA; both roles use it alike."""

    secrets: Phase1Secrets
    keys: Phase1Keys
    cipher: IkeCipher
    _key: bytes = field(init=False, repr=False)
    _phase1_iv: bytes = field(init=False, repr=False)
    _first_iv: bytes = field(init=False, repr=False)
    _previous_iv: bytes = field(init=False, repr=False)
    _phase2_ivs: dict[int, bytes] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._key = derivation.encryption_key(self.keys, self.cipher.key_size)
        self._first_iv = derivation.phase1_iv(self.keys.hash_id, self.secrets, self.cipher.block_size)
        self._phase1_iv = self._previous_iv = self._first_iv

    def _header(self, exchange: int, message_id: int, flags: int = 0) -> Header:
        return Header(
            self.secrets.initiator_cookie, self.secrets.responder_cookie, exchange, flags, message_id
        )

    def _pad(self, plaintext: bytes) -> bytes:
        # RFC 2409 appendix B leaves the padding's content open; zeros are what everyone sends.
        return plaintext + bytes(-len(plaintext) % self.cipher.block_size)

    def seal_phase1(self, exchange: int, payloads: Sequence[Payload]) -> tuple[bytes, bytes]:
        """Returns an encrypted phase 1 message and the same in clear (for ``--pcap-decrypted``)."""
        header = self._header(exchange, 0)
        first, chain = encode_payloads(payloads)
        ciphertext = self.cipher.encrypt(self._key, self._phase1_iv, self._pad(chain))
        self._advance_phase1(ciphertext)
        return encode_encrypted(header, first, ciphertext), encode_message(header, payloads)

    def _advance_phase1(self, ciphertext: bytes) -> None:
        self._previous_iv = self._phase1_iv
        self._phase1_iv = ciphertext[-self.cipher.block_size :]

    def open_phase1(self, message: Message) -> Opened:
        """Decrypts a phase 1 message.

        The IV chain is moved by :meth:`accept_phase1` once the caller has seen a proof inside:
        chance alone makes a readable chain of payloads out of some forged messages.

        Raises:
            WireError: the keys do not fit, or the content is malformed.
        """
        return self._decrypt(self._phase1_iv, message)

    def accept_phase1(self, message: Message) -> None:
        """Moves the phase 1 IV chain behind that message."""
        self._advance_phase1(message.body)

    def _decrypt(self, iv: bytes, message: Message) -> Opened:
        try:
            plaintext = self.cipher.decrypt(self._key, iv, message.body)
        except CryptoError as error:
            raise WireError(28, "encrypted body", str(error)) from error
        return _open_plaintext(message.header.next_payload, plaintext)

    def _phase2_first_iv(self, message_id: int, base: bytes) -> bytes:
        return derivation.phase2_iv(self.keys.hash_id, base, message_id, self.cipher.block_size)

    def seal(self, exchange: int, message_id: int, payloads: Sequence[Payload]) -> tuple[bytes, bytes]:
        """Returns an encrypted phase 2 or Informational message and the same in clear."""
        header = self._header(exchange, message_id)
        first, chain = encode_payloads(payloads)
        iv = self._phase2_ivs.get(message_id) or self._phase2_first_iv(message_id, self._phase1_iv)
        ciphertext = self.cipher.encrypt(self._key, iv, self._pad(chain))
        if exchange == ExchangeType.QUICK:
            self._phase2_ivs[message_id] = ciphertext[-self.cipher.block_size :]
        return encode_encrypted(header, first, ciphertext), encode_message(header, payloads)

    def seal_with_hash_1(
        self, exchange: int, message_id: int, payloads: Sequence[Payload]
    ) -> tuple[bytes, bytes]:
        """As :meth:`seal`, with HASH(1) in front: Quick Mode 1 and Informational (RFC 2409 §5.5, §5.7)."""
        rest = encode_payloads(payloads)[1]
        authenticator = HashPayload(derivation.quick_hash_1(self.keys, message_id, rest))
        return self.seal(exchange, message_id, [authenticator, *payloads])

    def open_quick(self, message: Message) -> Opened:
        """Decrypts a Quick Mode message of this SA.

        The IV chain is moved by :meth:`accept_quick` once the caller has verified the hash.

        Raises:
            WireError: the keys do not fit, or the content is malformed.
        """
        message_id = message.header.message_id
        iv = self._phase2_ivs.get(message_id) or self._phase2_first_iv(message_id, self._phase1_iv)
        return self._decrypt(iv, message)

    def accept_quick(self, message: Message) -> None:
        """Moves the IV chain of that message's exchange behind it."""
        self._phase2_ivs[message.header.message_id] = message.body[-self.cipher.block_size :]

    def forget_quick(self, message_id: int) -> None:
        """The exchange is complete; its IV is not needed any more."""
        self._phase2_ivs.pop(message_id, None)

    def open_informational(self, message: Message) -> tuple[Opened, bool]:
        """Decrypts an Informational message; returns it and whether its HASH(1) matches.

        Before phase 1 is complete the two sides may disagree on which phase 1 block came
        last (the peer may not have been able to read our newest), so each candidate is tried.

        Raises:
            WireError: no candidate gives a readable message.
        """
        failure: WireError | None = None
        readable: Opened | None = None
        for base in self._informational_bases():
            iv = self._phase2_first_iv(message.header.message_id, base)
            try:
                opened = self._decrypt(iv, message)
            except WireError as error:
                failure = failure or error
                continue
            if self.verify_hash_1(message.header.message_id, opened):
                return opened, True
            readable = readable or opened
        if readable is None:
            raise failure or WireError(28, "encrypted body", "no key fits")
        return readable, False

    def proves_keys(self, message: Message) -> bool:
        """Whether a phase 2 message was sealed with our keys, although we cannot know its IV.

        What a peer seals after its last phase 1 message has an IV made from that message (RFC 2409
        appendix B); where it was lost, we have no part of it.  CBC loses one block to a wrong IV.  The blocks
        behind it hold the end of HASH(1), and all that it covers, which nobody makes without SKEYID_a.
        """
        block = self.cipher.block_size
        start = _GENERIC_HEADER + len(derivation.quick_hash_1(self.keys, 0, b""))
        if message.header.next_payload != PayloadType.HASH or start - block < _PROOF_OCTETS:
            return False
        try:
            plaintext = self.cipher.decrypt(self._key, bytes(block), message.body)
            # The type of the first payload covered is in the lost block; its length, and the rest, are not.
            end = start + chain_end(PayloadType.HASH, plaintext[start:])
        except (CryptoError, WireError):
            return False
        expected = derivation.quick_hash_1(self.keys, message.header.message_id, plaintext[start:end])
        return hmac.compare_digest(plaintext[block:start], expected[block - _GENERIC_HEADER :])

    def _informational_bases(self) -> Iterator[bytes]:
        seen: set[bytes] = set()
        # Libreswan notes the last phase 1 block when phase 1 is complete; until then it has an empty one.
        for base in (self._phase1_iv, self._previous_iv, self._first_iv, b""):
            if base not in seen:
                seen.add(base)
                yield base

    def verify_hash_1(self, message_id: int, opened: Opened) -> bool:
        """Whether the message starts with the right HASH(1)."""
        if not opened.payloads or not isinstance(opened.payloads[0], HashPayload):
            return False
        expected = derivation.quick_hash_1(self.keys, message_id, opened.after_hash)
        return hmac.compare_digest(opened.payloads[0].data, expected)

    def clear_copy(self, message: Message, opened: Opened) -> bytes:
        """Returns the received message as if it had never been encrypted (for ``--pcap-decrypted``)."""
        header = self._header(message.header.exchange, message.header.message_id)
        return encode_message(header, opened.payloads)
