"""Key derivation against RFC 2409 written down a second time, and against published vectors."""

from __future__ import annotations

import gzip
import hashlib
import hmac
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.ikev1 import events, keys
from l2tp_doctor.protocol.ikev1.keys import Phase1Keys, Phase1Secrets
from l2tp_doctor.protocol.ikev1.policy import Phase1Transform, decode_phase1
from l2tp_doctor.protocol.ikev1.sa import IsakmpSa, chain_end
from l2tp_doctor.protocol.isakmp.constants import ExchangeType
from l2tp_doctor.protocol.isakmp.message import Message, decode_message, encode_payloads
from l2tp_doctor.protocol.isakmp.payloads import (
    Certificate,
    HashPayload,
    Identification,
    KeyExchange,
    Nonce,
    Notify,
    SecurityAssociation,
    Signature,
    UnknownPayload,
)
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.protocol.wire import WireError
from tests.pcap_reader import data_directory, read_udp
from tests.protocol.ikev1.pair import AES_SHA1, INITIATOR, RESPONDER, Pair
from tests.protocol.ikev1.tools import is_ready, isakmp, message_of, only

NAMES = {1: "md5", 2: "sha1", 4: "sha256", 5: "sha384", 6: "sha512"}
HASHES = pytest.mark.parametrize("hash_id", sorted(NAMES))


def prf(hash_id: int, key: bytes, data: bytes) -> bytes:
    """RFC 2409 §4: "the keyed pseudo-random function [is] the HMAC version" of the negotiated hash."""
    return hmac.new(key, data, NAMES[hash_id]).digest()


SECRETS = Phase1Secrets(
    initiator_cookie=b"\x11" * 8,
    responder_cookie=b"\x22" * 8,
    nonce_i=bytes(range(48)),
    nonce_r=bytes(range(100, 132)),
    public_i=b"\x33" * 256,
    public_r=b"\x44" * 256,
    sa_i=b"\x55" * 48,
    shared=b"\x66" * 256,
)
PSK = Secret(b"correct horse")


def derived(hash_id: int, secrets: Phase1Secrets = SECRETS) -> Phase1Keys:
    return keys.derive_phase1(hash_id, keys.skeyid_for_psk(hash_id, PSK, secrets), secrets)


class TestPhase1:
    """RFC 2409 §5: SKEYID, SKEYID_d, SKEYID_a, SKEYID_e, HASH_I, HASH_R."""

    @HASHES
    def test_skeyid_of_each_method(self, hash_id: int) -> None:
        nonces = SECRETS.nonce_i + SECRETS.nonce_r
        assert keys.skeyid_for_psk(hash_id, PSK, SECRETS) == prf(hash_id, b"correct horse", nonces)
        assert keys.skeyid_for_signatures(hash_id, SECRETS) == prf(hash_id, nonces, SECRETS.shared)

    @HASHES
    def test_the_three_keys(self, hash_id: int) -> None:
        skeyid = prf(hash_id, b"correct horse", SECRETS.nonce_i + SECRETS.nonce_r)
        tail = b"\x66" * 256 + b"\x11" * 8 + b"\x22" * 8
        skeyid_d = prf(hash_id, skeyid, tail + b"\x00")
        skeyid_a = prf(hash_id, skeyid, skeyid_d + tail + b"\x01")
        skeyid_e = prf(hash_id, skeyid, skeyid_a + tail + b"\x02")
        found = derived(hash_id)
        assert (found.skeyid, found.skeyid_d, found.skeyid_a, found.skeyid_e) == (
            skeyid,
            skeyid_d,
            skeyid_a,
            skeyid_e,
        )

    @HASHES
    def test_hash_i_and_hash_r(self, hash_id: int) -> None:
        found, identity = derived(hash_id), b"\x01\x00\x00\x00\xc0\x00\x02\x0a"
        public_i, public_r = b"\x33" * 256, b"\x44" * 256
        cookie_i, cookie_r = b"\x11" * 8, b"\x22" * 8
        assert keys.hash_i(found, SECRETS, identity) == prf(
            hash_id, found.skeyid, public_i + public_r + cookie_i + cookie_r + b"\x55" * 48 + identity
        )
        assert keys.hash_r(found, SECRETS, identity) == prf(
            hash_id, found.skeyid, public_r + public_i + cookie_r + cookie_i + b"\x55" * 48 + identity
        )


class TestAppendixB:
    """RFC 2409 appendix B: keys that SKEYID_e is too short for, and the first IVs."""

    @pytest.mark.parametrize(("hash_id", "size"), [(1, 24), (2, 24), (1, 32), (2, 32), (1, 17)])
    def test_stretched(self, hash_id: int, size: int) -> None:
        found = derived(hash_id)
        k1 = prf(hash_id, found.skeyid_e, b"\x00")
        k2 = prf(hash_id, found.skeyid_e, k1)
        k3 = prf(hash_id, found.skeyid_e, k2)
        assert keys.encryption_key(found, size) == (k1 + k2 + k3)[:size]

    @pytest.mark.parametrize(
        ("hash_id", "size"), [(2, 8), (2, 16), (1, 16), (4, 32), (4, 24), (5, 32), (6, 32), (2, 20)]
    )
    def test_truncated(self, hash_id: int, size: int) -> None:
        found = derived(hash_id)
        assert keys.encryption_key(found, size) == found.skeyid_e[:size]

    @HASHES
    @pytest.mark.parametrize("block", [8, 16])
    def test_initialisation_vectors(self, hash_id: int, block: int) -> None:
        first = hashlib.new(NAMES[hash_id], b"\x33" * 256 + b"\x44" * 256).digest()[:block]
        assert keys.phase1_iv(hash_id, SECRETS, block) == first
        second = hashlib.new(NAMES[hash_id], first + b"\x00\x00\x00\x01").digest()[:block]
        assert keys.phase2_iv(hash_id, first, 1, block) == second


class TestPhase2:
    """RFC 2409 §5.5: HASH(1) to HASH(3) and KEYMAT."""

    @HASHES
    def test_hashes(self, hash_id: int) -> None:
        found, message_id = derived(hash_id), b"\x12\x34\x56\x78"
        number = 0x12345678
        assert keys.quick_hash_1(found, number, b"rest") == prf(hash_id, found.skeyid_a, message_id + b"rest")
        assert keys.quick_hash_2(found, number, b"Ni", b"rest") == prf(
            hash_id, found.skeyid_a, message_id + b"Ni" + b"rest"
        )
        assert keys.quick_hash_3(found, number, b"Ni", b"Nr") == prf(
            hash_id, found.skeyid_a, b"\x00" + message_id + b"Ni" + b"Nr"
        )

    @HASHES
    @given(size=st.integers(0, 100), shared=st.binary(max_size=40))
    def test_keymat_with_and_without_pfs(self, hash_id: int, size: int, shared: bytes) -> None:
        found = derived(hash_id)
        seed = shared + b"\x03" + b"SPI!" + b"NiNr"
        k1 = prf(hash_id, found.skeyid_d, seed)
        blocks = [k1]
        while sum(map(len, blocks)) < size:
            blocks.append(prf(hash_id, found.skeyid_d, blocks[-1] + seed))
        assert keys.keymat(found, shared, 3, b"SPI!", b"NiNr", size) == b"".join(blocks)[:size]

    @pytest.mark.parametrize("group", [None, 14])
    def test_a_whole_quick_mode_from_what_went_over_the_wire(self, group: int | None) -> None:
        """The ESP keys recomputed from the messages, SKEYID_d and g(qm)^xy."""
        suite = replace(AES_SHA1, group=group)
        clear: list[bytes] = []
        pair = Pair(replace(INITIATOR, suites=(suite,)), replace(RESPONDER, suites=(suite,)))
        pair.client._clear_copies = lambda _wire, copy: clear.append(copy)
        pair.run()
        assert is_ready(pair)
        first, second = (decode_message(copy).payloads for copy in clear[2:4])
        sa, quick = pair.client._sa, pair.client._quick
        assert sa is not None
        assert quick is not None
        nonces = b"".join(p.data for payloads in (first, second) for p in payloads if isinstance(p, Nonce))
        shared = b""
        if group is not None:
            assert quick.diffie_hellman is not None
            public = only([p.data for p in second if isinstance(p, KeyExchange)])
            shared = quick.diffie_hellman.shared(public)
        established = only(pair.client_got(events.QuickModeEstablished))
        for payloads, esp in ((first, established.inbound.sa), (second, established.outbound.sa)):
            offer = only([p for p in payloads if isinstance(p, SecurityAssociation)])
            spi = offer.proposals[0].spi
            assert int.from_bytes(spi, "big") == esp.spi
            seed = shared + b"\x03" + spi + nonces
            k1 = prf(2, sa.keys.skeyid_d, seed)
            k2 = prf(2, sa.keys.skeyid_d, k1 + seed)
            k3 = prf(2, sa.keys.skeyid_d, k2 + seed)
            material = k1 + k2 + k3
            assert (esp.encryption_key, esp.integrity_key) == (material[:32], material[32:52])


class TestMainModeFromTheWire:
    """SKEYID_e, the IV and HASH_I of a whole exchange, computed from its messages and the two secrets."""

    @pytest.mark.parametrize(
        "transform",
        [
            Phase1Transform(7, 256, 2, 14, 1),
            Phase1Transform(5, None, 1, 2, 1),
            Phase1Transform(5, None, 2, 2, 1),
            Phase1Transform(7, 128, 4, 19, 1),
            Phase1Transform(1, None, 6, 5, 1),
        ],
    )
    def test_message_5_opens_with_what_the_rfc_says(self, transform: Phase1Transform) -> None:
        pair = Pair(replace(INITIATOR, transforms=(transform,)), replace(RESPONDER, transforms=(transform,)))
        pair.run()
        assert is_ready(pair)
        one, _, three, four, five, _ = (message_of(datagram) for _, _, datagram in pair.wire[:6])
        sa_i = isakmp(pair.wire[0][2])[32 : 28 + int.from_bytes(isakmp(pair.wire[0][2])[30:32], "big")]
        public_i, public_r = (
            only([p.data for p in m.payloads if isinstance(p, KeyExchange)]) for m in (three, four)
        )
        nonce_i, nonce_r = (only([p.data for p in m.payloads if isinstance(p, Nonce)]) for m in (three, four))
        dh = pair.client._phase1._dh
        assert dh is not None
        shared = dh.shared(public_r)
        hash_id, cookie_i, cookie_r = (
            transform.hash,
            one.header.initiator_cookie,
            four.header.responder_cookie,
        )
        skeyid = prf(hash_id, b"correct horse", nonce_i + nonce_r)
        context = shared + cookie_i + cookie_r
        skeyid_d = prf(hash_id, skeyid, context + b"\x00")
        skeyid_a = prf(hash_id, skeyid, skeyid_d + context + b"\x01")
        skeyid_e = prf(hash_id, skeyid, skeyid_a + context + b"\x02")
        cipher = crypto.cipher(transform.encryption, transform.key_bits)
        key = skeyid_e
        if len(key) < cipher.key_size:
            key = block = prf(hash_id, skeyid_e, b"\x00")
            while len(key) < cipher.key_size:
                block = prf(hash_id, skeyid_e, block)
                key += block
        iv = hashlib.new(NAMES[hash_id], public_i + public_r).digest()[: cipher.block_size]
        plain = cipher.decrypt(key[: cipher.key_size], iv, five.body)
        id_size = int.from_bytes(plain[2:4], "big")
        assert plain[4:id_size] == b"\x01\x00\x00\x00\xc0\x00\x02\x0a"
        proof = prf(hash_id, skeyid, public_i + public_r + cookie_i + cookie_r + sa_i + plain[4:id_size])
        assert plain[id_size + 4 : id_size + 4 + len(proof)] == proof


class TestNistVectors:
    """NIST CAVP, SP 800-135 component validation, ikev1.zip (ikev1_dsa.rsp, SHA-1), first of that set."""

    SECRETS = Phase1Secrets(
        bytes.fromhex("382e5c8b0a3fa307"),
        bytes.fromhex("ba4b7616700a2413"),
        bytes.fromhex("ced5635da6796075"),
        bytes.fromhex("6244b427712fb776"),
        b"",
        b"",
        b"",
        bytes.fromhex(
            "2a2e0bbe8da3657a83f3d35826e49e2d38e557e912a1b9e6c30c63577b3eab71"
            "5466202862027f2c26f3090743555579611771db0b92bef93834432a3a7762fc"
            "8a0f4889fd281d6082770d10a40d7bad61e832f041e620d6787e7f62ab2861dd"
            "fbe272e0d9d3cdec5f1bbf750e24b8b32d6d714968ad69ce5086c32ad2742ebc"
        ),
    )

    def test_signature_authentication(self) -> None:
        skeyid = keys.skeyid_for_signatures(2, self.SECRETS)
        assert skeyid.hex() == "dc37ac99de6dcfbd1ee74af7fb36f9b4b0a7829d"
        found = keys.derive_phase1(2, skeyid, self.SECRETS)
        assert found.skeyid_d.hex() == "486293ed547adb562cefdaf43d3d8457b196f2b6"
        assert found.skeyid_a.hex() == "f4053b5ca07e59bb41b8f401037ca90b72b3917e"
        assert found.skeyid_e.hex() == "49a1d53a80fb77e663552964fbbcb45092021473"


class TestChainEnd:
    @given(st.integers(0, 255), st.binary(max_size=80))
    def test_a_place_inside_or_a_wire_error(self, first: int, body: bytes) -> None:
        try:
            end = chain_end(first, body)
        except WireError:
            return
        assert 0 <= end <= len(body)

    def test_padding_is_behind_the_end(self) -> None:
        first, chain = encode_payloads([Notify(14, 1), HashPayload(b"x" * 20)])
        assert chain_end(first, chain + bytes(7)) == len(chain)


@dataclass(frozen=True)
class Recorded:
    """A recorded exchange whose phase 1 cipher key its publisher knows."""

    name: str
    key: str
    phase1: int
    phase2: int
    """Encrypted messages of each kind, repetitions not counted."""


# Captures of Wireshark's own test suite (test/captures) with the keys its test/config/ikev1_decryption_table
# lists for their initiator cookies.
RECORDED = (
    Recorded("ikev1-certs.pcap", "735be0cb62f82675c4f7bf8fbab9b56834ba76d6ab4fa240", 2, 3),
    Recorded(
        "ikev1-bug-12610.pcapng.gz", "928392441e00ece5e8af3bc545416e86afa1291e7c013271514738b70ef25d22", 2, 10
    ),
    Recorded(
        "ikev1-bug-12620.pcapng.gz",
        "c26a81baec6070d289f0b4f13c2fb182e3d5406d11c29ebc2fc179502541325b",
        0,  # Aggressive Mode, whose third message this client sends in clear
        7,
    ),
)


def recorded_messages(recorded: Recorded, directory: Path) -> list[Message]:
    found = sorted(data_directory().rglob(recorded.name))
    if not found:
        pytest.skip(f"{recorded.name} is not among the recorded evidence")
    path = found[0]
    if path.suffix == ".gz":
        path = directory / path.stem
        path.write_bytes(gzip.decompress(found[0].read_bytes()))
    return [decode_message(packet.payload) for packet in read_udp(path)]


def sa_of_recording(messages: list[Message], key: bytes) -> IsakmpSa:
    """An SA that knows nothing but what was recorded, and the cipher key."""
    selected = next(
        decoded
        for message in messages[1:]
        for payload in message.payloads
        if isinstance(payload, SecurityAssociation) and (decoded := decode_any(payload)) is not None
    )
    publics = [p.data for m in messages for p in m.payloads if isinstance(p, KeyExchange)]
    nonces = [p.data for m in messages for p in m.payloads if isinstance(p, Nonce)]
    header = messages[1].header
    secrets = Phase1Secrets(
        header.initiator_cookie,
        header.responder_cookie,
        nonces[0],
        nonces[1],
        publics[0],
        publics[1],
        b"",
        b"",
    )
    unknown = bytes(20)
    cipher = crypto.cipher(selected.encryption, selected.key_bits)
    sa = IsakmpSa(secrets, Phase1Keys(selected.hash, unknown, unknown, unknown, unknown), cipher)
    sa._key = key
    return sa


def decode_any(payload: SecurityAssociation) -> Phase1Transform | None:
    return decode_phase1(payload.proposals[0].transforms[0])


class TestRecordedExchanges:
    @pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.name)
    def test_every_encrypted_message_opens(self, recorded: Recorded, tmp_path: Path) -> None:
        messages = recorded_messages(recorded, tmp_path)
        sa = sa_of_recording(messages, bytes.fromhex(recorded.key))
        phase1, phase2, seen = 0, 0, set[bytes]()
        for message in messages:
            header = message.header
            if not header.flags & 1 or message.body in seen:
                continue
            seen.add(message.body)
            if header.message_id == 0:
                opened = sa.open_phase1(message)
                sa.accept_phase1(message)
                kinds = {type(payload) for payload in opened.payloads}
                assert Identification in kinds
                assert kinds & {HashPayload, Signature}
                phase1 += 1
                continue
            if header.exchange == ExchangeType.INFORMATIONAL:
                opened, _ = sa.open_informational(message)
            else:  # Mode Config runs through its messages as Quick Mode does
                opened = sa.open_quick(message)
                sa.accept_quick(message)
            assert isinstance(opened.payloads[0], HashPayload)
            assert not any(isinstance(p, UnknownPayload) and p.type > 20 for p in opened.payloads)
            phase2 += 1
        assert (phase1, phase2) == (recorded.phase1, recorded.phase2)

    def test_the_certificates_in_the_first_one(self, tmp_path: Path) -> None:
        messages = recorded_messages(RECORDED[0], tmp_path)
        sa = sa_of_recording(messages, bytes.fromhex(RECORDED[0].key))
        for message in messages[4:6]:
            opened = sa.open_phase1(message)
            sa.accept_phase1(message)
            certificate = next(p for p in opened.payloads if isinstance(p, Certificate))
            assert crypto.load_certificate(certificate.data).subject.rfc4514_string()
