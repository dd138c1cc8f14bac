"""The one place where this package meets cryptographic libraries.

Everything is addressed by the numbers that travel in IKEv1 (RFC 2409 appendix A,
RFC 3526, RFC 4868, RFC 5903): group numbers, hash numbers, encryption numbers.
Whatever a peer can get wrong raises :class:`CryptoError` and nothing else.

``cryptography`` and ``pycryptodome`` are imported inside the functions that need
them, so importing this module costs next to nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from .engine import RandomSource

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
    from cryptography.hazmat.primitives.ciphers import CipherAlgorithm


class CryptoError(ValueError):
    """A key, a public value, a signature or a length that cannot be used."""


def _prime(digits: str) -> int:
    return int(digits, 16)


# RFC 2409 §6.1 (1), §6.2 (2); RFC 3526 §2 (5), §3 (14), §4 (15), §5 (16).  The generator is 2 in all of them.
MODP_PRIMES: Mapping[int, int] = MappingProxyType(
    {
        1: _prime(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
            "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
            "4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A3620FFFFFFFFFFFFFFFF"
        ),
        2: _prime(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
            "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
            "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
        ),
        5: _prime(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
            "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
            "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
            "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
            "9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF"
        ),
        14: _prime(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
            "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
            "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
            "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
            "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
            "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
            "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF"
        ),
        15: _prime(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
            "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
            "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
            "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
            "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
            "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
            "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33"
            "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
            "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864"
            "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2"
            "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF"
        ),
        16: _prime(
            "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
            "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
            "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
            "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05"
            "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB"
            "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
            "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718"
            "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33"
            "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7"
            "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864"
            "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2"
            "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7"
            "88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8"
            "DBBBC2DB04DE8EF92E8EFC141FBECAA6287C59474E6BC05D99B2964FA090C3A2"
            "233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9"
            "93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF"
        ),
    }
)

# Twice the strength RFC 3526 §8 estimates (the higher of its two columns), rounded up: a longer
# exponent costs time without making the discrete logarithm harder.
_MODP_EXPONENT_BITS: Mapping[int, int] = MappingProxyType({1: 256, 2: 256, 5: 256, 14: 320, 15: 448, 16: 512})

# RFC 5903 §7: coordinate length in bytes and the order of the group, per IKE group number.
_ECP_COORDINATE_SIZE: Mapping[int, int] = MappingProxyType({19: 32, 20: 48, 21: 66})
_ECP_BITS: Mapping[int, int] = MappingProxyType({19: 256, 20: 384, 21: 521})

SUPPORTED_GROUPS: frozenset[int] = frozenset(MODP_PRIMES) | frozenset(_ECP_COORDINATE_SIZE)
"""IKE group numbers :func:`generate` accepts.  Group 1 (768 bits) is here for asking only, never offered."""

_ECP_ATTEMPTS = 128  # each attempt fails with p < 1/2; only a broken random source needs more


class DiffieHellman:
    """Our half of one Diffie-Hellman exchange; made by :func:`generate`.

    Attributes:
        group: IKE group number.
        public: our public value as it travels in the KE payload: a MODP value padded
            with zeros to the length of the prime (RFC 2409 §5), or x || y for ECP.
    """

    __slots__ = ("_derive", "group", "public")

    def __init__(self, group: int, public: bytes, derive: Callable[[bytes], bytes]) -> None:
        self.group = group
        self.public = public
        self._derive = derive

    def shared(self, peer_public: bytes) -> bytes:
        """Returns g^xy, as long as the prime, or the shared point's x for ECP (RFC 5903 §7).

        Raises:
            CryptoError: the peer's value has the wrong length, is 0, 1, p-1 or larger
                (they would make the secret guessable), or is no point of the curve.
        """
        return self._derive(peer_public)

    def __repr__(self) -> str:
        return f"DiffieHellman(group={self.group})"


def generate(group: int, random: RandomSource) -> DiffieHellman:
    """Makes a fresh private value for ``group`` from ``random``.

    Raises:
        CryptoError: the group is not in :data:`SUPPORTED_GROUPS`.
    """
    if group in MODP_PRIMES:
        bits = _MODP_EXPONENT_BITS[group]
        # The top bit is set so that no exponent is short.
        return _modp(group, int.from_bytes(random(bits // 8), "big") | (1 << (bits - 1)))
    if group in _ECP_COORDINATE_SIZE:
        return _ecp(group, _ecp_private_value(group, random))
    raise CryptoError(f"Diffie-Hellman group {group} is not supported")


def public_size(group: int) -> int:
    """Returns the length in bytes of a public value of ``group``.

    Raises:
        CryptoError: the group is not in :data:`SUPPORTED_GROUPS`.
    """
    if group in MODP_PRIMES:
        return MODP_PRIMES[group].bit_length() // 8
    if group in _ECP_COORDINATE_SIZE:
        return 2 * _ECP_COORDINATE_SIZE[group]
    raise CryptoError(f"Diffie-Hellman group {group} is not supported")


def _require_public_size(group: int, peer_public: bytes) -> None:
    if len(peer_public) != public_size(group):
        raise CryptoError(
            f"public value of group {group} has {len(peer_public)} bytes instead of {public_size(group)}"
        )


def _modp(group: int, exponent: int) -> DiffieHellman:
    prime = MODP_PRIMES[group]
    size = public_size(group)

    def derive(peer_public: bytes) -> bytes:
        _require_public_size(group, peer_public)
        value = int.from_bytes(peer_public, "big")
        if not 1 < value < prime - 1:
            raise CryptoError(f"public value of group {group} is 0, 1, p-1 or larger")
        return pow(value, exponent, prime).to_bytes(size, "big")

    return DiffieHellman(group, pow(2, exponent, prime).to_bytes(size, "big"), derive)


def _curve(group: int) -> ec.EllipticCurve:
    from cryptography.hazmat.primitives.asymmetric import ec

    curves: dict[int, ec.EllipticCurve] = {19: ec.SECP256R1(), 20: ec.SECP384R1(), 21: ec.SECP521R1()}
    return curves[group]


def _ecp_private_value(group: int, random: RandomSource) -> int:
    """Draws until a value lies in 1..n-1 (rejection leaves every value equally likely)."""
    size = _ECP_COORDINATE_SIZE[group]
    mask = (1 << _ECP_BITS[group]) - 1
    for _ in range(_ECP_ATTEMPTS):
        value = int.from_bytes(random(size), "big") & mask
        if 0 < value < _ECP_ORDERS[group]:
            return value
    raise CryptoError("the random source does not produce a usable private value")


# SEC 2 §2.4.2, §2.5.1, §2.6.1: the orders n of P-256, P-384, P-521 (also RFC 5903 §3).
_ECP_ORDERS: Mapping[int, int] = MappingProxyType(
    {
        19: _prime("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551"),
        20: _prime(
            "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973"
        ),
        21: _prime(
            "01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
            "FA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409"
        ),
    }
)


def _ecp(group: int, private_value: int) -> DiffieHellman:
    from cryptography.hazmat.primitives.asymmetric import ec

    curve = _curve(group)
    private = ec.derive_private_key(private_value, curve)
    size = _ECP_COORDINATE_SIZE[group]
    numbers = private.public_key().public_numbers()

    def derive(peer_public: bytes) -> bytes:
        _require_public_size(group, peer_public)
        x, y = (int.from_bytes(part, "big") for part in (peer_public[:size], peer_public[size:]))
        try:
            peer = ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
            # Already x only, padded to the coordinate length, as RFC 5903 §7 wants it.
            return private.exchange(ec.ECDH(), peer)
        except ValueError as error:
            raise CryptoError(f"public value is not a point of group {group}") from error

    return DiffieHellman(group, numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big"), derive)


# RFC 2409 appendix A "Hash Algorithm", extended by the IANA registry (4, 5, 6).
_HASH_NAMES: Mapping[int, str] = MappingProxyType(
    {1: "md5", 2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512"}
)
_HASH_SIZES: Mapping[int, int] = MappingProxyType({1: 16, 2: 20, 4: 32, 5: 48, 6: 64})

SUPPORTED_HASHES: frozenset[int] = frozenset(_HASH_NAMES)
"""IKE hash numbers :func:`digest` and :func:`prf` accept."""


def _hash_name(hash_id: int) -> str:
    try:
        return _HASH_NAMES[hash_id]
    except KeyError:
        raise CryptoError(f"IKE hash {hash_id} is not supported") from None


def digest(hash_id: int, data: bytes) -> bytes:
    """Returns the hash of ``data`` under the negotiated IKE hash number.

    Raises:
        CryptoError: unknown hash number.
    """
    # MD5 and SHA-1 are what Windows and old gateways negotiate; a FIPS build only lets them
    # through when told that this is compatibility, not our choice.
    return hashlib.new(_hash_name(hash_id), data, usedforsecurity=False).digest()


def prf(hash_id: int, key: bytes, data: bytes) -> bytes:
    """Returns HMAC(key, data), which is IKEv1's prf unless another was negotiated (RFC 2409 §4).

    Raises:
        CryptoError: unknown hash number.
    """
    return hmac.digest(key, data, _hash_name(hash_id))


def digest_size(hash_id: int) -> int:
    """Returns the hash's length in bytes.

    Raises:
        CryptoError: unknown hash number.
    """
    _hash_name(hash_id)
    return _HASH_SIZES[hash_id]


_ENCRYPTION_NAMES: Mapping[int, str] = MappingProxyType({1: "DES-CBC", 5: "3DES-CBC", 7: "AES-CBC"})
_FIXED_KEY_BITS: Mapping[int, int] = MappingProxyType({1: 64, 5: 192})
_AES_KEY_BITS = (128, 192, 256)


@dataclass(frozen=True, slots=True)
class IkeCipher:
    """A block cipher in CBC mode; padding is the caller's business.

    Made by :func:`cipher`.  Keys are not kept: a value of this class can be shown.
    """

    encryption: int
    """IKE encryption number: 1 DES, 5 3DES, 7 AES."""
    key_size: int
    """Bytes of key."""
    block_size: int
    """Bytes of block and of IV."""

    @property
    def name(self) -> str:
        """``AES-CBC-256``, ``3DES-CBC``, ``DES-CBC``."""
        name = _ENCRYPTION_NAMES[self.encryption]
        return f"{name}-{self.key_size * 8}" if self.encryption == 7 else name

    def encrypt(self, key: bytes, iv: bytes, plaintext: bytes) -> bytes:
        """Returns the ciphertext, exactly as long as ``plaintext``.

        Raises:
            CryptoError: wrong key or IV length, or ``plaintext`` is no multiple of the block.
        """
        return self._run(True, key, iv, plaintext)

    def decrypt(self, key: bytes, iv: bytes, ciphertext: bytes) -> bytes:
        """Returns the plaintext with its padding, exactly as long as ``ciphertext``.

        Raises:
            CryptoError: wrong key or IV length, or ``ciphertext`` is no multiple of the block.
        """
        return self._run(False, key, iv, ciphertext)

    def _run(self, encrypting: bool, key: bytes, iv: bytes, data: bytes) -> bytes:
        if len(key) != self.key_size:
            raise CryptoError(f"{self.name} key has {len(key)} bytes instead of {self.key_size}")
        if len(iv) != self.block_size:
            raise CryptoError(f"{self.name} IV has {len(iv)} bytes instead of {self.block_size}")
        if len(data) % self.block_size:
            raise CryptoError(f"{self.name} data of {len(data)} bytes is no multiple of {self.block_size}")
        if self.encryption == 1:
            return _des_cbc(encrypting, key, iv, data)
        return _library_cbc(self.encryption, encrypting, key, iv, data)


def cipher(encryption: int, key_bits: int | None) -> IkeCipher:
    """Returns the phase-1 cipher for an IKE encryption number and Key Length attribute.

    Args:
        encryption: 1 DES-CBC, 5 3DES-CBC, 7 AES-CBC.
        key_bits: the Key Length attribute.  RFC 3602 §5.3 wants it for AES; absent means 128.
            DES and 3DES have one length only.

    Raises:
        CryptoError: unknown number or impossible key length.
    """
    if encryption == 7:
        bits = 128 if key_bits is None else key_bits
        if bits not in _AES_KEY_BITS:
            raise CryptoError(f"AES has no {bits}-bit key")
        return IkeCipher(7, bits // 8, 16)
    if encryption not in _FIXED_KEY_BITS:
        raise CryptoError(f"IKE encryption {encryption} is not supported")
    if key_bits not in (None, _FIXED_KEY_BITS[encryption]):
        raise CryptoError(f"{_ENCRYPTION_NAMES[encryption]} has no {key_bits}-bit key")
    return IkeCipher(encryption, _FIXED_KEY_BITS[encryption] // 8, 8)


def _des_cbc(encrypting: bool, key: bytes, iv: bytes, data: bytes) -> bytes:
    # Single DES only exists in pycryptodome: OpenSSL 3 hides it in its legacy provider.
    from Crypto.Cipher import DES

    engine = DES.new(key, DES.MODE_CBC, iv=iv)
    return bytes(engine.encrypt(data) if encrypting else engine.decrypt(data))


def _library_cbc(encryption: int, encrypting: bool, key: bytes, iv: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    with warnings.catch_warnings():
        # Older releases announce that 3DES moved; the user cannot do anything about it.
        warnings.simplefilter("ignore")
        algorithm = algorithms.AES(key) if encryption == 7 else _triple_des(key)
        engine = Cipher(algorithm, modes.CBC(iv))
        context = engine.encryptor() if encrypting else engine.decryptor()
        return context.update(data) + context.finalize()


def _triple_des(key: bytes) -> CipherAlgorithm:
    try:
        from cryptography.hazmat.decrepit.ciphers import algorithms

        return algorithms.TripleDES(key)
    except (ImportError, AttributeError):  # a release that keeps it at its former place
        from cryptography.hazmat.primitives.ciphers import algorithms as former

        moved: CipherAlgorithm = vars(former)["TripleDES"](key)
        return moved


def aes_gcm_seal(key: bytes, nonce: bytes, plaintext: bytes, associated: bytes) -> bytes:
    """Returns ciphertext || 16-byte tag (NIST SP 800-38D, RFC 4106 §4).

    Raises:
        CryptoError: wrong key or nonce length.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).encrypt(nonce, plaintext, associated)
    except ValueError as error:
        raise CryptoError("AES-GCM key or nonce has the wrong length") from error


def aes_gcm_open(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes:
    """Returns the plaintext of ciphertext || 16-byte tag.

    Raises:
        CryptoError: the tag does not fit, or a length is wrong.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    except (InvalidTag, ValueError) as error:
        raise CryptoError("AES-GCM tag does not fit") from error


# Limits for a peer's RSA key: below, no hash fits; above, one signature costs the checker seconds.
_RSA_BITS = range(512, 16384 + 1)
_RSA_EXPONENT_BITS = 64

# DER of DigestInfo up to the hash, RFC 8017 §9.2 note 1, by the hash's length.
_DIGEST_INFO: Mapping[int, bytes] = MappingProxyType(
    {
        16: bytes.fromhex("3020300c06082a864886f70d020505000410"),
        20: bytes.fromhex("3021300906052b0e03021a05000414"),
        32: bytes.fromhex("3031300d060960864801650304020105000420"),
        48: bytes.fromhex("3041300d060960864801650304020205000430"),
        64: bytes.fromhex("3051300d060960864801650304020305000440"),
    }
)


def _pkcs1_block(content: bytes, size: int) -> bytes:
    """Returns 00 01 FF… 00 content (RFC 8017 §9.2); at least eight FF.

    Raises:
        CryptoError: the key is too short for the content.
    """
    if size < len(content) + 11:
        raise CryptoError(f"an RSA key of {size * 8} bits cannot sign {len(content)} bytes")
    return b"\x00\x01" + b"\xff" * (size - len(content) - 3) + b"\x00" + content


def rsa_sign(private_key_der: bytes, hash_input: bytes) -> bytes:
    """Signs HASH_I or HASH_R for a SIG payload.

    RFC 2409 §5.1: "Since the hash algorithm used is already known there is no need to
    encode its OID into the signature", so the hash itself is padded, without DigestInfo.

    Args:
        private_key_der: the RSA private key, PKCS#8 DER without password.
        hash_input: the HASH value.

    Raises:
        CryptoError: no RSA private key, or too short a key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        key = load_der_private_key(private_key_der, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # No "from": the library's message may quote what it could not read.
        raise CryptoError("the private key cannot be read (PKCS#8 DER without password)") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise CryptoError("the private key is not an RSA key")
    numbers = key.private_numbers()
    modulus, exponent = numbers.public_numbers.n, numbers.public_numbers.e
    size = (modulus.bit_length() + 7) // 8
    block = int.from_bytes(_pkcs1_block(hash_input, size), "big")
    by_p = pow(block, numbers.dmp1, numbers.p)
    by_q = pow(block, numbers.dmq1, numbers.q)
    signature = by_q + numbers.q * (numbers.iqmp * (by_p - by_q) % numbers.p)
    if pow(signature, exponent, modulus) != block:
        # A CRT result with one wrong half would give the key away to whoever receives it.
        raise CryptoError("the private key's numbers do not belong together")
    return signature.to_bytes(size, "big")


def rsa_signature_form(
    certificate_der: bytes, signature: bytes, expected_hash: bytes
) -> Literal["raw", "digest-info"] | None:
    """Returns how a SIG payload's signature encodes ``expected_hash``, or ``None`` if it does not fit.

    ``raw`` is what RFC 2409 §5.1 asks for; ``digest-info`` is ordinary PKCS#1 signing, which some
    gateways send.  The whole padded block is compared, so nothing can hide behind the hash.

    Raises:
        CryptoError: the certificate cannot be read or holds no usable RSA key.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = certificate_public_key(load_certificate(certificate_der))
    if not isinstance(key, rsa.RSAPublicKey):
        raise CryptoError("the certificate's key is not an RSA key")
    numbers = key.public_numbers()
    if numbers.n.bit_length() not in _RSA_BITS or numbers.e.bit_length() > _RSA_EXPONENT_BITS:
        raise CryptoError(f"the certificate's RSA key of {numbers.n.bit_length()} bits is out of limits")
    size = (numbers.n.bit_length() + 7) // 8
    value = int.from_bytes(signature, "big")
    if len(signature) != size or value >= numbers.n:
        return None
    block = pow(value, numbers.e, numbers.n).to_bytes(size, "big")
    if hmac.compare_digest(block, _pkcs1_block(expected_hash, size)):
        return "raw"
    prefix = _DIGEST_INFO.get(len(expected_hash))
    if prefix is None or size < len(prefix) + len(expected_hash) + 11:
        return None
    return "digest-info" if hmac.compare_digest(block, _pkcs1_block(prefix + expected_hash, size)) else None


def rsa_verify(certificate_der: bytes, signature: bytes, expected_hash: bytes) -> bool:
    """Whether ``signature`` is the certificate holder's signature of ``expected_hash``.

    Never raises: an unusable certificate has signed nothing.  :func:`rsa_signature_form`
    tells which of the two accepted forms it was.
    """
    try:
        return rsa_signature_form(certificate_der, signature, expected_hash) is not None
    except CryptoError:
        return False


def load_certificate(certificate_der: bytes) -> x509.Certificate:
    """Parses one X.509 certificate.

    Raises:
        CryptoError: not DER, or not a certificate the library can read.
    """
    from cryptography import x509

    with warnings.catch_warnings():
        # Oddities (negative serial numbers …) are reported as warnings; the gateway's are not ours.
        warnings.simplefilter("ignore")
        try:
            return x509.load_der_x509_certificate(certificate_der)
        except Exception as error:  # ValueError, InvalidVersion, …: the library's have no common root
            raise CryptoError(f"not an X.509 certificate: {error}") from error


def certificate_public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes:
    """Returns the certificate's public key.

    Raises:
        CryptoError: unknown algorithm or impossible numbers.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return certificate.public_key()
        except Exception as error:  # as above
            raise CryptoError(f"the certificate's key cannot be used: {error}") from error
