"""The whole state × event product against the table as RFC 1661 §4.1 prints it."""

from __future__ import annotations

import pytest

from l2tp_doctor.protocol.ppp.automaton import TABLE, TIMED_STATES, Action, Event, State

# RFC 1661 §4.1, both halves as printed (letters r, p, x are the RFC's footnotes).
LEFT = """
 Up   |    2     irc,scr/6     -         -         -         -
 Down |    -         -         0       tls/1       0         1
 Open |  tls/1       1     irc,scr/6     3r        5r        5r
 Close|    0       tlf/0       2         2         4         4
  TO+ |    -         -         -         -       str/4     str/5
  TO- |    -         -         -         -       tlf/2     tlf/3
 RCR+ |    -         -       sta/2 irc,scr,sca/8   4         5
 RCR- |    -         -       sta/2 irc,scr,scn/6   4         5
 RCA  |    -         -       sta/2     sta/3       4         5
 RCN  |    -         -       sta/2     sta/3       4         5
 RTR  |    -         -       sta/2     sta/3     sta/4     sta/5
 RTA  |    -         -         2         3       tlf/2     tlf/3
 RUC  |    -         -       scj/2     scj/3     scj/4     scj/5
 RXJ+ |    -         -         2         3         4         5
 RXJ- |    -         -       tlf/2     tlf/3     tlf/2     tlf/3
 RXR  |    -         -         2         3         4         5
"""
RIGHT = """
 Up   |    -         -         -           -
 Down |    1         1         1         tld/1
 Open |    6         7         8           9r
 Close|irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4
  TO+ |  scr/6     scr/6     scr/8         -
  TO- |  tlf/3p    tlf/3p    tlf/3p        -
 RCR+ |  sca/8   sca,tlu/9   sca/8   tld,scr,sca/8
 RCR- |  scn/6     scn/7     scn/6   tld,scr,scn/6
 RCA  |  irc/7     scr/6x  irc,tlu/9   tld,scr/6x
 RCN  |irc,scr/6   scr/6x  irc,scr/8   tld,scr/6x
 RTR  |  sta/6     sta/6     sta/6   tld,zrc,sta/5
 RTA  |    6         6         8       tld,scr/6
 RUC  |  scj/6     scj/7     scj/8       scj/9
 RXJ+ |    6         6         8           9
 RXJ- |  tlf/3     tlf/3     tlf/3   tld,irc,str/5
 RXR  |    6         7         8         ser/9
"""


def printed() -> dict[tuple[int, str], str]:
    cells: dict[tuple[int, str], str] = {}
    for half, first in ((LEFT, 0), (RIGHT, 6)):
        for line in half.strip().splitlines():
            event, _bar, row = line.partition("|")
            for column, cell in enumerate(row.split()):
                cells[first + column, event.strip()] = cell.rstrip("rpx")
    return cells


PRINTED = printed()


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("state", State)
def test_every_cell_says_what_the_rfc_prints(state: State, event: Event) -> None:
    cell = PRINTED[state.value, event.value]
    transition = TABLE.get((state, event))
    if cell == "-":
        assert transition is None
        return
    assert transition is not None
    actions, _slash, target = cell.rpartition("/")
    assert transition.state == int(target)
    assert [action.value for action in transition.actions] == [name for name in actions.split(",") if name]


def test_the_product_is_complete() -> None:
    assert len(PRINTED) == 10 * 16


def test_opening_layers_leave_no_timer_behind() -> None:
    for transition in TABLE.values():
        if Action.TLU in transition.actions or Action.TLF in transition.actions:
            assert transition.state not in TIMED_STATES
