"""The dial profiles against recorded bytes of real clients."""

from __future__ import annotations

import hashlib

import pytest

from l2tp_doctor import knowledge

# The SA payload of the 408-byte Main Mode message 1 of a Windows 10 client (pastebin.com/9KRNXBtv).
WINDOWS_SA = bytes.fromhex(
    "0d0000d400000001 00000001000000c8 01010005"
    "03000028 01010000 80010007 800e0100 80020002 80040014 80030001 800b0001 000c0004 00007080"
    "03000028 02010000 80010007 800e0080 80020002 80040013 80030001 800b0001 000c0004 00007080"
    "03000028 03010000 80010007 800e0100 80020002 8004000e 80030001 800b0001 000c0004 00007080"
    "03000024 04010000 80010005 80020002 8004000e 80030001 800b0001 000c0004 00007080"
    "00000024 05010000 80010005 80020002 80040002 80030001 800b0001 000c0004 00007080"
)


def _transform(number: int, item: knowledge.MainModeTransform, last: bool) -> bytes:
    """Encodes one transform as RFC 2408 §3.6 and RFC 2409 appendix A say, in Windows' attribute order."""
    attributes = [(1, item.encryption)]
    if item.key_bits is not None:
        attributes.append((14, item.key_bits))
    attributes += [(2, item.hash), (4, item.group), (3, item.authentication), (11, 1)]
    body = b"".join(
        (0x8000 | kind).to_bytes(2, "big") + value.to_bytes(2, "big") for kind, value in attributes
    )
    body += bytes.fromhex("000c0004") + item.lifetime.to_bytes(4, "big")
    return bytes([0 if last else 3, 0]) + (len(body) + 8).to_bytes(2, "big") + bytes([number, 1, 0, 0]) + body


@pytest.mark.parametrize("name", ["windows-11", "windows-10"])
def test_main_mode_is_the_recorded_one(name: str) -> None:
    profile = knowledge.profile(name)
    encoded = b"".join(
        _transform(number, item, number == len(profile.main_mode))
        for number, item in enumerate(profile.main_mode, start=1)
    )
    assert encoded == WINDOWS_SA[20:]
    # 28 header + SA + vendor ID payloads of 4 bytes and their content
    assert 28 + len(WINDOWS_SA) + sum(4 + len(item.value) for item in profile.vendor_ids) == 408
    assert profile.nonce_length == 48
    assert len(list(profile.main_mode_batches())) == 1


def test_vendor_ids_are_the_hashes_of_their_names() -> None:
    by_name = {item.name: item.value for item in knowledge.profile("windows-11").vendor_ids}
    for name in ("RFC 3947", "FRAGMENTATION", "MS-Negotiation Discovery Capable", "Vid-Initial-Contact"):
        assert by_name[name] == hashlib.md5(name.encode(), usedforsecurity=False).digest()


@pytest.mark.parametrize(("name", "suffix"), [("windows-11", 9), ("windows-10", 9), ("windows-7", 7)])
def test_the_suffix_tells_the_windows_version(name: str, suffix: int) -> None:
    vendor = knowledge.profile(name).vendor_ids[1].value
    assert vendor[:16] == hashlib.md5(b"MS NT5 ISAKMPOAKLEY", usedforsecurity=False).digest()
    assert int.from_bytes(vendor[16:], "big") == suffix


def test_quick_mode_is_what_windows_offers() -> None:
    quick = knowledge.profile("windows-11").quick_mode
    assert [(item.transform, item.key_bits, item.integrity) for item in quick.suites] == [
        (12, 256, 2),
        (12, 128, 2),
        (3, None, 2),
    ]
    assert (quick.lifetime_seconds, quick.lifetime_kilobytes, quick.separate_proposals) == (
        3600,
        250000,
        True,
    )


def test_permissive_offers_everything_but_des_and_md5_windows_first() -> None:
    profile = knowledge.profile("permissive")
    assert profile.main_mode[:5] == knowledge.profile("windows-11").main_mode
    assert len(set(profile.main_mode)) == len(profile.main_mode)
    assert {item.encryption for item in profile.main_mode} == {5, 7}
    assert {item.hash for item in profile.main_mode} == {2, 4, 5, 6}
    assert {item.group for item in profile.main_mode} == {2, 5, 14, 15, 16, 19, 20, 21}
    aes = {(item.key_bits, item.hash, item.group) for item in profile.main_mode if item.encryption == 7}
    assert len(aes) == 3 * 4 * 8
    assert {item.transform for item in profile.quick_mode.suites} == {3, 12, 20}
    # header, SA, proposal and vendor IDs leave room for the batch in an unfragmented IPv6 datagram
    for batch in profile.main_mode_batches():
        assert 28 + 12 + 8 + 40 * len(batch) + 168 <= 1500 - 40 - 8 - 4


def test_broken_algorithms_are_offered_by_the_legacy_profile_only() -> None:
    for name in knowledge.profile_names():
        profile = knowledge.profile(name)
        broken = any(item.encryption == 1 or item.hash == 1 or item.group == 1 for item in profile.main_mode)
        broken_esp = any(
            item.transform in (2, 11) or item.integrity == 1 for item in profile.quick_mode.suites
        )
        assert (broken, broken_esp) == (name == "legacy", name == "legacy")


def test_certificates_change_the_authentication_method_only() -> None:
    profile = knowledge.profile("windows-11")
    changed = profile.main_mode_for(3)
    assert {item.authentication for item in changed} == {3}
    assert [(item.encryption, item.group) for item in changed] == [
        (item.encryption, item.group) for item in profile.main_mode
    ]


def test_what_is_not_sourced_says_so() -> None:
    assert "quick_mode.lifetime_seconds" in knowledge.profile("windows-11").unsourced
    assert "main_mode" in knowledge.profile("windows-7").unsourced
