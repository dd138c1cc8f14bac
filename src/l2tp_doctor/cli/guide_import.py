"""``guide import``: an organisation's own articles."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedCommand, no_color_option, session, write_line
from l2tp_doctor.cli.guide import open_library
from l2tp_doctor.cli.problems import Exit, UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.guide.importer import Outcome
    from l2tp_doctor.report.words import Words

# The longest path that systems take.
_MAX_PATH = 4096


def _import(paths: tuple[Path, ...]) -> int:
    from sqlalchemy.exc import DatabaseError

    from l2tp_doctor.guide.importer import MAX_FILES, TooManyFilesError, article_files, import_articles

    # Thousands of parsed texts are no circles: looking for some all the time takes a tenth of the import.
    gc.set_threshold(200_000, 20, 20)
    words = session().words
    for path in paths:
        if not path.exists():
            raise UsageProblemError("guide.import.absent", path=path)
    try:
        files = list(article_files(paths))
    except TooManyFilesError as error:
        raise UsageProblemError("guide.import.too_many", path=error, limit=MAX_FILES) from None
    if not files:
        raise UsageProblemError("guide.import.empty", path=paths[0])
    stored = refused = 0
    with open_library(writing=True) as library:
        try:
            for outcome in import_articles(library, files):
                stored += not outcome.problems
                refused += bool(outcome.problems)
                _report(outcome, words)
        except DatabaseError as error:
            write_line(words("error.prefix", message=words("guide.import.failed", reason=error.orig)))
            return Exit.UNDETERMINED
    click.echo(words("guide.import.done", stored=stored, refused=refused))
    return Exit.FAULTY if refused else Exit.HEALTHY


def _report(outcome: Outcome, words: Words) -> None:
    """One line a mistake, in the form editors jump to."""
    from l2tp_doctor.report.printable import printable

    path = printable(str(outcome.path), limit=_MAX_PATH)
    for problem in outcome.problems:
        place = f"{path}:{problem.line}" if problem.line else path
        write_line(f"{place}: {printable(words.pick(problem.text), limit=500)}")


command = LocalizedCommand(
    name="guide.import",
    help="guide.import.help",
    callback=_import,
    params=[
        click.Argument(["paths"], nargs=-1, required=True, type=click.Path(path_type=Path)),
        no_color_option(),
    ],
)
"""The ``guide import`` command."""
