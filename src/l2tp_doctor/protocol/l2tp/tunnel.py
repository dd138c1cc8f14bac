"""The control connection's state machine as a table (RFC 2661 §7.2.1).

Everything that changes the state of a control connection is in :data:`TRANSITIONS`;
what an action does is the engine's affair.  Whether a message is *acceptable* is
judged before the table is consulted, so there are two inputs for it.
"""

from __future__ import annotations

import enum


class TunnelState(enum.Enum):
    """RFC 2661's states, and two for the time after the end."""

    IDLE = "idle"
    WAIT_CTL_REPLY = "wait-ctl-reply"
    WAIT_CTL_CONN = "wait-ctl-conn"
    ESTABLISHED = "established"
    CLOSING = "closing"
    """StopCCN sent, its acknowledgement awaited for a short time."""
    CLOSED = "closed"


class TunnelInput(enum.Enum):
    """What can happen to a control connection."""

    LOCAL_OPEN = "local open request"
    LOCAL_CLOSE = "administrative tunnel close"
    SCCRQ = "SCCRQ, acceptable"
    SCCRQ_BAD = "SCCRQ, not acceptable"
    SCCRP = "SCCRP, acceptable"
    SCCRP_BAD = "SCCRP, not acceptable"
    SCCCN = "SCCCN, acceptable"
    SCCCN_BAD = "SCCCN, not acceptable"
    STOPCCN = "StopCCN"
    HELLO = "Hello"
    SESSION_MESSAGE = "a message of a session"
    VIOLATION = "unknown mandatory AVP or message, or malformed beyond recovery"
    UNANSWERED = "a message was not acknowledged"
    REPLY_OVERDUE = "acknowledged but not answered in time"
    STOP_ACKNOWLEDGED = "our StopCCN was acknowledged"
    CLOSE_TIMEOUT = "our StopCCN was not acknowledged in time"


class TunnelAction(enum.Enum):
    """What the engine does on a transition."""

    SEND_SCCRQ = "send SCCRQ"
    SEND_SCCRP = "send SCCRP"
    OPEN_AND_SEND_SCCCN = "send SCCCN, open waiting sessions"
    OPEN = "open waiting sessions"
    SEND_STOPCCN = "send StopCCN, clean up"
    ACCEPT_STOPCCN = "acknowledge StopCCN, clean up"
    CLEAN_UP = "clean up"
    FINISH_CLEAN = "finish, cleanly"
    FINISH_UNCLEAN = "finish, not cleanly"
    TO_SESSION = "give it to the session"
    NOTHING = "nothing"
    DROP = "drop it as unexpected"


Row = tuple[TunnelAction, TunnelState]

_S, _I, _A = TunnelState, TunnelInput, TunnelAction
_BAD_INPUTS = (_I.SCCRQ_BAD, _I.SCCRP_BAD, _I.SCCCN_BAD)

TRANSITIONS: dict[tuple[TunnelState, TunnelInput], Row] = {
    # idle | Local Open request | Send SCCRQ | wait-ctl-reply
    (_S.IDLE, _I.LOCAL_OPEN): (_A.SEND_SCCRQ, _S.WAIT_CTL_REPLY),
    # idle | Receive SCCRQ, acceptable | Send SCCRP | wait-ctl-conn
    (_S.IDLE, _I.SCCRQ): (_A.SEND_SCCRP, _S.WAIT_CTL_CONN),
    # idle | Receive SCCRQ, not acceptable | Send StopCCN, Clean up | idle
    (_S.IDLE, _I.SCCRQ_BAD): (_A.SEND_STOPCCN, _S.CLOSING),
    # idle | Receive SCCRP | Send StopCCN, Clean up | idle — but in idle no peer tunnel ID is known that a
    # StopCCN could carry, and this engine is one tunnel that is still to be used: the message is dropped.
    (_S.IDLE, _I.SCCRP): (_A.DROP, _S.IDLE),
    (_S.IDLE, _I.SCCRP_BAD): (_A.DROP, _S.IDLE),
    # idle | Receive SCCCN | Clean up | idle: nothing to clean up
    (_S.IDLE, _I.SCCCN): (_A.DROP, _S.IDLE),
    (_S.IDLE, _I.SCCCN_BAD): (_A.DROP, _S.IDLE),
    (_S.IDLE, _I.LOCAL_CLOSE): (_A.FINISH_CLEAN, _S.CLOSED),
    (_S.IDLE, _I.STOPCCN): (_A.DROP, _S.IDLE),
    (_S.IDLE, _I.VIOLATION): (_A.DROP, _S.IDLE),
    # wait-ctl-reply | Receive SCCRP, acceptable | Send SCCCN, Send tunnel-open event to waiting sessions
    (_S.WAIT_CTL_REPLY, _I.SCCRP): (_A.OPEN_AND_SEND_SCCCN, _S.ESTABLISHED),
    # wait-ctl-reply | Receive SCCRP, not acceptable | Send StopCCN, Clean up | idle
    (_S.WAIT_CTL_REPLY, _I.SCCRP_BAD): (_A.SEND_STOPCCN, _S.CLOSING),
    # wait-ctl-reply | Receive SCCRQ, lose tie-breaker: the peer's SCCRQ has tunnel ID 0 and so belongs to a
    # tunnel of its own; no Tie Breaker is sent, as Windows sends none, and only its presence asks for a
    # single tunnel (RFC 2661 §4.4.3).
    (_S.WAIT_CTL_REPLY, _I.SCCRQ): (_A.DROP, _S.WAIT_CTL_REPLY),
    (_S.WAIT_CTL_REPLY, _I.SCCRQ_BAD): (_A.DROP, _S.WAIT_CTL_REPLY),
    # wait-ctl-reply | Receive SCCCN | Send StopCCN, Clean up | idle
    (_S.WAIT_CTL_REPLY, _I.SCCCN): (_A.SEND_STOPCCN, _S.CLOSING),
    (_S.WAIT_CTL_REPLY, _I.SCCCN_BAD): (_A.SEND_STOPCCN, _S.CLOSING),
    # wait-ctl-conn | Receive SCCCN, acceptable | Send tunnel-open event to waiting sessions | established
    (_S.WAIT_CTL_CONN, _I.SCCCN): (_A.OPEN, _S.ESTABLISHED),
    # wait-ctl-conn | Receive SCCCN, not acceptable | Send StopCCN, Clean up | idle
    (_S.WAIT_CTL_CONN, _I.SCCCN_BAD): (_A.SEND_STOPCCN, _S.CLOSING),
    # wait-ctl-conn | Receive SCCRP, SCCRQ | Send StopCCN, Clean up | idle
    **{
        (_S.WAIT_CTL_CONN, bad): (_A.SEND_STOPCCN, _S.CLOSING)
        for bad in (_I.SCCRQ, _I.SCCRQ_BAD, _I.SCCRP, _I.SCCRP_BAD)
    },
    # established | Receive SCCRQ, SCCRP, SCCCN | Send StopCCN, Clean up | idle
    **{
        (_S.ESTABLISHED, bad): (_A.SEND_STOPCCN, _S.CLOSING)
        for bad in (_I.SCCRQ, _I.SCCRP, _I.SCCCN, *_BAD_INPUTS)
    },
    # established | Local Open request (new call): the one call of this engine is opened with the tunnel
    (_S.ESTABLISHED, _I.LOCAL_OPEN): (_A.NOTHING, _S.ESTABLISHED),
    (_S.ESTABLISHED, _I.SESSION_MESSAGE): (_A.TO_SESSION, _S.ESTABLISHED),
    (_S.CLOSING, _I.STOP_ACKNOWLEDGED): (_A.FINISH_CLEAN, _S.CLOSED),
    # Both sides closed at once: theirs is acknowledged, ours needs no further waiting.
    (_S.CLOSING, _I.STOPCCN): (_A.FINISH_CLEAN, _S.CLOSED),
    (_S.CLOSING, _I.CLOSE_TIMEOUT): (_A.FINISH_UNCLEAN, _S.CLOSED),
    (_S.CLOSING, _I.UNANSWERED): (_A.FINISH_UNCLEAN, _S.CLOSED),
    (_S.CLOSING, _I.LOCAL_CLOSE): (_A.NOTHING, _S.CLOSING),
    (_S.CLOSED, _I.LOCAL_CLOSE): (_A.NOTHING, _S.CLOSED),
    # (wait-ctl-reply, wait-ctl-conn, established) | Receive StopCCN | Clean up | idle
    **{
        (state, _I.STOPCCN): (_A.ACCEPT_STOPCCN, _S.CLOSED)
        for state in (_S.WAIT_CTL_REPLY, _S.WAIT_CTL_CONN, _S.ESTABLISHED)
    },
    # established | Admin Tunnel Close | Send StopCCN, Clean up | idle.  Before that a StopCCN is sent too:
    # > permitting the peer to identify the appropriate tunnel even if a StopCCN is sent before an Assigned
    # > Tunnel ID AVP is received (RFC 2661 §4.4.3)
    **{
        (state, cause): (_A.SEND_STOPCCN, _S.CLOSING)
        for state in (_S.WAIT_CTL_REPLY, _S.WAIT_CTL_CONN, _S.ESTABLISHED)
        for cause in (_I.LOCAL_CLOSE, _I.VIOLATION, _I.REPLY_OVERDUE)
    },
    # > If no peer response is detected after several retransmissions … the tunnel and all sessions within
    # > MUST be cleared (RFC 2661 §5.8)
    **{
        (state, _I.UNANSWERED): (_A.CLEAN_UP, _S.CLOSED)
        for state in (_S.WAIT_CTL_REPLY, _S.WAIT_CTL_CONN, _S.ESTABLISHED)
    },
    # Hello is answered by the reliable delivery alone.
    **{(state, _I.HELLO): (_A.NOTHING, state) for state in TunnelState if state is not _S.IDLE},
}


def transition(state: TunnelState, happened: TunnelInput) -> Row:
    """Returns the action and the next state; what the table does not name is dropped."""
    return TRANSITIONS.get((state, happened), (TunnelAction.DROP, state))
