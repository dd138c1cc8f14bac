"""``guide``: the articles, searched, shown, imported and removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedCommand, LocalizedVerbs, no_color_option, session, write_line
from l2tp_doctor.cli.problems import UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.guide.library import Library
    from l2tp_doctor.report.words import Words

_FLAGS = ("--help", "--no-color")


class _Guide(LocalizedVerbs):
    """What is no verb is what to show: ``guide 809``, ``guide --last``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts ``show`` in front of a command line that has no verb."""
        first = _first_word(args)
        asks_for_help = "--help" in args and first not in self.modules
        if first not in self.modules and not asks_for_help:
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def sections(self, ctx: click.Context, words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
        """Shows what ``show`` takes too, since most people ask for nothing else."""
        verbs, *_ = super().sections(ctx, words)
        show = self.get_command(ctx, "show")
        shown = show.sections(ctx, words) if isinstance(show, LocalizedCommand) else []
        return [verbs, *shown]


def _first_word(args: Sequence[str]) -> str:
    """Returns the first word that is none of the options every command has, nor such an option's value."""
    rest = iter(args)
    for word in rest:
        if word == "--lang":
            next(rest, None)
        elif word not in _FLAGS and not word.startswith("--lang="):
            return word
    return ""


def open_library(*, writing: bool = False) -> Library:
    """Opens the user's library; to read, one in memory has to do where it cannot be opened.

    Raises:
        UsageProblemError: it is to be written and cannot be opened.
    """
    from l2tp_doctor.guide.library import Library
    from l2tp_doctor.storage.database import FILE_NAME, UnusableDatabaseError
    from l2tp_doctor.storage.folder import data_folder

    path = data_folder() / FILE_NAME
    try:
        return Library.open(path)
    except (OSError, UnusableDatabaseError) as error:
        reason = getattr(error, "strerror", None) or str(error)
    if writing:
        raise UsageProblemError("guide.library_unusable", path=path, reason=reason)
    return bundled_library(reason)


def bundled_library(reason: str) -> Library:
    """Returns one in memory with the package's own articles, and says why."""
    from l2tp_doctor.guide.library import Library
    from l2tp_doctor.storage.database import FILE_NAME
    from l2tp_doctor.storage.folder import data_folder

    words = session().words
    message = words("guide.library_skipped", path=data_folder() / FILE_NAME, reason=reason)
    write_line(words("note.prefix", message=message))
    return Library.open(None)


command = _Guide(
    name="guide",
    help="guide.help",
    modules={
        "show": "l2tp_doctor.cli.guide_show",
        "import": "l2tp_doctor.cli.guide_import",
        "remove": "l2tp_doctor.cli.guide_remove",
    },
    params=[no_color_option()],
)
"""The ``guide`` group."""
