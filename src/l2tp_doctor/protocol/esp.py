"""Encapsulating Security Payload (RFC 4303) for one pair of security associations.

Transport or tunnel mode makes no difference here: a payload and its next-header
number go in, an ESP packet comes out, from the SPI to the ICV.  IPv4/IPv6 headers
and the UDP header of RFC 3948 belong to others.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from .crypto import CryptoError, IkeCipher, aes_gcm_open, aes_gcm_seal, cipher
from .engine import RandomSource

# ESP transform identifiers, RFC 2407 §4.4.4 with RFC 3602 and RFC 4106.
DES = 2
TRIPLE_DES = 3
NULL = 11
AES_CBC = 12
AES_GCM_16 = 20

DUMMY_NEXT_HEADER = 59
"""Traffic-flow padding: the receiver throws such a packet away without a word (RFC 4303 §2.6)."""

REPLAY_WINDOW = 64
"""Packets the receiver looks back; RFC 4303 §3.4.3 prefers 64 as the default."""

MAX_SEQUENCE = 0xFFFFFFFF

_HEADER_SIZE = 8
_GCM_IV_SIZE = 8
_GCM_SALT_SIZE = 4
_GCM_TAG_SIZE = 16
_ALIGNMENT = 4  # RFC 4303 §2.4: Pad Length and Next Header end on a 4-byte boundary

_IKE_CIPHER_OF_TRANSFORM: Mapping[int, int] = MappingProxyType({DES: 1, TRIPLE_DES: 5, AES_CBC: 7})


@dataclass(frozen=True, slots=True)
class _Integrity:
    hash_name: str
    key_size: int
    icv_size: int
    name: str


# Authentication algorithms, RFC 2407 §4.5; RFC 2403, RFC 2404, RFC 4868 §2.
_INTEGRITY: Mapping[int, _Integrity] = MappingProxyType(
    {
        1: _Integrity("md5", 16, 12, "HMAC-MD5-96"),
        2: _Integrity("sha1", 20, 12, "HMAC-SHA1-96"),
        5: _Integrity("sha256", 32, 16, "HMAC-SHA2-256-128"),
        6: _Integrity("sha384", 48, 24, "HMAC-SHA2-384-192"),
        7: _Integrity("sha512", 64, 32, "HMAC-SHA2-512-256"),
    }
)

EspErrorReason = Literal["malformed", "wrong-spi", "replay", "integrity", "padding", "sequence-exhausted"]


class EspError(ValueError):
    """A packet that cannot be opened, or an association that may send no more.

    Attributes:
        reason: ``malformed``, ``wrong-spi``, ``replay``, ``integrity``, ``padding``;
            ``sequence-exhausted`` when sealing.
    """

    def __init__(self, reason: EspErrorReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: EspErrorReason = reason


@dataclass(frozen=True, slots=True)
class EspSuite:
    """Encryption and integrity negotiated in Quick Mode.

    Raises:
        CryptoError: unknown numbers, impossible key length, AES-GCM together with an
            integrity algorithm, or NULL encryption without one.
    """

    encryption: int
    """ESP transform id: 2 DES, 3 3DES, 11 NULL, 12 AES-CBC, 20 AES-GCM with a 16-byte ICV."""
    key_bits: int | None
    """Key Length attribute; absent means 128 for AES."""
    integrity: int | None
    """Authentication Algorithm attribute: 1 HMAC-MD5-96, 2 HMAC-SHA1-96, 5, 6, 7 HMAC-SHA2."""

    def __post_init__(self) -> None:
        if self.integrity is not None and self.integrity not in _INTEGRITY:
            raise CryptoError(f"ESP authentication algorithm {self.integrity} is not supported")
        if self.encryption == AES_GCM_16:
            cipher(7, self.key_bits)  # checks the key length
            if self.integrity is not None:
                raise CryptoError("AES-GCM brings its own integrity")
        elif self.encryption == NULL:
            if self.integrity is None:
                # RFC 4303 §3.2: both "NULL" at once MUST NOT be.
                raise CryptoError("NULL encryption needs an integrity algorithm")
        else:
            self.block_cipher()

    def block_cipher(self) -> IkeCipher:
        """Returns the CBC cipher.

        Raises:
            CryptoError: the suite has none, or its key length does not exist.
        """
        number = _IKE_CIPHER_OF_TRANSFORM.get(self.encryption)
        if number is None:
            raise CryptoError(f"ESP transform {self.encryption} is not a supported block cipher")
        return cipher(number, self.key_bits)

    @property
    def encryption_key_size(self) -> int:
        """Bytes of KEYMAT for encryption; for AES-GCM including the 4-byte salt (RFC 4106 §8.1)."""
        if self.encryption == NULL:
            return 0
        if self.encryption == AES_GCM_16:
            return cipher(7, self.key_bits).key_size + _GCM_SALT_SIZE
        return self.block_cipher().key_size

    @property
    def integrity_key_size(self) -> int:
        """Bytes of KEYMAT for integrity."""
        return 0 if self.integrity is None else _INTEGRITY[self.integrity].key_size

    @property
    def keymat_size(self) -> int:
        """Bytes of KEYMAT one direction needs (RFC 2409 §5.5)."""
        return self.encryption_key_size + self.integrity_key_size

    def split_keymat(self, keymat: bytes) -> tuple[bytes, bytes]:
        """Returns encryption key and integrity key, in the order of RFC 2407 §4.4.4.

        Raises:
            CryptoError: ``keymat`` is shorter than :attr:`keymat_size`.
        """
        if len(keymat) < self.keymat_size:
            raise CryptoError(f"{len(keymat)} bytes of KEYMAT, {self.keymat_size} are needed")
        return keymat[: self.encryption_key_size], keymat[self.encryption_key_size : self.keymat_size]

    @property
    def iv_size(self) -> int:
        """Bytes of IV in every packet."""
        if self.encryption == NULL:
            return 0
        return _GCM_IV_SIZE if self.encryption == AES_GCM_16 else self.block_cipher().block_size

    @property
    def icv_size(self) -> int:
        """Bytes of integrity check value at the end of every packet."""
        if self.encryption == AES_GCM_16:
            return _GCM_TAG_SIZE
        return 0 if self.integrity is None else _INTEGRITY[self.integrity].icv_size

    @property
    def alignment(self) -> int:
        """The plaintext with its trailer is a multiple of this many bytes."""
        if self.encryption in (NULL, AES_GCM_16):
            return _ALIGNMENT
        return self.block_cipher().block_size

    @property
    def authenticated(self) -> bool:
        """Whether a changed packet is noticed at all."""
        return self.icv_size > 0

    @property
    def name(self) -> str:
        """``AES-CBC-256/HMAC-SHA1-96``, ``AES-GCM-16-128``, ``NULL/HMAC-SHA1-96`` …"""
        if self.encryption == AES_GCM_16:
            return f"AES-GCM-16-{cipher(7, self.key_bits).key_size * 8}"
        encryption = "NULL" if self.encryption == NULL else self.block_cipher().name
        return f"{encryption}/{'none' if self.integrity is None else _INTEGRITY[self.integrity].name}"


@dataclass(frozen=True, slots=True)
class EspSa:
    """One direction's association: SPI, suite and keys.

    Raises:
        CryptoError: a key has not the length the suite says.
        ValueError: the SPI does not fit 32 bits or is 0, which is never sent (RFC 4303 §2.1).
    """

    spi: int
    suite: EspSuite
    encryption_key: bytes = field(repr=False)
    integrity_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.spi <= 0xFFFFFFFF:
            raise ValueError(f"{self.spi} is no SPI")
        if len(self.encryption_key) != self.suite.encryption_key_size:
            raise CryptoError(f"encryption key of {self.suite.name} has {len(self.encryption_key)} bytes")
        if len(self.integrity_key) != self.suite.integrity_key_size:
            raise CryptoError(f"integrity key of {self.suite.name} has {len(self.integrity_key)} bytes")

    def icv(self, authenticated: bytes) -> bytes:
        """Returns the truncated HMAC over SPI, sequence number, IV and ciphertext."""
        if self.suite.integrity is None:
            return b""
        algorithm = _INTEGRITY[self.suite.integrity]
        return hmac.digest(self.integrity_key, authenticated, algorithm.hash_name)[: algorithm.icv_size]

    def gcm_key_and_nonce(self, iv: bytes) -> tuple[bytes, bytes]:
        """Returns the AES key and salt || IV (RFC 4106 §4)."""
        return self.encryption_key[:-_GCM_SALT_SIZE], self.encryption_key[-_GCM_SALT_SIZE:] + iv


class EspOutbound:
    """Seals packets; one object for the life of the association, so that no number is used twice."""

    __slots__ = ("_sequence", "sa")

    def __init__(self, sa: EspSa) -> None:
        self.sa = sa
        self._sequence = 0

    @property
    def sequence(self) -> int:
        """Number of the last packet sealed, 0 before the first."""
        return self._sequence

    def seal(self, payload: bytes, next_header: int, random: RandomSource) -> bytes:
        """Returns the ESP packet for ``payload``.

        Args:
            payload: what follows the IP header in transport mode, an IP packet in tunnel mode.
            next_header: IP protocol number of ``payload``; 59 for a dummy packet.
            random: source of the CBC IV.

        Raises:
            EspError: ``sequence-exhausted``: RFC 4303 §3.3.3 forbids the counter to cycle.
        """
        if self._sequence >= MAX_SEQUENCE:
            raise EspError("sequence-exhausted", "2^32-1 packets have been sent")
        self._sequence += 1
        sa, suite = self.sa, self.sa.suite
        header = sa.spi.to_bytes(4, "big") + self._sequence.to_bytes(4, "big")
        plaintext = payload + _trailer(len(payload), suite.alignment, next_header)
        if suite.encryption == AES_GCM_16:
            # Under one key an IV must never come twice (RFC 4106 §3.1), and chance is no guarantee.
            iv = self._sequence.to_bytes(_GCM_IV_SIZE, "big")
            key, nonce = sa.gcm_key_and_nonce(iv)
            return header + iv + aes_gcm_seal(key, nonce, plaintext, header)
        if suite.encryption == NULL:
            body = header + plaintext
        else:
            # RFC 3602 §3: the IV "MUST be chosen at random, and MUST be unpredictable".
            iv = random(suite.iv_size)
            body = header + iv + suite.block_cipher().encrypt(sa.encryption_key, iv, plaintext)
        return body + sa.icv(body)

    def __repr__(self) -> str:
        return f"EspOutbound(spi={self.sa.spi:#010x}, suite={self.sa.suite.name}, sequence={self._sequence})"


def _trailer(payload_size: int, alignment: int, next_header: int) -> bytes:
    """Padding 1, 2, 3, …, its length and the next header (RFC 4303 §2.4)."""
    length = -(payload_size + 2) % alignment
    return bytes(range(1, length + 1)) + bytes((length, next_header))


class ReplayWindow:
    """The last sequence numbers seen (RFC 4303 §3.4.3)."""

    __slots__ = ("_highest", "_seen", "_size")

    def __init__(self, size: int = REPLAY_WINDOW) -> None:
        self._size = size
        self._highest = 0
        self._seen = 0  # bit n: sequence number highest - n has arrived

    @property
    def highest(self) -> int:
        """Highest sequence number accepted, 0 before the first packet."""
        return self._highest

    def acceptable(self, sequence: int) -> bool:
        """Whether a packet with this number is new and not too old; changes nothing."""
        if sequence == 0:  # the sender starts with 1
            return False
        behind = self._highest - sequence
        return behind < 0 or (behind < self._size and not self._seen >> behind & 1)

    def mark(self, sequence: int) -> None:
        """Records the number of a packet whose integrity has been verified."""
        behind = self._highest - sequence
        if behind < 0:
            # No wider shift than the window: a jump by 2^32 must not build a huge number.
            self._seen = (self._seen << min(-behind, self._size) | 1) & ((1 << self._size) - 1)
            self._highest = sequence
        else:
            self._seen |= 1 << behind


class EspInbound:
    """Opens packets of one association."""

    __slots__ = ("_window", "sa")

    def __init__(self, sa: EspSa, window: int = REPLAY_WINDOW) -> None:
        self.sa = sa
        self._window = ReplayWindow(window)

    @property
    def highest_sequence(self) -> int:
        """Highest sequence number accepted, 0 before the first packet."""
        return self._window.highest

    def open(self, packet: bytes) -> tuple[bytes, int]:
        """Returns payload and next header; the caller throws dummies (59) away.

        The order is RFC 4303 §3.4.3's: window first because it is cheap, then integrity, then
        the window is moved ("The receive window is updated only if the integrity verification
        succeeds"), then decryption.

        Raises:
            EspError: with the reason; the association is unchanged unless the packet was authentic.
        """
        sa, suite = self.sa, self.sa.suite
        ciphertext_size = len(packet) - _HEADER_SIZE - suite.iv_size - suite.icv_size
        if ciphertext_size < suite.alignment or ciphertext_size % suite.alignment:
            raise EspError("malformed", f"{len(packet)} bytes do not make a packet of {suite.name}")
        spi, sequence = int.from_bytes(packet[:4], "big"), int.from_bytes(packet[4:8], "big")
        if spi != sa.spi:
            raise EspError("wrong-spi", f"{spi:#010x} instead of {sa.spi:#010x}")
        # Without integrity a sequence number proves nothing and a forged one would close the
        # window (RFC 4303 §3.4.3: anti-replay only with integrity).
        if suite.authenticated and not self._window.acceptable(sequence):
            raise EspError("replay", f"sequence number {sequence}, window ends at {self._window.highest}")
        plaintext = self._verify_and_decrypt(packet, sequence)
        return self._strip_trailer(plaintext)

    def _verify_and_decrypt(self, packet: bytes, sequence: int) -> bytes:
        sa, suite = self.sa, self.sa.suite
        iv = packet[_HEADER_SIZE : _HEADER_SIZE + suite.iv_size]
        if suite.encryption == AES_GCM_16:
            key, nonce = sa.gcm_key_and_nonce(iv)
            try:
                plaintext = aes_gcm_open(
                    key, nonce, packet[_HEADER_SIZE + _GCM_IV_SIZE :], packet[:_HEADER_SIZE]
                )
            except CryptoError as error:
                raise EspError("integrity", "the AES-GCM tag does not fit") from error
            self._window.mark(sequence)
            return plaintext
        end = len(packet) - suite.icv_size
        if not hmac.compare_digest(packet[end:], sa.icv(packet[:end])):
            raise EspError("integrity", "the ICV does not fit")
        if suite.authenticated:
            self._window.mark(sequence)
        ciphertext = packet[_HEADER_SIZE + suite.iv_size : end]
        if suite.encryption == NULL:
            return ciphertext
        return suite.block_cipher().decrypt(sa.encryption_key, iv, ciphertext)

    def _strip_trailer(self, plaintext: bytes) -> tuple[bytes, int]:
        length, next_header = plaintext[-2], plaintext[-1]
        if length + 2 > len(plaintext):
            raise EspError("padding", f"{length} bytes of padding in {len(plaintext)} bytes")
        payload_size = len(plaintext) - 2 - length
        # RFC 4303 §2.4 lets the receiver check for 1, 2, 3, … against cut-and-paste attacks on
        # unauthenticated packets.  An authentic packet is not refused for what fills its padding:
        # other stacks do not either, and the dial would fail where theirs succeeds.
        padding = plaintext[payload_size:-2]
        if not self.sa.suite.authenticated and padding != bytes(range(1, length + 1)):
            raise EspError("padding", "the padding is not 1, 2, 3, …")
        return plaintext[:payload_size], next_header

    def __repr__(self) -> str:
        return (
            f"EspInbound(spi={self.sa.spi:#010x}, suite={self.sa.suite.name}, "
            f"highest_sequence={self._window.highest})"
        )
