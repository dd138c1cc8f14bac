"""Diffie-Hellman, hashes, phase-1 ciphers and RSA signatures against the RFCs and other implementations."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.crypto import CryptoError
from l2tp_doctor.protocol.engine import RandomSource


def fixed(value: bytes) -> RandomSource:
    """A random source that always draws ``value``."""

    def draw(size: int) -> bytes:
        assert size == len(value)
        return value

    return draw


def pi_times_power_of_two(bits: int) -> int:
    """floor(2^bits · π) by Machin's formula on integers, with 64 guard bits."""
    one = 1 << (bits + 64)

    def arctangent_of_inverse(x: int) -> int:
        term = total = one // x
        divisor, sign = 3, -1
        while term:
            term //= x * x
            total += sign * (term // divisor)
            divisor, sign = divisor + 2, -sign
        return total

    return 4 * (4 * arctangent_of_inverse(5) - arctangent_of_inverse(239)) >> 64


# RFC 2409 §6.1, §6.2 and RFC 3526 §2-§5: 2^n - 2^(n-64) - 1 + 2^64 * ([2^(n-130) pi] + k).
@pytest.mark.parametrize(
    ("group", "bits", "k"),
    [
        (1, 768, 149686),
        (2, 1024, 129093),
        (5, 1536, 741804),
        (14, 2048, 124476),
        (15, 3072, 1690314),
        (16, 4096, 240904),
    ],
)
def test_modp_primes_follow_the_published_formula(group: int, bits: int, k: int) -> None:
    expected = 2**bits - 2 ** (bits - 64) - 1 + 2**64 * (pi_times_power_of_two(bits - 130) + k)
    assert crypto.MODP_PRIMES[group] == expected


@pytest.mark.parametrize("group", sorted(crypto.MODP_PRIMES))
def test_modp_primes_are_safe_primes(group: int) -> None:
    prime = crypto.MODP_PRIMES[group]
    for base in (2, 3, 5):  # Fermat; the formula test pins the value, so no adversary chose it
        assert pow(base, prime - 1, prime) == 1
    half = (prime - 1) // 2
    assert pow(3, half - 1, half) == 1


# RFC 5903 §8.1, §8.2, §8.3: i, gix, giy, r, grx, gry, girx.
ECP_VECTORS = [
    (
        19,
        "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
        "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C3772581180",
        "5271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3",
        "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
        "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63",
        "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
        "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
    ),
    (
        20,
        "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
        "667842D7D180AC2CDE6F74F37551F55755C7645C20EF73E31634FE72B4C55EE6DE3AC808ACB4BDB4C88732AEE95F41AA",
        "9482ED1FC0EEB9CAFC4984625CCFC23F65032149E0E144ADA024181535A0F38EEB9FCFF3C2C947DAE69B4C634573A81C",
        "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942E0308312916B8ED2960E4BD55A7448FC",
        "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571",
        "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
        "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746",
    ),
    (
        21,
        (
            "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A0"
            "95AA85A30FE1C2952C6771D937BA9777F5957B2639BAB072462F68C27A57382D4A52"
        ),
        (
            "0015417E84DBF28C0AD3C278713349DC7DF153C897A1891BD98BAB4357C9ECBE"
            "E1E3BF42E00B8E380AEAE57C2D107564941885942AF5A7F4601723C4195D176CED3E"
        ),
        (
            "017CAE20B6641D2EEB695786D8C946146239D099E18E1D5A514C739D7CB4A10A"
            "D8A788015AC405D7799DC75E7B7D5B6CF2261A6A7F1507438BF01BEB6CA3926F9582"
        ),
        (
            "0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E"
            "9C677D600B343757A3BDBF2A3163E4C2F869CCA7458AA4A4EFFC311F5CB151685EB9"
        ),
        (
            "00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A21"
            "9B97C356436ADC6E95BB0352F6BE64A6C2912D4EF2D0433CED2B6171640012D9460F"
        ),
        (
            "015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87"
            "220B6536C5C408A1D2AEBB8E86D678AE49CB57091F4732296579AB44FCD17F0FC56A"
        ),
        (
            "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04"
            "D1427E73CA4BAA240A34786859810C06B3C715A3A8CC3151F2BEE417996D19F3DDEA"
        ),
    ),
]


@pytest.mark.parametrize("vector", ECP_VECTORS, ids=lambda vector: f"group{vector[0]}")
def test_rfc5903_vectors(vector: tuple[int, str, str, str, str, str, str, str]) -> None:
    group = vector[0]
    i, gix, giy, r, grx, gry, girx = (bytes.fromhex(text) for text in vector[1:])
    initiator = crypto.generate(group, fixed(i))
    responder = crypto.generate(group, fixed(r))
    assert initiator.public == gix + giy
    assert responder.public == grx + gry
    assert initiator.shared(responder.public) == girx
    assert responder.shared(initiator.public) == girx


@pytest.mark.parametrize("group", sorted(crypto.SUPPORTED_GROUPS))
def test_both_sides_agree(group: int) -> None:
    ours, theirs = crypto.generate(group, os.urandom), crypto.generate(group, os.urandom)
    assert ours.group == group
    assert ours.public != theirs.public
    assert len(ours.public) == len(theirs.public) == crypto.public_size(group)
    secret = ours.shared(theirs.public)
    assert secret == theirs.shared(ours.public)
    assert len(secret) == (crypto.public_size(group) if group < 19 else crypto.public_size(group) // 2)


def test_modp_pads_to_the_length_of_the_prime() -> None:
    # RFC 2409 §5: a value shorter than the prime gets zeros in front.
    exponent = b"\x00" * 31 + b"\x05"
    ours = crypto.generate(2, fixed(exponent))
    private = 5 | 1 << 255  # the top bit is always set
    assert ours.public == pow(2, private, crypto.MODP_PRIMES[2]).to_bytes(128, "big")
    peer = (3).to_bytes(128, "big")
    assert ours.shared(peer) == pow(3, private, crypto.MODP_PRIMES[2]).to_bytes(128, "big")


@pytest.mark.parametrize("group", sorted(crypto.MODP_PRIMES))
def test_bad_modp_values_are_refused(group: int) -> None:
    ours, prime, size = (
        crypto.generate(group, os.urandom),
        crypto.MODP_PRIMES[group],
        crypto.public_size(group),
    )
    for value in (0, 1, prime - 1, prime, prime + 1, 2 ** (8 * size) - 1):
        with pytest.raises(CryptoError):
            ours.shared(value.to_bytes(size, "big"))
    for wrong in (b"", b"\x02", ours.public[:-1], ours.public + b"\x00"):
        with pytest.raises(CryptoError):
            ours.shared(wrong)
    assert ours.shared((prime - 2).to_bytes(size, "big"))


@pytest.mark.parametrize("group", [19, 20, 21])
def test_bad_points_are_refused(group: int) -> None:
    ours = crypto.generate(group, os.urandom)
    flipped = ours.public[:-1] + bytes((ours.public[-1] ^ 1,))
    for wrong in (b"", bytes(len(ours.public)), flipped, b"\x04" + ours.public, b"\xff" * len(ours.public)):
        with pytest.raises(CryptoError):
            ours.shared(wrong)


@given(st.binary(max_size=200))
def test_any_peer_value_is_a_secret_or_a_crypto_error(value: bytes) -> None:
    for group in (2, 19):
        try:
            assert crypto.generate(group, fixed(b"\x11" * 32)).shared(value)
        except CryptoError:
            continue


def test_unusable_random_sources_and_groups() -> None:
    for useless in (bytes(32), b"\xff" * 32):
        with pytest.raises(CryptoError):
            crypto.generate(19, fixed(useless))
    draws = [bytes(32), b"\xff" * 32, (1).to_bytes(32, "big")]
    assert crypto.generate(19, lambda _size: draws.pop(0)).public  # 0 and n..2^256 are drawn again
    assert not draws
    for group in (0, 3, 4, 17, 22, 65535):
        with pytest.raises(CryptoError):
            crypto.generate(group, os.urandom)
        with pytest.raises(CryptoError):
            crypto.public_size(group)


def test_repr_shows_no_secret() -> None:
    assert repr(crypto.generate(19, os.urandom)) == "DiffieHellman(group=19)"


# RFC 2202 §2 case 1 and 2 (MD5), §3 (SHA-1); RFC 4231 §4.3 (SHA-2) case 2: key "Jefe".
@pytest.mark.parametrize(
    ("hash_id", "expected"),
    [
        (1, "750c783e6ab0b503eaa86e310a5db738"),
        (2, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        (4, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (
            5,
            "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
        ),
        (
            6,
            (
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
            ),
        ),
    ],
)
def test_prf_vectors(hash_id: int, expected: str) -> None:
    value = crypto.prf(hash_id, b"Jefe", b"what do ya want for nothing?")
    assert value.hex() == expected
    assert crypto.digest_size(hash_id) == len(value)


# RFC 1321 §A.5, RFC 3174 §7.3 / FIPS 180-4: "abc".
@pytest.mark.parametrize(
    ("hash_id", "expected"),
    [
        (1, "900150983cd24fb0d6963f7d28e17f72"),
        (2, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (4, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ],
)
def test_digest_vectors(hash_id: int, expected: str) -> None:
    assert crypto.digest(hash_id, b"abc").hex() == expected


def test_unknown_hashes() -> None:
    assert frozenset({1, 2, 4, 5, 6}) == crypto.SUPPORTED_HASHES
    for hash_id in (0, 3, 7, -1):
        with pytest.raises(CryptoError):
            crypto.digest(hash_id, b"")
        with pytest.raises(CryptoError):
            crypto.prf(hash_id, b"", b"")
        with pytest.raises(CryptoError):
            crypto.digest_size(hash_id)


# RFC 3602 §4 case 1, 2 (AES-128-CBC); NIST SP 800-38A F.2.5 (AES-256-CBC, first block);
# FIPS 81 appendix C example (DES-CBC "Now is the time for all ").
CIPHER_VECTORS = [
    (
        (7, 128),
        "06a9214036b8a15b512e03d534120006",
        "3dafba429d9eb430b422da802c9fac41",
        b"Single block msg".hex(),
        "e353779c1079aeb82708942dbe77181a",
    ),
    (
        (7, None),
        "c286696d887c9aa0611bbb3e2025a45a",
        "562e17996d093d28ddb3ba695a2e6f58",
        bytes(range(32)).hex(),
        "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
    ),
    (
        (7, 256),
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        "000102030405060708090a0b0c0d0e0f",
        "6bc1bee22e409f96e93d7e117393172a",
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6",
    ),
    (
        (1, None),
        "0123456789abcdef",
        "1234567890abcdef",
        b"Now is the time for all ".hex(),
        "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6",
    ),
    (  # 3DES with three equal keys is DES
        (5, None),
        "0123456789abcdef" * 3,
        "1234567890abcdef",
        b"Now is the time for all ".hex(),
        "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6",
    ),
]


@pytest.mark.parametrize(("numbers", "key", "iv", "plaintext", "ciphertext"), CIPHER_VECTORS)
def test_cipher_vectors(
    numbers: tuple[int, int | None], key: str, iv: str, plaintext: str, ciphertext: str
) -> None:
    cipher = crypto.cipher(*numbers)
    assert cipher.key_size == len(bytes.fromhex(key))
    assert cipher.block_size == len(bytes.fromhex(iv))
    encrypted = cipher.encrypt(bytes.fromhex(key), bytes.fromhex(iv), bytes.fromhex(plaintext))
    assert encrypted.hex() == ciphertext
    assert cipher.decrypt(bytes.fromhex(key), bytes.fromhex(iv), encrypted).hex() == plaintext


def test_3des_against_another_library() -> None:
    from Crypto.Cipher import DES3

    key = bytes(range(1, 25))
    iv, data = b"initvect", b"sixteen bytes \x00\xff"
    expected = DES3.new(key, DES3.MODE_CBC, iv=iv).encrypt(data)
    assert crypto.cipher(5, 192).encrypt(key, iv, data) == expected


@pytest.mark.parametrize(("encryption", "key_bits"), [(1, None), (5, None), (7, 128), (7, 192), (7, 256)])
def test_wrong_lengths_are_refused(encryption: int, key_bits: int | None) -> None:
    cipher = crypto.cipher(encryption, key_bits)
    key, iv, data = bytes(range(cipher.key_size)), bytes(cipher.block_size), bytes(cipher.block_size)
    for bad in ((key[1:], iv, data), (key + b"k", iv, data), (key, iv[1:], data), (key, iv + b"i", data)):
        with pytest.raises(CryptoError):
            cipher.encrypt(*bad)
    for size in range(1, cipher.block_size):
        with pytest.raises(CryptoError):
            cipher.decrypt(key, iv, data + bytes(size))
    assert cipher.encrypt(key, iv, b"") == b""


def test_unknown_ciphers() -> None:
    for numbers in ((0, None), (2, None), (6, 128), (7, 64), (7, 0), (7, 512), (5, 128), (1, 56)):
        with pytest.raises(CryptoError):
            crypto.cipher(*numbers)
    assert [crypto.cipher(*numbers).name for numbers in ((1, None), (5, None), (7, None), (7, 256))] == [
        "DES-CBC",
        "3DES-CBC",
        "AES-CBC-128",
        "AES-CBC-256",
    ]


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def pkcs8(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize("size", [16, 20, 32, 48, 64])
def test_raw_signature_has_no_digest_info(size: int) -> None:
    value = bytes(range(size))
    signature = crypto.rsa_sign(pkcs8(rsa_key()), value)
    numbers = rsa_key().public_key().public_numbers()
    block = pow(int.from_bytes(signature, "big"), numbers.e, numbers.n).to_bytes(256, "big")
    assert block == b"\x00\x01" + b"\xff" * (253 - size) + b"\x00" + value
    certificate = self_signed(rsa_key())
    assert crypto.rsa_verify(certificate, signature, value)
    assert crypto.rsa_signature_form(certificate, signature, value) == "raw"


@pytest.mark.parametrize(
    ("name", "algorithm"),
    [
        ("sha1", hashes.SHA1()),
        ("sha256", hashes.SHA256()),
        ("sha384", hashes.SHA384()),
        ("sha512", hashes.SHA512()),
    ],
)
def test_ordinary_pkcs1_signature_is_tolerated(name: str, algorithm: hashes.HashAlgorithm) -> None:
    value = hashlib.new(name, b"HASH_R").digest()
    signature = rsa_key().sign(value, padding.PKCS1v15(), Prehashed(algorithm))
    assert crypto.rsa_signature_form(self_signed(rsa_key()), signature, value) == "digest-info"
    assert crypto.rsa_verify(self_signed(rsa_key()), signature, value)


def test_forged_and_mangled_signatures() -> None:
    certificate, value = self_signed(rsa_key()), b"\x42" * 20
    good = crypto.rsa_sign(pkcs8(rsa_key()), value)
    numbers = rsa_key().public_key().public_numbers()
    larger = int.from_bytes(good, "big") + numbers.n
    wrong = [b"", good[:-1], b"\x00" + good, bytes(256), b"\xff" * 256, good[:-1] + bytes((good[-1] ^ 1,))]
    if larger < 1 << 2048:
        wrong.append(larger.to_bytes(256, "big"))
    for signature in wrong:
        assert not crypto.rsa_verify(certificate, signature, value)
    assert not crypto.rsa_verify(certificate, good, b"\x43" * 20)
    # A block whose hash is followed by garbage (Bleichenbacher 2006) is no signature.
    private = rsa_key().private_numbers()
    block = b"\x00\x01" + b"\xff" * 8 + b"\x00" + value + b"\x01" * (256 - 11 - 20)
    forged = pow(int.from_bytes(block, "big"), private.d, numbers.n).to_bytes(256, "big")
    assert not crypto.rsa_verify(certificate, forged, value)


def test_unusable_keys() -> None:
    curve_key = ec.generate_private_key(ec.SECP256R1())
    for der in (b"", b"not a key", pkcs8(curve_key), self_signed(rsa_key())):
        with pytest.raises(CryptoError) as caught:
            crypto.rsa_sign(der, bytes(20))
        assert "not a key" not in str(caught.value)
    with pytest.raises(CryptoError):
        crypto.rsa_sign(pkcs8(rsa_key()), bytes(246))  # 8 bytes of FF must be left
    for certificate in (b"", b"0", self_signed(curve_key)):
        assert not crypto.rsa_verify(certificate, bytes(256), bytes(20))
        with pytest.raises(CryptoError):
            crypto.rsa_signature_form(certificate, bytes(256), bytes(20))


@given(st.binary(max_size=300), st.binary(max_size=80))
def test_any_signature_is_judged(signature: bytes, value: bytes) -> None:
    assert not crypto.rsa_verify(self_signed_once(), signature, value)


@cache
def self_signed_once() -> bytes:
    return self_signed(rsa_key())


def test_aes_gcm_refuses_a_changed_tag() -> None:
    sealed = crypto.aes_gcm_seal(bytes(16), bytes(12), b"data", b"header")
    assert crypto.aes_gcm_open(bytes(16), bytes(12), sealed, b"header") == b"data"
    for bad in (sealed[:-1] + bytes((sealed[-1] ^ 1,)), sealed[:10], b""):
        with pytest.raises(CryptoError):
            crypto.aes_gcm_open(bytes(16), bytes(12), bad, b"header")
    with pytest.raises(CryptoError):
        crypto.aes_gcm_open(bytes(16), bytes(12), sealed, b"Header")
    with pytest.raises(CryptoError):
        crypto.aes_gcm_seal(bytes(15), bytes(12), b"", b"")


def test_importing_loads_no_heavy_library() -> None:
    program = (
        "import sys; from l2tp_doctor.protocol import certificates, crypto, esp;"
        "sys.exit(any(name.split('.')[0] in ('cryptography', 'Crypto') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", program], check=False).returncode == 0
