"""Draws the state machines of ``l2tp_doctor.protocol`` as Mermaid, from the tables that run them.

``python -m docs.make_all`` writes the result to ``docs/states.md``.
"""

from __future__ import annotations

import ast
import enum
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from l2tp_doctor.protocol.ikev1 import initiator, responder
from l2tp_doctor.protocol.l2tp import session, tunnel
from l2tp_doctor.protocol.l2tp.config import Role
from l2tp_doctor.protocol.ppp import automaton, phases

_HEAD = """\
# State machines

Written by `make docs` from the tables in `src/l2tp_doctor/protocol/`; do not edit.

A pair of state and input that is not drawn changes nothing: what arrives is dropped and recorded as
unexpected.

In the IKEv1 machines the handler of an input chooses the next state.  Their diagrams show every state that a
handler can choose; one handler serves several states, so an arrow may be one that it never takes from there.
"""


class Edge(NamedTuple):
    """One arrow: from a state, by an input, to a state."""

    source: str
    label: str
    target: str


def next_states(handler: Callable[..., Any], states: type[enum.Enum]) -> set[str]:
    """Returns the names of the states that a handler's ``return`` statements name.

    ``self.state`` stands for "no change" and gives ``"="``.  A returned call of another method of the
    same class is followed.
    """
    owner = _owner(handler)
    found: set[str] = set()
    seen: set[str] = set()
    pending = [handler.__name__]
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        tree = ast.parse(textwrap.dedent(inspect.getsource(getattr(owner, name))))
        for node in ast.walk(tree):
            if isinstance(node, ast.Return) and node.value is not None:
                _read_value(node.value, states, found, pending)
    return found


def _owner(handler: Callable[..., Any]) -> type:
    module = inspect.getmodule(handler)
    owner = getattr(module, handler.__qualname__.split(".")[0])
    if not isinstance(owner, type):
        raise TypeError(f"{handler.__qualname__} is not a method")
    return owner


def _read_value(value: ast.expr, states: type[enum.Enum], found: set[str], pending: list[str]) -> None:
    if isinstance(value, ast.IfExp):
        _read_value(value.body, states, found, pending)
        _read_value(value.orelse, states, found, pending)
    elif isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
        if value.value.id == "State":
            found.add(str(states[value.attr].value))
        elif value.attr == "state":
            found.add("=")
    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        pending.append(value.func.attr)


def ike_edges(table: Mapping[tuple[Any, Any], Callable[..., Any]], states: type[enum.Enum]) -> list[Edge]:
    """Returns the arrows of an IKE table, whose handlers return the next state."""
    return [
        Edge(str(state.value), str(happened.value), target)
        for (state, happened), handler in table.items()
        for target in sorted(next_states(handler, states) - {"=", state.value})
    ]


def l2tp_edges(table: Mapping[tuple[Any, Any], tuple[Any, Any]]) -> list[Edge]:
    """Returns the arrows of an L2TP table; rows that stay where they are only answer, and are left out."""
    return [
        Edge(str(state.value), f"{happened.value} / {action.value}", str(target.value))
        for (state, happened), (action, target) in table.items()
        if target is not state
    ]


def diagram(title: str, source: str, edges: Iterable[Edge], first: str) -> str:
    """Returns one section with a Mermaid state diagram; arrows between the same states share a label."""
    joined: dict[tuple[str, str], list[str]] = defaultdict(list)
    for edge in edges:
        joined[edge.source, edge.target].append(edge.label)
    names = sorted({first, *(name for pair in joined for name in pair)})
    lines = [f"## {title}", "", f"`{source}`", "", "```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{name}" as {_identifier(name)}' for name in names]
    lines.append(f"    [*] --> {_identifier(first)}")
    for (origin, target), labels in joined.items():
        text = "<br>".join(dict.fromkeys(label.replace(":", " –") for label in labels))
        lines.append(f"    {_identifier(origin)} --> {_identifier(target)}: {text}")
    return "\n".join([*lines, "```", ""])


def _identifier(name: str) -> str:
    return name.replace("-", "_").replace(" ", "_")


def automaton_table() -> str:
    """Returns RFC 1661 §4.1 as the table that the PPP control protocols run."""
    states = list(automaton.State)
    lines = [
        "## PPP option negotiation automaton",
        "",
        "`src/l2tp_doctor/protocol/ppp/automaton.py` (RFC 1661 §4.1; LCP, IPCP, IPV6CP and CCP each run one)",
        "",
        "| event | " + " | ".join(f"{state.value} {state.name.title()}" for state in states) + " |",
        "|---" * (len(states) + 1) + "|",
    ]
    for event in automaton.Event:
        cells = []
        for state in states:
            cell = automaton.TABLE.get((state, event))
            if cell is None:
                cells.append("–")
            else:
                actions = ",".join(action.value for action in cell.actions)
                cells.append(f"{actions}/{cell.state.value}" if actions else str(cell.state.value))
        lines.append(f"| {event.value} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def render() -> str:
    """Returns the whole document."""
    phase_edges = [
        Edge(str(state.value), str(happened.value), str(target.value))
        for (state, happened), target in phases.PHASES.items()
    ]
    parts = [
        _HEAD,
        diagram(
            "IKEv1 initiator",
            "src/l2tp_doctor/protocol/ikev1/initiator.py",
            ike_edges(initiator.TABLE, initiator.State),
            initiator.State.IDLE.value,
        ),
        diagram(
            "IKEv1 responder (practice gateway)",
            "src/l2tp_doctor/protocol/ikev1/responder.py",
            ike_edges(responder.TABLE, responder.State),
            responder.State.IDLE.value,
        ),
        diagram(
            "L2TP control connection",
            "src/l2tp_doctor/protocol/l2tp/tunnel.py",
            l2tp_edges(tunnel.TRANSITIONS),
            tunnel.TunnelState.IDLE.value,
        ),
        diagram(
            "L2TP session, LAC (the dialling side)",
            "src/l2tp_doctor/protocol/l2tp/session.py",
            l2tp_edges(session.TRANSITIONS[Role.LAC]),
            session.SessionState.IDLE.value,
        ),
        diagram(
            "L2TP session, LNS (the gateway)",
            "src/l2tp_doctor/protocol/l2tp/session.py",
            l2tp_edges(session.TRANSITIONS[Role.LNS]),
            session.SessionState.IDLE.value,
        ),
        diagram(
            "PPP phases",
            "src/l2tp_doctor/protocol/ppp/phases.py",
            phase_edges,
            phases.Phase.DEAD.value,
        ),
        automaton_table(),
    ]
    return "\n".join(parts)
