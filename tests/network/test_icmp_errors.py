"""The error queue's records, built by hand after linux/errqueue.h, and exceptions of other systems."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from l2tp_doctor.network import icmp_errors
from l2tp_doctor.network.icmp_errors import IcmpNotice
from l2tp_doctor.observations.vocabulary import VOCABULARY

# struct sock_extended_err: __u32 ee_errno; __u8 ee_origin, ee_type, ee_code, ee_pad; __u32 ee_info, ee_data.
# SO_EE_ORIGIN_LOCAL 1, SO_EE_ORIGIN_ICMP 2, SO_EE_ORIGIN_ICMP6 3.
LOCAL, ICMP, ICMP6 = 1, 2, 3


def extended(number: int, origin: int, kind: int = 0, code: int = 0, info: int = 0) -> bytes:
    return struct.pack("=IBBBBII", number, origin, kind, code, 0, info, 0)


def sockaddr_in(address: str) -> bytes:
    """struct sockaddr_in: family, port, address, eight bytes of padding."""
    return struct.pack("=HH4s8x", socket.AF_INET, 0, ipaddress.IPv4Address(address).packed)


def sockaddr_in6(address: str) -> bytes:
    """struct sockaddr_in6: family, port, flowinfo, address, scope id."""
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, ipaddress.IPv6Address(address).packed, 0)


# RFC 792, RFC 1812 §5.2.7.1 and RFC 4443 §3: type and code against the name.
V4 = [
    (3, 0, "network-unreachable"), (3, 1, "host-unreachable"), (3, 2, "protocol-unreachable"),
    (3, 3, "port-unreachable"), (3, 4, "fragmentation-needed"), (3, 9, "admin-prohibited"),
    (3, 10, "admin-prohibited"), (3, 13, "admin-prohibited"), (11, 0, "time-exceeded"),
    (11, 1, "reassembly-time-exceeded"), (12, 0, "other"), (3, 99, "other"),
]  # fmt: skip
V6 = [
    (1, 0, "network-unreachable"), (1, 1, "admin-prohibited"), (1, 3, "host-unreachable"),
    (1, 4, "port-unreachable"), (1, 5, "admin-prohibited"), (2, 0, "fragmentation-needed"),
    (3, 0, "time-exceeded"), (4, 1, "protocol-unreachable"), (4, 0, "other"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "code", "name"), V4)
def test_icmp(kind: int, code: int, name: str) -> None:
    data = extended(errno.ECONNREFUSED, ICMP, kind, code, 1400) + sockaddr_in("198.51.100.7")
    mtu = 1400 if name == "fragmentation-needed" else 0
    assert icmp_errors._notice(data, b"ours", 4) == IcmpNotice(name, "198.51.100.7", mtu=mtu, quoted=b"ours")


@pytest.mark.parametrize(("kind", "code", "name"), V6)
def test_icmpv6(kind: int, code: int, name: str) -> None:
    data = extended(errno.ECONNREFUSED, ICMP6, kind, code, 1280) + sockaddr_in6("2001:db8::7")
    mtu = 1280 if name == "fragmentation-needed" else 0
    assert icmp_errors._notice(data, b"", 6) == IcmpNotice(name, "2001:db8::7", mtu=mtu)


@pytest.mark.parametrize("version", [4, 6])
def test_our_own_kernel_s_words_are_marked_as_such(version: int) -> None:
    data = extended(errno.EMSGSIZE, LOCAL, info=1400)
    assert icmp_errors._notice(data, b"x", version) == IcmpNotice(
        "fragmentation-needed", "", local=True, mtu=1400, quoted=b"x"
    )
    unknown = icmp_errors._notice(extended(errno.EPERM, LOCAL), b"", version)
    assert unknown is not None
    assert (unknown.name, unknown.local) == ("other", True)


@pytest.mark.parametrize("version", [4, 6])
def test_truncated_records(version: int) -> None:
    address = sockaddr_in("198.51.100.7") if version == 4 else sockaddr_in6("2001:db8::7")
    kind, code = (3, 3) if version == 4 else (1, 4)
    whole = extended(errno.ECONNREFUSED, ICMP if version == 4 else ICMP6, kind, code) + address
    needed = 16 + (8 if version == 4 else 24)  # up to the end of the address itself
    for length in range(len(whole)):
        notice = icmp_errors._notice(whole[:length], b"", version)
        if length < 16:
            assert notice is None
        else:
            assert notice is not None
            assert notice.name == "port-unreachable"
            assert bool(notice.sender) is (length >= needed)


@given(st.binary(max_size=64), st.sampled_from([4, 6]))
def test_any_record_is_a_notice_or_nothing(data: bytes, version: int) -> None:
    notice = icmp_errors._notice(data, b"", version)
    assert (notice is None) is (len(data) < 16)


@pytest.mark.parametrize(
    ("number", "name", "local"),
    [
        (errno.ECONNREFUSED, "port-unreachable", False),
        (errno.ECONNRESET, "port-unreachable", False),
        (errno.EHOSTUNREACH, "host-unreachable", True),
        (errno.ENETUNREACH, "network-unreachable", True),
        (errno.EMSGSIZE, "fragmentation-needed", True),
    ],
)
def test_exceptions_that_stand_for_icmp_errors(number: int, name: str, local: bool) -> None:
    assert icmp_errors.from_exception(OSError(number, "words")) == IcmpNotice(name, "", local=local)


def test_windows_number_of_a_port_unreachable() -> None:
    error = OSError("no errno of POSIX")
    error.winerror = 10054  # type: ignore[attr-defined]  # exists on Windows only
    assert icmp_errors.from_exception(error) == IcmpNotice("port-unreachable", "")


def test_other_exceptions_say_nothing() -> None:
    assert icmp_errors.from_exception(OSError(errno.EPERM, "not permitted")) is None
    assert icmp_errors.from_exception(OSError("bare")) is None


def test_without_an_error_queue_there_is_nothing_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(icmp_errors, "available", lambda: False)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        icmp_errors.enable(sock)
        assert list(icmp_errors.read_all(sock)) == []


def test_every_name_is_one_the_vocabulary_promises() -> None:
    promised = VOCABULARY["udp500.icmp"].meaning
    names = set(icmp_errors._NAMES.values()) | set(icmp_errors._ERRNO_NAMES.values())
    assert {name for name in names if name not in promised} == set()
