"""The decoders and the cryptography, against the bare minimum of the same work in the same run."""

from __future__ import annotations

import hmac
import os
import statistics
import struct
import time
import warnings
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import dh, ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from bench.report import Section, Table
from l2tp_doctor.knowledge import profile
from l2tp_doctor.knowledge.profile import AUTH_PSK
from l2tp_doctor.probes import offers
from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.protocol import crypto
from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.esp import EspInbound, EspOutbound, EspSa, EspSuite
from l2tp_doctor.protocol.ikev1.initiator import Ikev1Initiator
from l2tp_doctor.protocol.ikev1.policy import Credentials, PathAddresses
from l2tp_doctor.protocol.isakmp.constants import EspTransform, Group
from l2tp_doctor.protocol.isakmp.message import HEADER_SIZE, decode_message

_HMAC_SHA1 = 2  # RFC 2407 §4.5
_UDP = 17
_ROUNDS = 5
_GROUPS = (Group.MODP_1024, Group.MODP_2048, Group.ECP_256, Group.ECP_384)
_SIZES = (60, 1400)


def measure(*, budget: float, say: Callable[[str], None]) -> Section:
    """Measures each figure for about ``budget`` seconds."""
    say("decoders and cryptography")
    section = Section("throughput", "Decoders and cryptography")
    section.tables += [_decoding(section, budget), _esp(section, budget), _groups(section, budget)]
    section.notes.append(f"each figure: the median of {_ROUNDS} rounds of {budget / _ROUNDS:.2f} s")
    return section


def _seconds(call: Callable[[], object], budget: float) -> float:
    """Returns how long one call takes: the median of some rounds."""
    begin = time.perf_counter()
    call()
    once = max(time.perf_counter() - begin, 1e-7)
    count = max(1, int(budget / _ROUNDS / once))
    rounds = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        for _ in range(count):
            call()
        rounds.append((time.perf_counter() - begin) / count)
    return statistics.median(rounds)


def main_mode_1() -> bytes:
    """Returns the first message of a dial with the profile ``windows-11``."""
    client = profile("windows-11")
    policy = offers.dial_policy(client, CheckRequest(host="192.0.2.1"), force_nat_t=False)
    paths = PathAddresses(bytes((192, 0, 2, 2)), bytes((192, 0, 2, 1)), 500, 500, 4500, 4500)
    initiator = Ikev1Initiator(policy, paths, Credentials(), os.urandom)
    initiator.start(0.0)
    (datagram,) = initiator.datagrams_to_send(0.0)
    if datagram.channel is not Channel.IKE:
        raise RuntimeError("the first message goes to the IKE port")
    return datagram.data


def _walk(data: bytes) -> int:
    """The least a decoder can do: follow the chain of payloads."""
    kind, offset, count = data[16], HEADER_SIZE, 0
    while kind:
        kind, _, length = struct.unpack_from("!BBH", data, offset)
        offset += length
        count += 1
    return count


def _decoding(section: Section, budget: float) -> Table:
    message = main_mode_1()
    decoded, walked = (
        _seconds(lambda: decode_message(message), budget),
        _seconds(lambda: _walk(message), budget),
    )
    table = Table("Decoding", ("what", "µs", "per second", "against walking its payload chain"))
    name = f"Main Mode 1 ({len(message)} bytes, {_walk(message)} payloads)"
    table.rows.append((name, f"{decoded * 1e6:.1f}", f"{1 / decoded:,.0f}", f"{decoded / walked:.1f}×"))
    section.data["main_mode_1"] = {"seconds": decoded, "walk_seconds": walked, "bytes": len(message)}
    return table


def _esp(section: Section, budget: float) -> Table:
    table = Table(
        "ESP, AES-CBC-256 with HMAC-SHA1-96",
        ("what", "packets/s", "Mbit/s", "the library's AES-CBC + HMAC alone", "ours / alone"),
    )
    suite = EspSuite(EspTransform.AES_CBC, 256, _HMAC_SHA1)
    key, integrity = os.urandom(suite.encryption_key_size), os.urandom(suite.integrity_key_size)
    for size in _SIZES:
        payload = os.urandom(size)
        sa = EspSa(0x1234, suite, key, integrity)
        outbound = EspOutbound(sa)
        seal = _seconds(lambda o=outbound, p=payload: o.seal(p, _UDP, os.urandom), budget)  # type: ignore[misc]  # default arguments bind the loop's variables
        packet = EspOutbound(sa).seal(payload, _UDP, os.urandom)
        opened = _seconds(lambda s=sa, p=packet: EspInbound(s).open(p), budget)  # type: ignore[misc]  # as above
        bare = _seconds(lambda p=payload: _bare_seal(key, integrity, p), budget)  # type: ignore[misc]  # as above
        for name, took in (("seal", seal), ("open", opened)):
            table.rows.append(
                (
                    f"{name}, {size} bytes",
                    f"{1 / took:,.0f}",
                    f"{size * 8 / took / 1e6:.0f}",
                    f"{1 / bare:,.0f}/s",
                    f"{took / bare:.2f}×",
                )
            )
        section.data[f"esp_{size}"] = {
            "seal_seconds": seal,
            "open_seconds": opened,
            "library_seconds": bare,
        }
    return table


def _bare_seal(key: bytes, integrity: bytes, payload: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(os.urandom(16))).encryptor()
    ciphertext = encryptor.update(payload + bytes(-len(payload) % 16)) + encryptor.finalize()
    return ciphertext + hmac.digest(integrity, ciphertext, "sha1")[:12]


def _groups(section: Section, budget: float) -> Table:
    table = Table(
        "Diffie-Hellman: a key pair and the shared secret",
        ("group", "key pair", "secret", "both", "the library's own", "ours / its own"),
    )
    offered = {item.group for item in next(profile("windows-11").main_mode_batches(AUTH_PSK))}
    for group in _GROUPS:
        peer = crypto.generate(group, os.urandom)
        mine = crypto.generate(group, os.urandom)
        pair = _seconds(lambda g=group: crypto.generate(g, os.urandom), budget)  # type: ignore[misc]  # default arguments bind the loop's variables
        secret = _seconds(lambda m=mine, p=peer: m.shared(p.public), budget)  # type: ignore[misc]  # as above
        library = _seconds(_library_exchange(group), budget)
        both = pair + secret
        section.data[Group(group).name] = {"pair": pair, "secret": secret, "library": library}
        table.rows.append(
            (
                Group(group).name + (" (offered)" if group in offered else ""),
                f"{pair * 1e3:.2f} ms",
                f"{secret * 1e3:.2f} ms",
                f"{both * 1e3:.2f} ms",
                f"{library * 1e3:.2f} ms",
                f"{both / library:.2f}×",
            )
        )
    return table


def _library_exchange(group: int) -> Callable[[], object]:
    """The same in the library's own classes: a key pair and one exchange with a fixed peer."""
    if group in (Group.ECP_256, Group.ECP_384):
        curve = ec.SECP256R1() if group == Group.ECP_256 else ec.SECP384R1()
        other = ec.generate_private_key(curve).public_key()
        return lambda: ec.generate_private_key(curve).exchange(ec.ECDH(), other)
    # RFC 2409 §6.2 and RFC 3526 §3: the primes are the engines' own.
    with warnings.catch_warnings():
        # The library is to be without these groups one day, which is why the engines have their own.
        warnings.simplefilter("ignore")
        parameters = dh.DHParameterNumbers(crypto.MODP_PRIMES[group], 2).parameters()
    fixed = parameters.generate_private_key().public_key()
    return lambda: parameters.generate_private_key().exchange(fixed)
