"""Hand-made measurements and diagnoses for the faces to show."""

from __future__ import annotations

from collections.abc import Iterable

from l2tp_doctor.diagnosis import (
    Diagnosis,
    RankedCause,
    Reason,
    SeparatingExperiment,
    Undetermined,
    WindowsError,
)
from l2tp_doctor.knowledge import Cause, CauseCodes, LocalizedText
from l2tp_doctor.network.capture import CapturedPacket, Endpoint
from l2tp_doctor.observations import Observation, ObservationLog, Value
from l2tp_doctor.probes.interface import Measurement, Stage
from l2tp_doctor.protocol.engine import Channel, Direction, TraceEvent

OUT, IN, NOTE = Direction.OUT, Direction.IN, Direction.NOTE
PORTS = {"udp500": 500, "udp4500": 4500}

MAIN_1 = bytes.fromhex(
    "0102030405060708 0000000000000000 0110020000000000 00000050"
    "00000034 00000001 00000001 00000028 01010001"
    "00000020 01010000 80010005 80020002 80040002 80030001 800b0001 800c7080"
)
"""A well-formed Main Mode 1: one proposal with one 3DES transform (RFC 2408 §3.1 to §3.6)."""


def fake_cause(identifier: str) -> Cause:
    """Returns made-up knowledge about any cause id."""
    return Cause(
        id=identifier,
        title=LocalizedText(ja=f"題名 {identifier}", en=f"title of {identifier}"),
        explanation=LocalizedText(ja="説明", en="explanation"),
        codes=CauseCodes(usual=809, by_stage={}, also=()),
        seed=(1,),
        next_steps=(
            LocalizedText(
                ja="途中のファイアウォールで UDP 4500 を両方向とも許可してください。",
                en="Allow UDP 4500 in both directions on every firewall on the way to the gateway.",
            ),
            LocalizedText(ja="ルーターの再起動も試してください。", en="Try restarting the router as well."),
        ),
        fixes=("open-udp-4500",),
        references=(),
    )


def observations(*rows: tuple[str, Value], source: str = "probe:dial") -> tuple[Observation, ...]:
    """Returns numbered observations, a tenth of a second apart."""
    log = ObservationLog()
    for position, (name, value) in enumerate(rows):
        reason = "" if value is not None else "needs CAP_NET_RAW"
        log.add(name, value, at=position / 10, source=source, reason=reason)
    return tuple(log)


def event(
    at: float, direction: Direction, layer: str, summary: str, size: int = 0, **more: object
) -> TraceEvent:
    """Returns a trace event; ``trigger`` may be among ``more``, the rest are its fields."""
    trigger = more.pop("trigger", None)
    return TraceEvent(at, direction, layer, summary, size, more, str(trigger) if trigger else None)


def main_mode(reached: int) -> list[TraceEvent]:
    """Returns Main Mode up to that message."""
    rows = [
        event(0.000, OUT, "isakmp", "Main Mode 1: SA(5 transforms), 8×VENDOR_ID", 408,
              SA={"proposals": [{"number": 1, "transforms": [{"encryption": "AES_CBC", "key_bits": 256}]}]}),
        event(0.012, IN, "isakmp", "Main Mode 2: SA(1 transform), 3×VENDOR_ID", 136),
        event(0.013, OUT, "isakmp", "Main Mode 3: KE, NONCE, 2×NAT_D", 388),
        event(0.027, IN, "isakmp", "Main Mode 4: KE, NONCE, 2×NAT_D", 372),
        event(0.028, NOTE, "isakmp", "NAT-T: moving to UDP 4500"),
        event(0.028, OUT, "isakmp", "Main Mode 5: ID, HASH (encrypted)", 76),
        event(0.041, IN, "isakmp", "Main Mode 6: ID, HASH (encrypted)", 76),
    ]  # fmt: skip
    return rows[:reached] if reached <= 4 else rows[: reached + 1]


def through_l2tp() -> list[TraceEvent]:
    """Returns a dial up to LCP Opened."""
    return [
        *main_mode(6),
        event(0.042, OUT, "isakmp", "Quick Mode 1: HASH, SA(3 transforms), NONCE, 2×ID (encrypted)", 316),
        event(0.054, IN, "isakmp", "Quick Mode 2: HASH, SA(1 transform), NONCE, 2×ID (encrypted)", 188),
        event(0.055, OUT, "isakmp", "Quick Mode 3: HASH (encrypted)", 60),
        event(0.056, OUT, "l2tp", "SCCRQ", 105),
        event(0.068, IN, "l2tp", "SCCRP", 112),
        event(0.069, OUT, "l2tp", "SCCCN", 20),
        event(0.069, OUT, "l2tp", "ICRQ", 48),
        event(0.080, IN, "l2tp", "ZLB", 12),
        event(0.081, IN, "l2tp", "ICRP", 28),
        event(0.082, OUT, "l2tp", "ICCN", 40),
        event(0.083, OUT, "lcp", "Configure-Request 0", 21),
        event(0.090, IN, "lcp", "Configure-Request 1", 25),
        event(0.091, OUT, "lcp", "Configure-Ack 1", 25),
        event(0.095, IN, "lcp", "Configure-Ack 0", 21),
    ]


def healthy() -> tuple[Measurement, Diagnosis]:
    """Returns a dial that works, with a warning for Windows clients."""
    trace = [
        *through_l2tp(),
        event(0.096, IN, "auth", "CHAP Challenge 1", 29),
        event(0.097, OUT, "auth", "CHAP Response 1", 60),
        event(0.110, IN, "auth", "CHAP Success 1", 46),
        event(0.111, OUT, "ipcp", "Configure-Request 1", 22),
        event(0.122, IN, "ipcp", "Configure-Ack 1", 22),
        event(0.130, NOTE, "ipcp", "address 10.0.0.2"),
        event(0.131, OUT, "icmp", "Echo Request 1", 40),
        event(0.143, IN, "icmp", "Echo Reply 1", 40),
        event(0.144, OUT, "lcp", "Terminate-Request 3", 4),
        event(0.144, OUT, "l2tp", "CDN", 38),
        event(0.145, OUT, "l2tp", "StopCCN", 38),
        event(0.146, OUT, "isakmp", "Informational: HASH, DELETE(ESP) (encrypted)", 68),
        event(0.146, OUT, "isakmp", "Informational: HASH, DELETE(ISAKMP) (encrypted)", 84),
    ]
    seen = observations(
        ("resolve.ok", True),
        ("nat_t.floated", True),
        ("nat.server_behind", True),
        ("native_esp.available", None),
        ("dial.connected", True),
        ("tunnel.echo_rtt", 0.012),
    )
    warning = RankedCause(
        "server-behind-nat",
        1.0,
        ("obs-3",),
        (Reason(LocalizedText(ja="NAT の内側である。", en="It is behind a NAT."), ("obs-3",), 0.0, "for"),),
    )
    diagnosis = Diagnosis("healthy", "connected", None, (), (warning,), None, 0.0)
    return measurement("connected", seen, trace, elapsed=0.15), diagnosis


def blocked_4500() -> tuple[Measurement, Diagnosis]:
    """Returns a dial that finds UDP 4500 silent."""
    trace = [
        *main_mode(5),
        event(0.53, NOTE, "isakmp", "retransmission 1 of main-5"),
        event(1.33, NOTE, "isakmp", "retransmission 2 of main-5"),
        event(1.40, IN, "isakmp", "dropped: duplicate", 372, trigger="duplicate"),
        event(2.61, NOTE, "isakmp", "retransmission 3 of main-5"),
    ]
    dialled = observations(
        ("udp500.reply", True),
        ("udp4500.reply", False),
        ("nat_t.floated", True),
        ("ike.main.duplicate_4", True),
        ("native_esp.available", None),
        ("path.rtt", 0.012),
        ("ike.vendor_ids", ("RFC 3947", "DPD")),
    )
    straight = Observation("obs-8", "experiment.main_4500.reply", False, 2.9, "probe:main_4500", (3, 4))
    seen = (*dialled, straight)
    proof = (
        Reason(
            LocalizedText(
                ja="UDP 500 では Main Mode 4 まで応答があったが、UDP 4500 からは何も返らない。",
                en="UDP 500 answered up to Main Mode 4, yet nothing came back from UDP 4500.",
            ),
            ("obs-1", "obs-2"), 3.0, "for",
        ),
        Reason(
            LocalizedText(
                ja="UDP 4500 へ直接送った新しい Main Mode も無応答だった。",
                en="A fresh Main Mode straight to UDP 4500 met silence too.",
            ),
            ("obs-8",), 2.0, "for",
        ),
    )  # fmt: skip
    first = RankedCause("udp-4500-blocked", 0.93, ("obs-1", "obs-2", "obs-8"), proof)
    second = RankedCause("psk-mismatch", 0.06, ("obs-1",), ())
    error = WindowsError(809, "ERROR_VPN_TIMEOUT")
    diagnosis = Diagnosis("faulty", "nat_t", error, (first, second), (), None, 0.01)
    return measurement("nat_t", seen, trace, elapsed=3.2), diagnosis


def wrong_password() -> tuple[Measurement, Diagnosis]:
    """Returns a dial that the gateway refuses at authentication, then closes."""
    trace = [
        *through_l2tp(),
        event(0.096, IN, "auth", "CHAP Challenge 1", 29),
        event(0.097, OUT, "auth", "CHAP Response 1", 60),
        event(0.110, IN, "auth", "CHAP Failure 1: E=691", 46),
        event(0.111, IN, "lcp", "Terminate-Request 2", 4),
        event(0.111, OUT, "lcp", "Terminate-Ack 2", 4),
        event(0.112, OUT, "l2tp", "StopCCN", 38),
        event(0.113, OUT, "isakmp", "Informational: HASH, DELETE(ISAKMP) (encrypted)", 84),
    ]
    seen = observations(("nat_t.floated", True), ("ppp.auth.error", 691), ("ppp.auth.message", "E=691 R=1"))
    proof = (Reason(LocalizedText(ja="拒否された。", en="It was refused."), ("obs-2",), 5.0, "for"),)
    cause = RankedCause("ppp-credentials-rejected", 0.995, ("obs-2",), proof)
    error = WindowsError(691, "ERROR_AUTHENTICATION_FAILURE")
    return measurement("auth", seen, trace, elapsed=0.12), Diagnosis(
        "faulty", "auth", error, (cause,), (), None, 0.0
    )


def ambiguous() -> tuple[Measurement, Diagnosis]:
    """Returns a dial whose silence fits two causes."""
    text = LocalizedText(
        ja="別の回線からもう一度試すと区別できる。",
        en="Another try from a different line would tell them apart.",
    )
    experiment = SeparatingExperiment("ike-service-down", "second-vantage-point", text)
    causes = (
        RankedCause("udp-500-blocked", 0.48, ("obs-1",), (), experiment),
        RankedCause("ike-service-down", 0.45, ("obs-1",), ()),
    )
    why = Undetermined(
        "ambiguous", ("obs-1",), LocalizedText(ja="2つの候補が残った。", en="Two candidates remain.")
    )
    trace = [main_mode(1)[0], event(0.5, NOTE, "isakmp", "retransmission 1 of main-1")]
    seen = observations(("udp500.reply", False), ("host.alive", True))
    return measurement("reach", seen, trace, elapsed=6.0), Diagnosis(
        "undetermined", "reach", None, causes, (), why, 0.07
    )


def measurement(
    stage: Stage,
    seen: tuple[Observation, ...],
    trace: Iterable[TraceEvent],
    *,
    elapsed: float,
    interrupted: bool = False,
    packets: tuple[CapturedPacket, ...] = (),
) -> Measurement:
    """Returns a measurement of vpn.example.com."""
    return Measurement(
        "vpn.example.com", "192.0.2.1", stage, seen, tuple(trace), packets, elapsed, interrupted
    )


def packet(
    channel: Channel, payload: bytes, decrypted: bytes | None = None, *,
    at: float = 0.0, inbound: bool = False,
    client: str = "198.51.100.7", gateway: str = "192.0.2.1", ports: tuple[int, int] = (500, 4500),
) -> CapturedPacket:  # fmt: skip
    """Returns one captured packet between client and gateway."""
    port = {Channel.IKE: ports[0], Channel.NAT_T: ports[1], Channel.ESP: 0}[channel]
    ends = (Endpoint(client, port), Endpoint(gateway, port))
    if inbound:
        return CapturedPacket(at, IN, channel, ends[1], ends[0], payload, decrypted)
    return CapturedPacket(at, OUT, channel, ends[0], ends[1], payload, decrypted)
