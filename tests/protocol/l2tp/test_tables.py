"""The full state × input product of both tables, and RFC 2661's rows read off by hand."""

from __future__ import annotations

import itertools

import pytest

from l2tp_doctor.protocol.l2tp import session, tunnel
from l2tp_doctor.protocol.l2tp.config import Role
from l2tp_doctor.protocol.l2tp.session import SessionAction, SessionInput, SessionState
from l2tp_doctor.protocol.l2tp.tunnel import TunnelAction, TunnelInput, TunnelState

TUNNEL_PRODUCT = list(itertools.product(TunnelState, TunnelInput))
SESSION_PRODUCT = list(itertools.product(Role, SessionState, SessionInput))

_T, _I, _S = TunnelState, TunnelInput, TunnelAction
ENDED = {_T.CLOSING, _T.CLOSED}

# RFC 2661 §7.2.1, "idle" after the end being CLOSING (StopCCN sent) or CLOSED here.
RFC_TUNNEL_ROWS = [
    (_T.IDLE, _I.LOCAL_OPEN, "SCCRQ", {_T.WAIT_CTL_REPLY}),
    (_T.IDLE, _I.SCCRQ, "SCCRP", {_T.WAIT_CTL_CONN}),
    (_T.IDLE, _I.SCCRQ_BAD, "StopCCN", ENDED),
    (_T.WAIT_CTL_REPLY, _I.SCCRP, "SCCCN", {_T.ESTABLISHED}),
    (_T.WAIT_CTL_REPLY, _I.SCCRP_BAD, "StopCCN", ENDED),
    (_T.WAIT_CTL_REPLY, _I.SCCCN, "StopCCN", ENDED),
    (_T.WAIT_CTL_CONN, _I.SCCCN, "open waiting sessions", {_T.ESTABLISHED}),
    (_T.WAIT_CTL_CONN, _I.SCCCN_BAD, "StopCCN", ENDED),
    (_T.WAIT_CTL_CONN, _I.SCCRP, "StopCCN", ENDED),
    (_T.WAIT_CTL_CONN, _I.SCCRQ, "StopCCN", ENDED),
    (_T.ESTABLISHED, _I.LOCAL_CLOSE, "StopCCN", ENDED),
    (_T.ESTABLISHED, _I.SCCRQ, "StopCCN", ENDED),
    (_T.ESTABLISHED, _I.SCCRP, "StopCCN", ENDED),
    (_T.ESTABLISHED, _I.SCCCN, "StopCCN", ENDED),
    (_T.WAIT_CTL_REPLY, _I.STOPCCN, "clean up", ENDED),
    (_T.WAIT_CTL_CONN, _I.STOPCCN, "clean up", ENDED),
    (_T.ESTABLISHED, _I.STOPCCN, "clean up", ENDED),
]


@pytest.mark.parametrize(("state", "happened", "action", "following"), RFC_TUNNEL_ROWS)
def test_tunnel_rows_of_the_rfc(
    state: TunnelState, happened: TunnelInput, action: str, following: set[TunnelState]
) -> None:
    got, new = tunnel.transition(state, happened)
    assert action in got.value
    assert new in following


@pytest.mark.parametrize(("state", "happened"), TUNNEL_PRODUCT)
def test_tunnel_product(state: TunnelState, happened: TunnelInput) -> None:
    action, new = tunnel.transition(state, happened)
    if action is TunnelAction.DROP:
        assert new is state
    if action is TunnelAction.SEND_STOPCCN:
        assert new is _T.CLOSING
    if new is _T.CLOSED and state is not _T.CLOSED:
        finishing = {_S.FINISH_CLEAN, _S.FINISH_UNCLEAN, _S.ACCEPT_STOPCCN, _S.CLEAN_UP}
        assert action in finishing
    if state is _T.CLOSED:
        assert new is _T.CLOSED
        assert action in {_S.DROP, _S.NOTHING}
    if state is _T.CLOSING:
        assert new in ENDED
    if happened is _I.SESSION_MESSAGE:
        assert (action is _S.TO_SESSION) == (state is _T.ESTABLISHED)


_C, _J, _A = SessionState, SessionInput, SessionAction
# RFC 2661 §7.4.1 (LAC) and §7.4.2 (LNS); "idle" after the end is CLOSED here.
RFC_SESSION_ROWS = [
    (Role.LAC, _C.IDLE, _J.CALL, "nothing", _C.WAIT_TUNNEL),
    (Role.LAC, _C.WAIT_TUNNEL, _J.TUNNEL_OPEN, "ICRQ", _C.WAIT_REPLY),
    (Role.LAC, _C.WAIT_TUNNEL, _J.LOCAL_CLOSE, "nothing", _C.CLOSED),
    (Role.LAC, _C.WAIT_REPLY, _J.ICRP, "ICCN", _C.ESTABLISHED),
    (Role.LAC, _C.WAIT_REPLY, _J.ICRP_BAD, "CDN", _C.CLOSED),
    (Role.LAC, _C.WAIT_REPLY, _J.ICRQ, "CDN", _C.CLOSED),
    (Role.LAC, _C.WAIT_REPLY, _J.CDN, "clean up", _C.CLOSED),
    (Role.LAC, _C.WAIT_REPLY, _J.ICCN, "clean up", _C.CLOSED),
    (Role.LAC, _C.WAIT_REPLY, _J.LOCAL_CLOSE, "CDN", _C.CLOSED),
    *((role, _C.ESTABLISHED, _J.CDN, "clean up", _C.CLOSED) for role in Role),
    *(
        (role, _C.ESTABLISHED, bad, "CDN", _C.CLOSED)
        for role in Role
        for bad in (_J.ICRQ, _J.ICRP, _J.ICCN, _J.LOCAL_CLOSE)
    ),
    (Role.LNS, _C.IDLE, _J.ICRQ, "ICRP", _C.WAIT_CONNECT),
    (Role.LNS, _C.IDLE, _J.ICRQ_BAD, "CDN", _C.IDLE),
    (Role.LNS, _C.WAIT_CONNECT, _J.ICCN, "prepare for data", _C.ESTABLISHED),
    (Role.LNS, _C.WAIT_CONNECT, _J.ICRQ, "CDN", _C.CLOSED),
    (Role.LNS, _C.WAIT_CONNECT, _J.ICRP, "CDN", _C.CLOSED),
    (Role.LNS, _C.WAIT_CONNECT, _J.CDN, "clean up", _C.CLOSED),
    (Role.LNS, _C.WAIT_CONNECT, _J.LOCAL_CLOSE, "CDN", _C.CLOSED),
]


@pytest.mark.parametrize(("role", "state", "happened", "action", "following"), RFC_SESSION_ROWS)
def test_session_rows_of_the_rfc(
    role: Role, state: SessionState, happened: SessionInput, action: str, following: SessionState
) -> None:
    got, new = session.transition(role, state, happened)
    assert action in got.value
    assert new is following


@pytest.mark.parametrize(("role", "state", "happened"), SESSION_PRODUCT)
def test_session_product(role: Role, state: SessionState, happened: SessionInput) -> None:
    action, new = session.transition(role, state, happened)
    if action in (_A.DROP, _A.REFUSE_CALL, _A.DELIVER):
        assert new is state
    if action in (_A.SEND_CDN, _A.ACCEPT_CDN):
        assert new is _C.CLOSED
    assert (action is _A.DELIVER) == (happened is _J.DATA and state is _C.ESTABLISHED)
    lac_only, lns_only = {_C.WAIT_TUNNEL, _C.WAIT_REPLY}, {_C.WAIT_CONNECT}
    foreign = lns_only if role is Role.LAC else lac_only
    if state not in foreign:
        assert new not in foreign
    if happened is _J.LOCAL_CLOSE and state not in foreign:
        assert new is _C.CLOSED
