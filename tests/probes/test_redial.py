"""Which failed dials are dialled again: loss may explain their end, and no refusal does."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from l2tp_doctor.knowledge import profile
from l2tp_doctor.observations import Value
from l2tp_doctor.probes.interface import CheckRequest
from l2tp_doctor.probes.redial import DIAL_TIME, LAST_DIAL, LAST_DIAL_AFTER_PPP, Redial
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.secret import Secret
from tests.probes.common import Listening

NOT_ASKED = (0, 0)
ALL_CAME_BACK = (24, 24)
MANY_LOST = (11, 24)


@dataclass
class Ended:
    """How the dials so far went."""

    seen: dict[str, Value] = field(default_factory=dict)
    lossy: bool = False
    pings: tuple[int, int] = NOT_ASKED
    believed: dict[str, int] = field(default_factory=dict)
    acknowledged: int = 0
    after: float = 6.0
    budget: float = 60.0

    def dialled_again(self) -> bool:
        async def main() -> bool:
            asked = CheckRequest("vpn.example", psk=Secret(b"key"), budget=self.budget)
            now = asyncio.get_running_loop().time()
            run = Run(asked, profile(asked.profile), Listening(), now - self.after)
            run.lossy, run.pings = self.lossy, self.pings
            for name, value in self.seen.items():
                run.observe(name, value, "dial")
            redial = Redial(run)
            redial.believed.update(self.believed)
            redial.acknowledged = self.acknowledged
            return redial.worth_another_dial()

        return asyncio.run(main())


IN_PPP: dict[str, Value] = {"ike.main.reply_2": True, "ike.main.reply_4": True, "l2tp.established": True}
KEY_DOUBTED: dict[str, Value] = {"nat_t.floated": True, "experiment.main_4500.reply": True}


@pytest.mark.parametrize(
    "ended",
    [
        Ended(IN_PPP, lossy=True),
        Ended(IN_PPP, lossy=True, pings=MANY_LOST),
        # Another client behind the NAT would explain it, and loss does as well.
        Ended({**IN_PPP, "experiment.l2tp_ephemeral.lcp": True}, lossy=True, pings=MANY_LOST),
        # A first message that the dial lost and an experiment did not.
        Ended({"ike.main.reply_2": False, "experiment.main_500.reply": True}),
        # One silence to message 5, to Quick Mode 1, or to a call that was acknowledged.
        Ended(KEY_DOUBTED, believed={Step.MAIN_5.value: 1}),
        Ended({"experiment.echo_500.reply": True}, believed={Step.MAIN_5.value: 1}),
        Ended(IN_PPP, believed={Step.QUICK_1.value: 1}),
        Ended(IN_PPP, acknowledged=1),
        # Whoever came as far as PPP over a lossy path took its time for getting there.
        Ended({**IN_PPP, "ppp.lcp.opened": True}, lossy=True, after=LAST_DIAL_AFTER_PPP - 1.0),
    ],
)
def test_loss_may_explain_the_end(ended: Ended) -> None:
    assert ended.dialled_again()


@pytest.mark.parametrize(
    "ended",
    [
        Ended(IN_PPP),
        # All pings came back: what had to be asked twice was late, not lost.
        Ended(IN_PPP, lossy=True, pings=ALL_CAME_BACK),
        Ended({**IN_PPP, "experiment.l2tp_ephemeral.lcp": True}),
        Ended({"ike.main.reply_2": False}),
        # The same silence twice.
        Ended(KEY_DOUBTED, believed={Step.MAIN_5.value: 2}),
        Ended(IN_PPP, believed={Step.QUICK_1.value: 2}),
        Ended(IN_PPP, acknowledged=2),
        # The port itself is silent, so it is not about the key.
        Ended({**KEY_DOUBTED, "experiment.main_4500.reply": False}, believed={Step.MAIN_5.value: 1}),
        # Refusals in words.
        Ended({"ike.notify.clear": "NO_PROPOSAL_CHOSEN"}, lossy=True),
        Ended({**IN_PPP, "l2tp.cdn": "2: no resources"}, lossy=True),
        Ended({**IN_PPP, "ppp.auth.result": "failure"}, lossy=True),
        Ended({**IN_PPP, "ppp.ipcp.rejected": "address-refused"}, lossy=True),
        Ended({**IN_PPP, "ppp.auth.refused": ("eap",)}, lossy=True),
        # Chance was ruled out for message 1.
        Ended({"ike.main.reply_2": False}, lossy=True, believed={Step.MAIN_1.value: 1}),
        # Somebody waits for the answer.
        Ended(IN_PPP, lossy=True, after=LAST_DIAL + 1.0),
        Ended({**IN_PPP, "ppp.lcp.opened": True}, lossy=True, after=LAST_DIAL_AFTER_PPP + 1.0),
        Ended(IN_PPP, lossy=True, after=6.0, budget=6.0 + DIAL_TIME - 1.0),
    ],
)
def test_another_dial_would_say_the_same(ended: Ended) -> None:
    assert not ended.dialled_again()


def test_eap_asked_for_first_is_no_refusal_where_something_else_was_agreed_on() -> None:
    agreed: dict[str, Value] = {**IN_PPP, "ppp.auth.refused": ("eap",), "ppp.auth.protocol": "MS-CHAPv2"}
    assert Ended(agreed, lossy=True).dialled_again()
