"""The incoming call's state machines as one table (RFC 2661 §7.4.1 LAC, §7.4.2 LNS).

The LAC's states are idle, wait-tunnel, wait-reply and established; the LNS's are idle,
wait-connect and established.  An ICRQ carries session ID 0: when it assigns the session ID
of the call there is, it concerns that call; otherwise it is another call (:attr:`SessionInput.OTHER_CALL`),
which is refused without touching this one.
"""

from __future__ import annotations

import enum

from l2tp_doctor.protocol.l2tp.config import Role


class SessionState(enum.Enum):
    """RFC 2661's states, and one for after the end."""

    IDLE = "idle"
    WAIT_TUNNEL = "wait-tunnel"
    WAIT_REPLY = "wait-reply"
    WAIT_CONNECT = "wait-connect"
    ESTABLISHED = "established"
    CLOSED = "closed"


class SessionInput(enum.Enum):
    """What can happen to a call."""

    CALL = "ready to indicate an incoming call"
    TUNNEL_OPEN = "tunnel-open"
    ICRQ = "ICRQ, acceptable"
    ICRQ_BAD = "ICRQ, not acceptable"
    OTHER_CALL = "ICRQ or OCRQ of another call"
    ICRP = "ICRP, acceptable"
    ICRP_BAD = "ICRP, not acceptable"
    ICCN = "ICCN"
    CDN = "CDN"
    WEN_OR_SLI = "WEN or SLI"
    DATA = "a data message"
    VIOLATION = "unknown mandatory AVP"
    LOCAL_CLOSE = "local close request"


class SessionAction(enum.Enum):
    """What the engine does on a transition."""

    SEND_ICRQ = "send ICRQ"
    SEND_ICRP = "send ICRP"
    ESTABLISH_AND_SEND_ICCN = "send ICCN, prepare for data"
    ESTABLISH = "prepare for data"
    SEND_CDN = "send CDN, clean up"
    REFUSE_CALL = "send CDN for the call that was asked for"
    ACCEPT_CDN = "clean up, tell the owner"
    DELIVER = "deliver the PPP frame"
    NOTHING = "nothing"
    DROP = "drop it as unexpected"


Row = tuple[SessionAction, SessionState]
_S, _I, _A = SessionState, SessionInput, SessionAction
_COMMON: dict[tuple[SessionState, SessionInput], Row] = {
    # established | Receive ICRQ, ICRP, ICCN | Send CDN, Clean up | idle
    **{
        (_S.ESTABLISHED, bad): (_A.SEND_CDN, _S.CLOSED)
        for bad in (_I.ICRQ, _I.ICRQ_BAD, _I.ICRP, _I.ICRP_BAD, _I.ICCN)
    },
    # established | Receive CDN | Clean up | idle
    (_S.ESTABLISHED, _I.CDN): (_A.ACCEPT_CDN, _S.CLOSED),
    # established | Local close request | Send CDN, Clean up | idle
    (_S.ESTABLISHED, _I.LOCAL_CLOSE): (_A.SEND_CDN, _S.CLOSED),
    # > If the M bit is set on an unrecognized AVP within a message associated with a particular session,
    # > the session associated with this message MUST be terminated. (RFC 2661 §4.1)
    (_S.ESTABLISHED, _I.VIOLATION): (_A.SEND_CDN, _S.CLOSED),
    (_S.ESTABLISHED, _I.DATA): (_A.DELIVER, _S.ESTABLISHED),
    (_S.ESTABLISHED, _I.WEN_OR_SLI): (_A.NOTHING, _S.ESTABLISHED),
    (_S.IDLE, _I.LOCAL_CLOSE): (_A.NOTHING, _S.CLOSED),
    (_S.CLOSED, _I.LOCAL_CLOSE): (_A.NOTHING, _S.CLOSED),
    **{(state, _I.OTHER_CALL): (_A.REFUSE_CALL, state) for state in SessionState},
}

_LAC: dict[tuple[SessionState, SessionInput], Row] = {
    # idle | Bearer Ring or Ready to indicate incoming connection | Initiate local tunnel open | wait-tunnel
    (_S.IDLE, _I.CALL): (_A.NOTHING, _S.WAIT_TUNNEL),
    # wait-tunnel | tunnel-open | Send ICRQ | wait-reply
    (_S.WAIT_TUNNEL, _I.TUNNEL_OPEN): (_A.SEND_ICRQ, _S.WAIT_REPLY),
    # wait-tunnel | Bearer line drop or local close request | Clean up | idle
    (_S.WAIT_TUNNEL, _I.LOCAL_CLOSE): (_A.NOTHING, _S.CLOSED),
    # wait-reply | Receive ICRP, acceptable | Send ICCN | established
    (_S.WAIT_REPLY, _I.ICRP): (_A.ESTABLISH_AND_SEND_ICCN, _S.ESTABLISHED),
    # wait-reply | Receive ICRP, not acceptable | Send CDN, Clean up | idle
    (_S.WAIT_REPLY, _I.ICRP_BAD): (_A.SEND_CDN, _S.CLOSED),
    # wait-reply | Receive ICRQ | Send CDN, Clean up | idle
    (_S.WAIT_REPLY, _I.ICRQ): (_A.SEND_CDN, _S.CLOSED),
    (_S.WAIT_REPLY, _I.ICRQ_BAD): (_A.SEND_CDN, _S.CLOSED),
    # wait-reply | Receive CDN, ICCN | Clean up | idle.  A CDN is told to the owner; a lone ICCN makes no
    # sense towards a LAC, and the peer is told that the call is over.
    (_S.WAIT_REPLY, _I.CDN): (_A.ACCEPT_CDN, _S.CLOSED),
    (_S.WAIT_REPLY, _I.ICCN): (_A.SEND_CDN, _S.CLOSED),
    # wait-reply | Local close request or bearer line drop | Send CDN, Clean up | idle
    (_S.WAIT_REPLY, _I.LOCAL_CLOSE): (_A.SEND_CDN, _S.CLOSED),
    (_S.WAIT_REPLY, _I.VIOLATION): (_A.SEND_CDN, _S.CLOSED),
    (_S.WAIT_REPLY, _I.WEN_OR_SLI): (_A.NOTHING, _S.WAIT_REPLY),
}

_LNS: dict[tuple[SessionState, SessionInput], Row] = {
    # idle | Receive ICRQ, acceptable | Send ICRP | wait-connect
    (_S.IDLE, _I.ICRQ): (_A.SEND_ICRP, _S.WAIT_CONNECT),
    # idle | Receive ICRQ, not acceptable | Send CDN, Clean up | idle
    (_S.IDLE, _I.ICRQ_BAD): (_A.REFUSE_CALL, _S.IDLE),
    # wait-connect | Receive ICCN, acceptable | Prepare for data | established
    (_S.WAIT_CONNECT, _I.ICCN): (_A.ESTABLISH, _S.ESTABLISHED),
    # wait-connect | Receive ICRQ, ICRP | Send CDN, Clean up | idle
    **{
        (_S.WAIT_CONNECT, bad): (_A.SEND_CDN, _S.CLOSED)
        for bad in (_I.ICRQ, _I.ICRQ_BAD, _I.ICRP, _I.ICRP_BAD)
    },
    # (idle,) wait-connect, established | Receive CDN | Clean up | idle
    (_S.WAIT_CONNECT, _I.CDN): (_A.ACCEPT_CDN, _S.CLOSED),
    # wait-connect, established | Local Close request | Send CDN, Clean up | idle
    (_S.WAIT_CONNECT, _I.LOCAL_CLOSE): (_A.SEND_CDN, _S.CLOSED),
    (_S.WAIT_CONNECT, _I.VIOLATION): (_A.SEND_CDN, _S.CLOSED),
    (_S.WAIT_CONNECT, _I.WEN_OR_SLI): (_A.NOTHING, _S.WAIT_CONNECT),
    # RFC 2661 has idle again after a call; a gateway then admits the next call of the same tunnel.
    (_S.CLOSED, _I.ICRQ): (_A.SEND_ICRP, _S.WAIT_CONNECT),
    (_S.CLOSED, _I.ICRQ_BAD): (_A.REFUSE_CALL, _S.CLOSED),
}

TRANSITIONS: dict[Role, dict[tuple[SessionState, SessionInput], Row]] = {
    Role.LAC: {**_COMMON, **_LAC},
    Role.LNS: {**_COMMON, **_LNS},
}


def transition(role: Role, state: SessionState, happened: SessionInput) -> Row:
    """Returns the action and the next state; what the table does not name is dropped."""
    return TRANSITIONS[role].get((state, happened), (SessionAction.DROP, state))
