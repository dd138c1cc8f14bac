"""Draws the pictures of the READMEs: real dials to the practice gateway, recorded as SVG in both languages.

``python -m docs.make_pictures`` needs root for a moment: the gateway listens on UDP 500 and 4500 of a
loopback address, so that the picture shows the ports a reader knows.
"""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from l2tp_doctor.diagnosis import Diagnosis, diagnose
from l2tp_doctor.knowledge import LANGUAGES, Language, profile
from l2tp_doctor.observations import Observation
from l2tp_doctor.practice.packet_filter import DropRule
from l2tp_doctor.practice.server import PracticeGateway, ServerSettings
from l2tp_doctor.practice.settings import PRACTICE_PASSWORD, PRACTICE_PSK, PRACTICE_USER, GatewaySettings
from l2tp_doctor.probes.check import measure
from l2tp_doctor.probes.interface import CheckRequest, Measurement
from l2tp_doctor.protocol.engine import Channel, TraceEvent
from l2tp_doctor.protocol.secret import Secret
from l2tp_doctor.report.drawing import UNICODE
from l2tp_doctor.report.text import TextReport
from l2tp_doctor.report.words import Words

IMAGES = Path(__file__).resolve().parent / "images"
GATEWAY = "127.0.0.2"
IKE_PORT, NAT_T_PORT = 500, 4500
WIDTH = 92
_HUES = [(224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194)]
_COLORS = TerminalTheme(
    (24, 26, 31),
    (220, 223, 228),
    [(40, 44, 52), *_HUES, (220, 223, 228)],
    [(92, 99, 112), *_HUES, (255, 255, 255)],
)
# Rich's own format fetches a font from the network; a picture in a repository should not.
_FORMAT = """\
<svg viewBox="0 0 {terminal_width} {terminal_height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace;
 font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>{lines}</defs>
<rect width="{terminal_width}" height="{terminal_height}" rx="8" fill="#181a1f"/>
<g transform="translate(9, 9)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


class _Nobody:
    """Hears nothing: the picture is drawn afterwards."""

    def on_trace(self, event: TraceEvent) -> None:
        """Ignores it."""

    def on_observation(self, observation: Observation) -> None:
        """Ignores it."""

    def on_experiment(self, name: str, running: bool) -> None:
        """Ignores it."""


async def dial(*, blocked_4500: bool) -> tuple[Measurement, Diagnosis]:
    """Dials a practice gateway on the real ports.

    Raises:
        OSError: the ports may not be opened, or are taken.
    """
    rules = (DropRule(channel=Channel.NAT_T),) if blocked_4500 else ()
    settings = ServerSettings(GatewaySettings(rules=rules), GATEWAY, IKE_PORT, NAT_T_PORT)
    request = CheckRequest(
        host=GATEWAY,
        psk=Secret(PRACTICE_PSK.encode()),
        username=PRACTICE_USER,
        password=Secret(PRACTICE_PASSWORD.encode()),
        nat_t="forced",
        budget=20.0,
    )
    async with PracticeGateway(settings):
        measurement = await measure(request, profile(request.profile), _Nobody())
    return measurement, diagnose(measurement.observations, stage=measurement.stage)


def draw(measurement: Measurement, diagnosis: Diagnosis, language: Language) -> str:
    """Returns the report as SVG."""
    console = Console(
        file=io.StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor"
    )
    ports = {"udp500": IKE_PORT, "udp4500": NAT_T_PORT}
    report = TextReport(measurement, diagnosis, Words(language), UNICODE, WIDTH, ports)
    for line in report.full(with_ladder=True, with_why=False):
        console.print(line, soft_wrap=True)
    console.print()  # the height that rich reckons is a line short
    svg = console.export_svg(title="l2tp-doctor", theme=_COLORS, code_format=_FORMAT, unique_id="report")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> int:
    """Writes the pictures; returns the exit status."""
    try:
        dials = {name: asyncio.run(dial(blocked_4500=name == "blocked")) for name in ("blocked", "healthy")}
    except OSError as error:
        print(
            f"the gateway cannot listen on {GATEWAY}, UDP {IKE_PORT} and {NAT_T_PORT}: {error}",
            file=sys.stderr,
        )
        return 1
    IMAGES.mkdir(exist_ok=True)
    for name, (measurement, diagnosis) in dials.items():
        for language in LANGUAGES:
            path = IMAGES / f"{name}.{language}.svg"
            path.write_text(draw(measurement, diagnosis, language), encoding="utf-8")
            print(f"wrote docs/images/{path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
