"""Whether a dial that failed is worth another: only where loss, and no refusal, may explain its end."""

from __future__ import annotations

from collections import Counter

from l2tp_doctor.knowledge.profile import AUTH_PSK
from l2tp_doctor.probes import offers
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.unanswered import Unanswered

# A dial over a path that has shown loss is tried again before silence is believed.
MAX_DIALS = 5
# Seconds of the budget another dial needs to say more than the one before it: over a path that loses a fifth
# of everything each way nearly all dials are over by then.
DIAL_TIME = 20.0
# Seconds after which no further dial begins: somebody waits for the answer.  A lossy one that came as far as
# PPP took its time for getting there, and SoftEther's PPP does not come back from some losses.
LAST_DIAL = 15.0
LAST_DIAL_AFTER_PPP = 30.0
# Endings that need no second dial to be believed.
REFUSALS = (
    "ike.notify.clear",
    "ike.notify.encrypted",
    "ike.main.undecryptable_reply",
    "ike.main.hash_valid",
    "ike.main.needs_psk",
    "ike.main.needs_certificate",
    "l2tp.stopccn",
    "l2tp.cdn",
    "ppp.auth.needs_credentials",
)
IPCP_REFUSALS = ("address-refused", "protocol-rejected")
# An experiment's dial whose ESP travels the other way than the dial's own was answered.
OTHER_WAY = ("experiment.esp_udp.received", "experiment.esp_native.received")


class Redial:
    """What the dials so far have shown, seen with that question.

    Attributes:
        believed: how many dials were given up because the silence of a request was believed, by the request.
        acknowledged: how many dials ended with an L2TP request acknowledged and not answered.
        left: how many dials may follow the present one.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self.believed: Counter[str] = Counter()
        self.acknowledged = 0
        self.left = 0

    def better_from_the_start(self, asked: Unanswered, patience: float) -> bool:
        """Whether a lossy path has to be asked from the start: Libreswan does not repeat its message 6.

        Args:
            asked: the question under way.
            patience: seconds it is waited for.
        """
        run = self._run
        return (
            asked.what == Step.MAIN_5.value
            and run.loses_packets
            and not run.holds("experiment.main_4500.reply", False)
            and run.now - asked.first_sent >= patience
            and self.left > 0
            and run.now <= LAST_DIAL
        )

    def worth_another_dial(self) -> bool:
        """Only an ending that loss may explain is worth asking again."""
        holds = self._run.holds
        came_far = self._run.loses_packets and holds("ppp.lcp.opened", True)
        latest = LAST_DIAL_AFTER_PPP if came_far else LAST_DIAL
        if self._run.now > latest or self._proven() or self._port_is_silent():
            return False
        # Before a first answer an experiment has to show that the port answers at all.
        # SoftEther repeats message 4 only every two seconds: where that is lost, a new dial gets on.
        early = holds("ike.main.reply_2", False) or holds("ike.main.reply_4", False)
        first_messages_lost = early and (
            holds("experiment.main_500.reply", True) or holds("experiment.small.reply", True)
        )
        enough_time = self._run.deadline >= DIAL_TIME
        # Nothing runs beside Quick Mode that would show loss, and gateways say what they do not like.
        silent_once = (
            self.believed[Step.QUICK_1.value] == 1 or self.acknowledged == 1 or self._key_doubted_once()
        )
        lost = self._run.loses_packets or first_messages_lost or silent_once
        return enough_time and lost and not self._said_why()

    def _key_doubted_once(self) -> bool:
        """Whether all that speaks against our key is that one dial's message 5 met silence.

        SoftEther repeats its message 6 only every two seconds: where both are lost, it is as silent as with
        another key.
        """
        holds = self._run.holds
        floated = holds("nat_t.floated", True)
        port_answers = "experiment.main_4500.reply" if floated else "experiment.echo_500.reply"
        return (
            offers.authentication_for(self._run.request) == AUTH_PSK
            and self.believed[Step.MAIN_5.value] == 1
            and holds(port_answers, True)
        )

    def _port_is_silent(self) -> bool:
        """Whether two dials and an experiment met silence on UDP 4500: a third would, too."""
        return self.believed[Step.MAIN_5.value] > 1 and self._run.holds("experiment.main_4500.reply", False)

    def _proven(self) -> bool:
        """Whether chance was ruled out for the very message that stayed unanswered.

        Not for those in the middle of Main Mode: a gateway that repeats its answers only in its own time, as
        SoftEther does, stays silent when one of them is lost.  For L2TP on a path that has shown loss it
        takes two dials: Quick Mode 3 may have been lost, and the experiment's dial may have taken the first
        one's place on the gateway.
        """
        if self.believed["main-1"]:
            return True
        return self.believed["SCCRQ"] > (1 if self._run.lossy else 0)

    def swept_away(self) -> bool:
        """Whether the gateway deleted a brand-new SA without a word of reason.

        SoftEther forgets a client by its address and port: what an earlier, broken dial left behind there
        takes a new one along when its time is up, some ten seconds later.
        """
        holds = self._run.holds
        log = self._run.log
        return (
            holds("ike.quick.established", True)
            and log.latest("ike.delete") is not None
            and log.latest("ike.notify.encrypted") is None
            and log.latest("l2tp.sccrp") is None
            # Libreswan does so when an experiment's dial goes, which has told what there is to know.
            and not any(holds(name, True) for name in OTHER_WAY)
        )

    def only_other_ports_answered(self) -> bool:
        """Whether the dial's own source port is what stays silent: a second dial shows that it is no loss."""
        holds = self._run.holds
        return holds("experiment.source_500.reply", False) and holds("experiment.source_other.reply", True)

    def only_one_port_answered(self) -> bool:
        """Whether UDP 500 looks blocked and ping as well: a row of pings tells that from a lossy path."""
        holds = self._run.holds
        return (
            holds("ike.main.reply_2", False)
            and holds("experiment.main_500.reply", False)
            and holds("experiment.main_4500.reply", True)
            and holds("host.ping_reply", False)
        )

    def _said_why(self) -> bool:
        """Whether the gateway refused in words, or a credential is missing: another dial ends the same."""
        holds = self._run.holds
        failed = self._run.log.latest("ppp.auth.result")
        certificate = self._run.log.latest("certificate.problem")
        address = self._run.log.latest("ppp.ipcp.rejected")
        # SoftEther asks for EAP first and takes MS-CHAPv2 too: only without agreement is a refusal the end.
        no_agreement = (
            self._run.log.latest("ppp.auth.refused") is not None
            and self._run.log.latest("ppp.auth.protocol") is None
        )
        return (
            no_agreement
            or any(self._run.log.latest(name) is not None for name in REFUSALS)
            or (failed is not None and failed.value == "failure")
            or (address is not None and address.value in IPCP_REFUSALS)
            or (certificate is not None and certificate.value is not None)
            # Where packets are lost, a call that comes up beside one that did not is chance.
            or (holds("experiment.l2tp_ephemeral.lcp", True) and not self._run.loses_packets)
        )
