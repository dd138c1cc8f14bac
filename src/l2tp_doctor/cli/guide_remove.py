"""``guide remove``: takes imported articles out again."""

from __future__ import annotations

import click

from l2tp_doctor.cli.frame import LocalizedCommand, no_color_option, session, write_line
from l2tp_doctor.cli.guide import open_library
from l2tp_doctor.cli.problems import Exit


def _remove(ids: tuple[str, ...]) -> int:
    from sqlalchemy.exc import DatabaseError

    words = session().words
    missing = 0
    with open_library(writing=True) as library:
        for case_id in ids:
            try:
                removed = library.remove(case_id)
            except DatabaseError as error:
                write_line(words("error.prefix", message=words("guide.import.failed", reason=error.orig)))
                return Exit.UNDETERMINED
            if removed:
                click.echo(words("guide.remove.done", id=case_id))
            else:
                missing += 1
                message = words("guide.remove.absent", id=case_id)
                write_line(words("error.prefix", message=message))
    return Exit.FAULTY if missing else Exit.HEALTHY


command = LocalizedCommand(
    name="guide.remove",
    help="guide.remove.help",
    callback=_remove,
    params=[click.Argument(["ids"], nargs=-1, required=True), no_color_option()],
)
"""The ``guide remove`` command."""
