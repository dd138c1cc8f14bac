"""``demo``: a healthy dial and three faults against a gateway inside this machine."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedCommand, session
from l2tp_doctor.cli.problems import Exit

if TYPE_CHECKING:
    from l2tp_doctor.cli.screen import Screen
    from l2tp_doctor.diagnosis import Diagnosis
    from l2tp_doctor.practice.server import ServerSettings
    from l2tp_doctor.probes.interface import CheckRequest, Measurement
    from l2tp_doctor.report.words import Words

ADDRESS = "127.0.0.1"
_WRONG = b"not-the-right-one"


@dataclass(frozen=True, slots=True)
class Scene:
    """One dial of the demo.

    Attributes:
        id: also the key of its title, ``demo.<id>``.
        expected: the cause to be named, or ``healthy``.
        wrong_psk: the client uses another key than the gateway.
        wrong_password: the client uses another password.
        blocked_4500: nothing passes on UDP 4500.
    """

    id: str
    expected: str
    wrong_psk: bool = False
    wrong_password: bool = False
    blocked_4500: bool = False

    def server(self) -> ServerSettings:
        """Returns the gateway of this scene, on free ports of the loopback interface."""
        from l2tp_doctor.practice.packet_filter import DropRule
        from l2tp_doctor.practice.server import ServerSettings
        from l2tp_doctor.practice.settings import GatewaySettings
        from l2tp_doctor.protocol.engine import Channel

        rules = (DropRule(channel=Channel.NAT_T),) if self.blocked_4500 else ()
        return ServerSettings(GatewaySettings(rules=rules), host=ADDRESS)

    def request(self, ike_port: int, nat_t_port: int) -> CheckRequest:
        """Returns the dial of this scene."""
        from l2tp_doctor.practice.settings import PRACTICE_PASSWORD, PRACTICE_PSK, PRACTICE_USER
        from l2tp_doctor.probes.interface import CheckRequest
        from l2tp_doctor.protocol.secret import Secret

        return CheckRequest(
            host=ADDRESS,
            ike_port=ike_port,
            nat_t_port=nat_t_port,
            psk=Secret(_WRONG if self.wrong_psk else PRACTICE_PSK.encode()),
            username=PRACTICE_USER,
            password=Secret(_WRONG if self.wrong_password else PRACTICE_PASSWORD.encode()),
            nat_t="forced",
            budget=20.0,
        )


SCENES = (
    Scene("healthy", "healthy"),
    Scene("psk-mismatch", "psk-mismatch", wrong_psk=True),
    Scene("udp-4500-blocked", "udp-4500-blocked", blocked_4500=True),
    Scene("wrong-password", "ppp-credentials-rejected", wrong_password=True),
)


def verdict_of(diagnosis: Diagnosis) -> str:
    """Returns the cause named, or the verdict where none is."""
    return diagnosis.causes[0].id if diagnosis.verdict == "faulty" else diagnosis.verdict


async def _play(scene: Scene, screen: Screen, words: Words) -> tuple[Measurement, Diagnosis]:
    from l2tp_doctor.diagnosis import diagnose
    from l2tp_doctor.knowledge import profile
    from l2tp_doctor.practice.server import PracticeGateway
    from l2tp_doctor.probes.check import measure

    async with PracticeGateway(scene.server()) as gateway:
        request = scene.request(gateway.ike_port, gateway.nat_t_port)
        ports = {"udp500": gateway.ike_port, "udp4500": gateway.nat_t_port}
        with screen.progress(ADDRESS, ports) as progress:
            measurement = await measure(request, profile(request.profile), progress)
            diagnosis = diagnose(measurement.observations, stage=measurement.stage)
            progress.finish(connected=diagnosis.verdict == "healthy")
    # What a verdict needs to be understood; the long tail of a real check is left out.
    screen.report(replace(measurement, observations=()), replace(diagnosis, warnings=()), ports)
    return measurement, diagnosis


def _demo() -> int:
    words = session().words
    from l2tp_doctor.cli.loop import run
    from l2tp_doctor.cli.screen import Screen

    screen = Screen(words, color=session().color)
    begin = time.monotonic()
    good = 0
    for number, scene in enumerate(SCENES, 1):
        title = words("demo.title", number=number, count=len(SCENES), what=words(f"demo.{scene.id}"))
        click.secho(f"\n=== {title} ===", bold=session().color or None)
        measurement, diagnosis = run(_play(scene, screen, words))
        if measurement.interrupted:
            return Exit.INTERRUPTED
        got = verdict_of(diagnosis)
        good += got == scene.expected
        if got == scene.expected:
            click.echo("\n" + words("demo.as_expected", seconds=f"{measurement.elapsed:.1f}"))
        else:
            click.echo("\n" + words("demo.unexpected", expected=scene.expected, got=got))
    seconds = f"{time.monotonic() - begin:.1f}"
    click.echo("\n" + words("demo.summary", good=good, count=len(SCENES), seconds=seconds))
    return Exit.HEALTHY if good == len(SCENES) else Exit.FAULTY


command = LocalizedCommand(name="demo", help="demo.help", callback=_demo, params=[])
"""The ``demo`` command."""
