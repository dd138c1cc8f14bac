"""NOTIFY and DELETE payloads, in both directions (RFC 2408 §3.14, §3.15; RFC 3706)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from l2tp_doctor.protocol.ikev1.events import DeleteReceived, NotifyReceived, Step
from l2tp_doctor.protocol.isakmp.constants import NotifyType, ProtocolId, name_of
from l2tp_doctor.protocol.isakmp.payloads import Delete, Notify, Payload

FIRST_STATUS_TYPE = 16384
"""RFC 2408 §3.14.1: smaller notify types are errors."""


MAX_TEXT = 256
"""Characters of a gateway's explanation that are kept; it is the peer's and may be 64 KiB."""


def is_error(notify_type: int) -> bool:
    """Whether a notify type reports an error."""
    return notify_type < FIRST_STATUS_TYPE


def notify_text(notify: Notify) -> str:
    """Returns notification data that is printable text, as some gateways explain themselves; else nothing."""
    try:
        text = notify.data.decode("utf-8").strip("\x00")
    except UnicodeDecodeError:
        return ""
    return text[:MAX_TEXT] if text.isprintable() else ""


def read(
    payloads: Sequence[Payload], *, encrypted: bool, authentic: bool, after: Step | None
) -> Iterator[NotifyReceived | DeleteReceived]:
    """Yields an event for every NOTIFY and DELETE payload."""
    for payload in payloads:
        if isinstance(payload, Notify):
            yield NotifyReceived(
                payload.notify_type,
                name_of(NotifyType, payload.notify_type),
                encrypted,
                authentic,
                after,
                notify_text(payload),
            )
        elif isinstance(payload, Delete):
            protocol = "isakmp" if payload.protocol == ProtocolId.ISAKMP else "esp"
            yield DeleteReceived(protocol, authentic, after, payload.spis)


def delete_isakmp(initiator_cookie: bytes, responder_cookie: bytes) -> Delete:
    """The Delete of an ISAKMP SA names both cookies (RFC 2408 §3.15)."""
    return Delete(ProtocolId.ISAKMP, (initiator_cookie + responder_cookie,))


def delete_esp(spi: int) -> Delete:
    """The Delete of an ESP SA names the sender's inbound SPI (RFC 2408 §3.15)."""
    return Delete(ProtocolId.ESP, (spi.to_bytes(4, "big"),))


def dpd(initiator_cookie: bytes, responder_cookie: bytes, sequence: int, *, ack: bool) -> Notify:
    """R-U-THERE or its acknowledgement (RFC 3706 §5.3)."""
    kind = NotifyType.R_U_THERE_ACK if ack else NotifyType.R_U_THERE
    return Notify(kind, ProtocolId.ISAKMP, initiator_cookie + responder_cookie, sequence.to_bytes(4, "big"))
