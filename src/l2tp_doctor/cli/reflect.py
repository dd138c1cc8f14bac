"""``reflect``: the group of ``reflect serve`` and ``reflect test``, and what both share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedGroup, no_color_option
from l2tp_doctor.cli.problems import UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.protocol.secret import Secret
    from l2tp_doctor.report.words import Words


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


class _Verbs(LocalizedGroup):
    """A group below the root: its verbs' texts begin with its own name."""

    def sections(self, ctx: click.Context, words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
        """Returns the list of verbs and the options."""
        rows = [(name, words(f"{self.name}.{name}.help")) for name in self.modules]
        options = [
            (", ".join(option.opts), words(option.help))
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and option.help and not option.hidden
        ]
        return [(words("help.commands"), rows), (words("help.options"), options)]


@click.pass_context
def _without_verb(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        raise UsageProblemError("reflect.no_verb")


command = _Verbs(
    name="reflect",
    help="reflect.help",
    modules={"serve": "l2tp_doctor.cli.reflect_serve", "test": "l2tp_doctor.cli.reflect_test"},
    callback=_without_verb,
    invoke_without_command=True,
    params=[no_color_option()],
)
"""The ``reflect`` group."""
