"""The list of commands."""

from __future__ import annotations

from l2tp_doctor.cli.frame import LocalizedGroup, no_color_option, version_option

root = LocalizedGroup(
    name="l2tp-doctor",
    help="help.root",
    modules={
        "check": "l2tp_doctor.cli.check",
        "guide": "l2tp_doctor.cli.guide",
        "lint": "l2tp_doctor.cli.lint",
        "demo": "l2tp_doctor.cli.demo",
        "practice": "l2tp_doctor.cli.practice",
        "reflect": "l2tp_doctor.cli.reflect",
    },
    params=[version_option(), no_color_option()],
    context_settings={"max_content_width": 100},
)
"""The group that :func:`l2tp_doctor.cli.main.run` starts."""
