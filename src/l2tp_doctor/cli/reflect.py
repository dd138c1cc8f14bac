"""``reflect``: the group of ``reflect serve`` and ``reflect test``, and what both share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedVerbs, no_color_option
from l2tp_doctor.cli.problems import UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.protocol.secret import Secret


def read_token(path: str) -> Secret:
    """Returns the token both ends share, without the white space around it.

    Raises:
        UsageProblemError: the file cannot be read, or the token is too short to be safe.
    """
    from l2tp_doctor.cli.secrets import Sources, read_text
    from l2tp_doctor.protocol.reflect.wire import MIN_TOKEN
    from l2tp_doctor.protocol.secret import Secret

    # Both ends strip alike, so there is nothing to remark about.
    text = read_text(Sources("token", file=path), lambda _key, _values: None) or ""
    token = text.strip().encode()
    if len(token) < MIN_TOKEN:
        raise UsageProblemError("reflect.token_short", path=Path(path), least=MIN_TOKEN)
    return Secret(token)


@click.pass_context
def _without_verb(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        raise UsageProblemError("reflect.no_verb")


command = LocalizedVerbs(
    name="reflect",
    help="reflect.help",
    modules={"serve": "l2tp_doctor.cli.reflect_serve", "test": "l2tp_doctor.cli.reflect_test"},
    callback=_without_verb,
    invoke_without_command=True,
    params=[no_color_option()],
)
"""The ``reflect`` group."""
