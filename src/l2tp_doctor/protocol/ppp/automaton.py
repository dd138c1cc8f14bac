"""The option negotiation automaton of RFC 1661 §4 as its own table, and nothing else.

:data:`TABLE` is the RFC's table read column by column; what the actions do (packets, timers)
is :mod:`~l2tp_doctor.protocol.ppp.control_protocol`'s business.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class State(enum.IntEnum):
    """States, numbered as in RFC 1661 §4.1."""

    INITIAL = 0
    STARTING = 1
    CLOSED = 2
    STOPPED = 3
    CLOSING = 4
    STOPPING = 5
    REQ_SENT = 6
    ACK_RCVD = 7
    ACK_SENT = 8
    OPENED = 9


class Event(enum.Enum):
    """Events of RFC 1661 §4.3."""

    UP = "Up"
    DOWN = "Down"
    OPEN = "Open"
    CLOSE = "Close"
    TO_PLUS = "TO+"
    TO_MINUS = "TO-"
    RCR_PLUS = "RCR+"
    RCR_MINUS = "RCR-"
    RCA = "RCA"
    RCN = "RCN"
    RTR = "RTR"
    RTA = "RTA"
    RUC = "RUC"
    RXJ_PLUS = "RXJ+"
    RXJ_MINUS = "RXJ-"
    RXR = "RXR"


class Action(enum.Enum):
    """Actions of RFC 1661 §4.4."""

    TLU = "tlu"
    TLD = "tld"
    TLS = "tls"
    TLF = "tlf"
    IRC = "irc"
    ZRC = "zrc"
    SCR = "scr"
    SCA = "sca"
    SCN = "scn"
    STR = "str"
    STA = "sta"
    SCJ = "scj"
    SER = "ser"


@dataclass(frozen=True, slots=True)
class Transition:
    """What one cell of the table says."""

    actions: tuple[Action, ...]
    state: State


# RFC 1661 §4.1, one row per event, columns 0 to 9.  "-" is an illegal transition.
# Options left out on purpose: "r" restart, "p" passive, "x" crossed connection need no extra row.
_ROWS: Mapping[Event, str] = {
    Event.UP: "2 irc,scr/6 - - - - - - - -",
    Event.DOWN: "- - 0 tls/1 0 1 1 1 1 tld/1",
    Event.OPEN: "tls/1 1 irc,scr/6 3 5 5 6 7 8 9",
    Event.CLOSE: "0 tlf/0 2 2 4 4 irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4",
    Event.TO_PLUS: "- - - - str/4 str/5 scr/6 scr/6 scr/8 -",
    Event.TO_MINUS: "- - - - tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 -",
    # "it is possible that a Configure-Request ... is received in the Closed state": it is answered by sta.
    Event.RCR_PLUS: "- - sta/2 irc,scr,sca/8 4 5 sca/8 sca,tlu/9 sca/8 tld,scr,sca/8",
    Event.RCR_MINUS: "- - sta/2 irc,scr,scn/6 4 5 scn/6 scn/7 scn/6 tld,scr,scn/6",
    Event.RCA: "- - sta/2 sta/3 4 5 irc/7 scr/6 irc,tlu/9 tld,scr/6",
    Event.RCN: "- - sta/2 sta/3 4 5 irc,scr/6 scr/6 irc,scr/8 tld,scr/6",
    Event.RTR: "- - sta/2 sta/3 sta/4 sta/5 sta/6 sta/6 sta/6 tld,zrc,sta/5",
    Event.RTA: "- - 2 3 tlf/2 tlf/3 6 6 8 tld,scr/6",
    Event.RUC: "- - scj/2 scj/3 scj/4 scj/5 scj/6 scj/7 scj/8 scj/9",
    Event.RXJ_PLUS: "- - 2 3 4 5 6 6 8 9",
    Event.RXJ_MINUS: "- - tlf/2 tlf/3 tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 tld,irc,str/5",
    Event.RXR: "- - 2 3 4 5 6 7 8 ser/9",
}


def _read_cell(cell: str) -> Transition:
    actions, _slash, state = cell.rpartition("/")
    return Transition(
        tuple(Action(name) for name in actions.split(",") if name),
        State(int(state)),
    )


TABLE: Mapping[tuple[State, Event], Transition] = {
    (State(column), event): _read_cell(cell)
    for event, row in _ROWS.items()
    for column, cell in enumerate(row.split())
    if cell != "-"
}
"""Every legal transition; a pair that is missing cannot happen or is a mistake of the caller."""

TIMED_STATES = frozenset({State.CLOSING, State.STOPPING, State.REQ_SENT, State.ACK_RCVD, State.ACK_SENT})
"""States in which the Restart timer runs (RFC 1661 §4.2)."""
