"""Control messages in the words of the trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from l2tp_doctor.protocol.l2tp.avp import IETF, Avp, AvpType, PppDisconnectCause, ResultCode, text
from l2tp_doctor.protocol.l2tp.codes import cdn_result_name, error_name, stopccn_result_name
from l2tp_doctor.protocol.l2tp.message import MessageType, message_name

_TEXTUAL = frozenset(
    {
        AvpType.HOST_NAME,
        AvpType.VENDOR_NAME,
        AvpType.CALLED_NUMBER,
        AvpType.CALLING_NUMBER,
        AvpType.SUB_ADDRESS,
        AvpType.PROXY_AUTHEN_NAME,
        AvpType.PRIVATE_GROUP_ID,
    }
)
_HEXADECIMAL = frozenset({AvpType.PROTOCOL_VERSION, AvpType.FIRMWARE_REVISION})


def describe_result(code: ResultCode, message_type: int) -> str:
    """Returns a Result Code AVP as one line: numbers, the RFC's names, the peer's words."""
    name = stopccn_result_name if message_type == MessageType.STOPCCN else cdn_result_name
    parts = [f"result {code.result} ({name(code.result)})"]
    if code.error:
        parts.append(f"error {code.error} ({error_name(code.error)})")
    if code.message:
        parts.append(f'"{code.message}"')
    return ", ".join(parts)


def describe_disconnect_cause(cause: object) -> str:
    """Returns an RFC 3145 cause as ``code/protocol/direction message``, empty for anything else."""
    if not isinstance(cause, PppDisconnectCause):
        return ""
    numbers = f"{cause.code}/0x{cause.control_protocol:04x}/{cause.direction}"
    return f"{numbers} {cause.message}".rstrip()


def _describe_value(avp: Avp, message_type: int) -> object:
    if avp.sensitive:
        shown: object = f"({len(avp.raw)} bytes, not shown)"
    elif avp.value is None or avp.vendor != IETF:
        shown = avp.raw.hex()
    elif isinstance(avp.value, ResultCode):
        shown = describe_result(avp.value, message_type)
    elif isinstance(avp.value, PppDisconnectCause):
        shown = describe_disconnect_cause(avp.value)
    elif isinstance(avp.value, bytes):
        shown = text(avp.value) if avp.number in _TEXTUAL else avp.value.hex()
    elif isinstance(avp.value, int):
        shown = f"0x{avp.value:04x}" if avp.number in _HEXADECIMAL else avp.value
    else:
        shown = str(avp.value)
    if avp.problem is None:
        return shown
    return f"{shown} [{avp.problem}{', M bit set' if avp.mandatory else ''}]"


def describe_avps(avps: Iterable[Avp], message_type: int) -> dict[str, object]:
    """Returns the AVPs behind the Message Type by name; a repeated one gets a number."""
    fields: dict[str, object] = {}
    for avp in avps:
        if avp.vendor == IETF and avp.number == AvpType.MESSAGE_TYPE and avp.problem is None:
            continue
        name, count = avp.name, 1
        while name in fields:
            count += 1
            name = f"{avp.name} #{count}"
        fields[name] = _describe_value(avp, message_type)
    return fields


def summary(
    message_type: int | None,
    tunnels: tuple[int, int],
    sessions: tuple[int, int],
    fields: Mapping[str, object],
) -> str:
    """Returns a message in one line.

    Args:
        message_type: ``None`` for a ZLB.
        tunnels: our tunnel ID and the peer's, 0 while unknown.
        sessions: our session ID and the peer's; both 0 for a message of the tunnel.
        fields: of :func:`describe_avps`; a Result Code among them is quoted.
    """
    line = f"{message_name(message_type)} tunnel {tunnels[0] or '?'}→{tunnels[1] or '?'}"
    if any(sessions):
        line += f" session {sessions[0] or '?'}→{sessions[1] or '?'}"
    if "Result Code" in fields:
        line += f": {fields['Result Code']}"
    return line
