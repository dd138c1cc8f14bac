"""Names of the Result Codes and general Error Codes (RFC 2661 §4.4.2)."""

from __future__ import annotations

STOPCCN_RESULT_NAMES = {
    1: "general request to clear control connection",
    2: "general error, see the error code",
    3: "control channel already exists",
    4: "requester is not authorized to establish a control channel",
    5: "protocol version of the requester is not supported",
    6: "requester is being shut down",
    7: "finite state machine error",
}

CDN_RESULT_NAMES = {
    1: "call disconnected due to loss of carrier",
    2: "call disconnected for the reason in the error code",
    3: "call disconnected for administrative reasons",
    4: "call failed: appropriate facilities lacking (temporary condition)",
    5: "call failed: appropriate facilities lacking (permanent condition)",
    6: "invalid destination",
    7: "call failed: no carrier detected",
    8: "call failed: busy signal",
    9: "call failed: no dial tone",
    10: "call not established within the time allotted by the LAC",
    11: "call connected but no appropriate framing detected",
}

ERROR_NAMES = {
    0: "no general error",
    1: "no control connection exists yet for this LAC-LNS pair",
    2: "length is wrong",
    3: "a field value was out of range or a reserved field was non-zero",
    4: "insufficient resources to handle this operation now",
    5: "the session ID is invalid in this context",
    6: "a generic vendor-specific error occurred in the LAC",
    7: "try another LNS",
    8: "shut down because of an unknown AVP with the M bit set",
}


def stopccn_result_name(result: int) -> str:
    """Returns what a StopCCN's result code says, in the RFC's terms."""
    return STOPCCN_RESULT_NAMES.get(result, f"result code {result}")


def cdn_result_name(result: int) -> str:
    """Returns what a CDN's result code says, in the RFC's terms."""
    return CDN_RESULT_NAMES.get(result, f"result code {result}")


def error_name(error: int) -> str:
    """Returns what a general error code says, in the RFC's terms."""
    return ERROR_NAMES.get(error, f"error code {error}")
