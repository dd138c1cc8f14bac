"""When a silence is believed: how often something must be asked in vain before chance is no explanation.

Let ``q`` be the share of questions that bring no answer because one of the two packets is lost (20 % loss
each way: ``q = 1 - 0.8² = 0.36``).  ``n`` transmissions are all lost by chance with probability ``qⁿ``; they
suffice once that is below :data:`CHANCE`, so ``n = ln CHANCE / ln q``.

``q`` is estimated from what was answered: ``(lost + a) / (sent + a + b)``, the mean of a Beta distribution
whose prior, :data:`PRIOR_LOST` and :data:`PRIOR_ANSWERED`, is pessimistic on purpose.  Of a path on which
nothing was ever heard 0.7 is believed (45 % loss each way), so that 20 transmissions are needed; after one
answer without a repetition 10, after two 7, after four 5.  Each lost one raises that again: two of six lost
need 9.

A message in fragments arrives when all of them do: ``k`` of them in one direction and a single packet
in the other make ``q`` into ``1 - (1 - q)^((k + 1) / 2)``.
"""

from __future__ import annotations

import math

CHANCE = 1e-3
"""A silence this unlikely to be loss is silence."""
PRIOR_LOST = 1.5
PRIOR_ANSWERED = 0.65

POOR = 1.0 - 0.7**2
HOPELESS = 1.0 - 0.35**2
"""Shares of questions without an answer: see :func:`hopelessness`."""

# Beyond this no number of questions says anything in the time a diagnosis has.
_NEARLY_ALL = 0.98
_LARGEST_PACKET = 1472
"""Octets of a UDP payload that fit one Ethernet frame (1500 - 20 - 8)."""


def failure_rate(answered: int, sent: int) -> float:
    """Returns the believed share of questions without an answer, between 0 and 1.

    Args:
        answered: questions answered in the end.
        sent: transmissions those answers took, the repetitions included.
    """
    lost = max(0, sent - answered)
    return (lost + PRIOR_LOST) / (max(sent, answered) + PRIOR_LOST + PRIOR_ANSWERED)


def transmissions_needed(rate: float, *, out: int = 1, back: int = 1) -> int:
    """Returns how many transmissions without an answer are no chance.

    Args:
        rate: see :func:`failure_rate`.
        out: packets a question takes, fragments counted.
        back: packets its answer would take.
    """
    passing = (1.0 - min(max(rate, 0.0), _NEARLY_ALL)) ** ((out + back) / 2)
    failing = 1.0 - passing
    if failing <= CHANCE:
        return 1
    return math.ceil(math.log(CHANCE) / math.log(failing))


def hopelessness(answered: int, sent: int) -> float:
    """Returns the natural logarithm of how much likelier a hopeless path makes this than a poor one.

    The poor path loses 30 % each way, and a VPN comes up over it; the hopeless one 65 %.

    Args:
        answered: questions answered.
        sent: all transmissions, those of questions without an answer included.
    """
    lost = max(0, sent - answered)
    return answered * math.log((1.0 - HOPELESS) / (1.0 - POOR)) + lost * math.log(HOPELESS / POOR)


def packets_of(size: int) -> int:
    """Returns how many IP packets a UDP payload of that many octets takes."""
    return max(1, -(-size // _LARGEST_PACKET))
