"""IKEv1 key derivation and authentication hashes (RFC 2409 §5 and appendix B)."""

from __future__ import annotations

from dataclasses import dataclass, field

from l2tp_doctor.protocol.crypto import digest, prf
from l2tp_doctor.protocol.secret import Secret


@dataclass(frozen=True, slots=True)
class Phase1Keys:
    """SKEYID and what hangs on it; nothing of it is ever shown."""

    hash_id: int
    skeyid: bytes = field(repr=False)
    skeyid_d: bytes = field(repr=False)
    skeyid_a: bytes = field(repr=False)
    skeyid_e: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Phase1Secrets:
    """The values both sides know after the key exchange (RFC 2409 §5).

    ``shared`` is g^xy; ``sa_i`` the body of the initiator's SA payload without its generic header.
    """

    initiator_cookie: bytes
    responder_cookie: bytes
    nonce_i: bytes
    nonce_r: bytes
    public_i: bytes
    public_r: bytes
    sa_i: bytes
    shared: bytes = field(repr=False)


def skeyid_for_psk(hash_id: int, psk: Secret, secrets: Phase1Secrets) -> bytes:
    """SKEYID = prf(pre-shared-key, Ni_b | Nr_b)."""
    return prf(hash_id, psk.reveal(), secrets.nonce_i + secrets.nonce_r)


def skeyid_for_signatures(hash_id: int, secrets: Phase1Secrets) -> bytes:
    """SKEYID = prf(Ni_b | Nr_b, g^xy)."""
    return prf(hash_id, secrets.nonce_i + secrets.nonce_r, secrets.shared)


def derive_phase1(hash_id: int, skeyid: bytes, secrets: Phase1Secrets) -> Phase1Keys:
    """SKEYID_d, SKEYID_a and SKEYID_e (RFC 2409 §5)."""
    context = secrets.shared + secrets.initiator_cookie + secrets.responder_cookie
    skeyid_d = prf(hash_id, skeyid, context + b"\x00")
    skeyid_a = prf(hash_id, skeyid, skeyid_d + context + b"\x01")
    skeyid_e = prf(hash_id, skeyid, skeyid_a + context + b"\x02")
    return Phase1Keys(hash_id, skeyid, skeyid_d, skeyid_a, skeyid_e)


def encryption_key(keys: Phase1Keys, size: int) -> bytes:
    """The phase 1 cipher key of ``size`` bytes (RFC 2409 appendix B).

    A short SKEYID_e is stretched: K1 | K2 | … with K1 = prf(SKEYID_e, 0), Kn = prf(SKEYID_e, Kn-1).
    """
    if len(keys.skeyid_e) >= size:
        return keys.skeyid_e[:size]
    block = prf(keys.hash_id, keys.skeyid_e, b"\x00")
    stretched = block
    while len(stretched) < size:
        block = prf(keys.hash_id, keys.skeyid_e, block)
        stretched += block
    return stretched[:size]


def phase1_iv(hash_id: int, secrets: Phase1Secrets, block_size: int) -> bytes:
    """The first IV of phase 1: hash(g^xi | g^xr), truncated (RFC 2409 appendix B)."""
    return digest(hash_id, secrets.public_i + secrets.public_r)[:block_size]


def phase2_iv(hash_id: int, last_phase1_block: bytes, message_id: int, block_size: int) -> bytes:
    """The first IV of a phase 2 or Informational exchange (RFC 2409 appendix B)."""
    return digest(hash_id, last_phase1_block + message_id.to_bytes(4, "big"))[:block_size]


def hash_i(keys: Phase1Keys, secrets: Phase1Secrets, id_body: bytes) -> bytes:
    """HASH_I = prf(SKEYID, g^xi | g^xr | CKY-I | CKY-R | SAi_b | IDii_b)."""
    return prf(
        keys.hash_id,
        keys.skeyid,
        secrets.public_i
        + secrets.public_r
        + secrets.initiator_cookie
        + secrets.responder_cookie
        + secrets.sa_i
        + id_body,
    )


def hash_r(keys: Phase1Keys, secrets: Phase1Secrets, id_body: bytes) -> bytes:
    """HASH_R = prf(SKEYID, g^xr | g^xi | CKY-R | CKY-I | SAi_b | IDir_b)."""
    return prf(
        keys.hash_id,
        keys.skeyid,
        secrets.public_r
        + secrets.public_i
        + secrets.responder_cookie
        + secrets.initiator_cookie
        + secrets.sa_i
        + id_body,
    )


def quick_hash_1(keys: Phase1Keys, message_id: int, rest: bytes) -> bytes:
    """HASH(1) = prf(SKEYID_a, M-ID | everything behind the HASH payload); also for Informational (§5.7)."""
    return prf(keys.hash_id, keys.skeyid_a, message_id.to_bytes(4, "big") + rest)


def quick_hash_2(keys: Phase1Keys, message_id: int, nonce_i: bytes, rest: bytes) -> bytes:
    """HASH(2) = prf(SKEYID_a, M-ID | Ni_b | everything behind the HASH payload)."""
    return prf(keys.hash_id, keys.skeyid_a, message_id.to_bytes(4, "big") + nonce_i + rest)


def quick_hash_3(keys: Phase1Keys, message_id: int, nonce_i: bytes, nonce_r: bytes) -> bytes:
    """HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni_b | Nr_b)."""
    return prf(keys.hash_id, keys.skeyid_a, b"\x00" + message_id.to_bytes(4, "big") + nonce_i + nonce_r)


def keymat(keys: Phase1Keys, shared: bytes, protocol: int, spi: bytes, nonces: bytes, size: int) -> bytes:
    """KEYMAT for one SA: K1 | K2 | … (RFC 2409 §5.5).

    Kn = prf(SKEYID_d, Kn-1 | g(qm)^xy | protocol | SPI | Ni_b | Nr_b), with K0 empty.

    Args:
        keys: phase 1 keys.
        shared: g(qm)^xy with PFS, empty without.
        protocol: IPsec protocol number, 3 for ESP.
        spi: the SPI of the SA's receiver.
        nonces: Ni_b | Nr_b.
        size: bytes wanted.
    """
    seed = shared + bytes([protocol]) + spi + nonces
    block = b""
    material = b""
    while len(material) < size:
        block = prf(keys.hash_id, keys.skeyid_d, block + seed)
        material += block
    return material[:size]
