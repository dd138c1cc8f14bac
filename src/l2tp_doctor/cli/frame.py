"""What every command shares: language, help in two languages, one-line errors, exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

import click

from l2tp_doctor.cli import language as languages
from l2tp_doctor.cli.problems import Exit, UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.report.words import Words

TRACEBACK_VARIABLE = "L2TP_DOCTOR_TRACEBACK"
_NAME_COLUMN = 30


@dataclass
class Session:
    """One run of the command line.

    Attributes:
        language: of everything said.
        traceback: show the traceback of a bug of ours.
        color: whether colours are wanted at all.
    """

    language: languages.Language
    traceback: bool = False
    color: bool = True

    @property
    def words(self) -> Words:
        """The texts in this session's language."""
        from l2tp_doctor.report.words import Words

        return Words(self.language)


def session() -> Session:
    """Returns the running command's session."""
    found = click.get_current_context().find_root().obj
    if not isinstance(found, Session):
        raise TypeError("the root command was started without a session")
    return found


def say(key: str, **values: object) -> None:
    """Writes one remark on standard error."""
    words = session().words
    write_line(words("note.prefix", message=words(key, **values)))


def write_line(text: str) -> None:
    """Writes exactly one line on standard error."""
    click.echo(" ".join(text.split("\n")), err=True)


# -- options that several commands have ---------------------------------------------------------


class OneOf(click.Choice[str]):
    """A choice whose error is in the user's language."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Returns the value if it is one of the choices."""
        if value not in self.choices:
            raise UsageProblemError("usage.choice", given=value, choices=", ".join(self.choices))
        return str(value)


class Number(click.ParamType[int | float]):
    """A number in a range, whole or not."""

    name = "number"

    def __init__(self, low: int, high: int, *, whole: bool) -> None:
        self.low, self.high, self.whole = low, high, whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """Returns the number."""
        try:
            number = int(value) if self.whole else float(value)
        except ValueError:
            number = float("nan")
        if not self.low <= number <= self.high:
            raise UsageProblemError("usage.range", given=value, low=self.low, high=self.high)
        return number


def _show_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from l2tp_doctor import __version__

        click.echo(f"l2tp-doctor {__version__}")
        ctx.exit(0)


def version_option() -> click.Option:
    """Returns ``--version``."""
    return click.Option(
        ["--version"], is_flag=True, expose_value=False, is_eager=True,
        callback=_show_version, help="help.version",
    )  # fmt: skip


def _language_option() -> click.Option:
    # Its value was read from the whole command line beforehand; here it is only validated.
    return click.Option(["--lang"], type=OneOf(("ja", "en")), expose_value=False, help="help.lang")


def _drop_color(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    found = ctx.find_root().obj
    if value and isinstance(found, Session):
        found.color = False


def no_color_option() -> click.Option:
    """Returns ``--no-color``."""
    return click.Option(
        ["--no-color"], is_flag=True, expose_value=False, callback=_drop_color, help="help.no_color"
    )


# -- help ---------------------------------------------------------------------------------------


def _definition(name: str, text: str, width: int) -> list[str]:
    """Returns one row of a two-column list; a long name gets a line of its own."""
    from rich.cells import cell_len

    from l2tp_doctor.report.wrapping import wrap

    lines = wrap(text, width - _NAME_COLUMN - 2)
    room = _NAME_COLUMN - 2 - cell_len(name)
    head = f"  {name}"
    rows = [head] if room < 2 else [head + " " * room + lines.pop(0)]
    return rows + [" " * _NAME_COLUMN + line for line in lines]


def _option_names(option: click.Option) -> str:
    names = ", ".join(sorted(option.opts, key=len))
    if option.is_flag:
        return names
    if isinstance(option.type, click.Choice):
        return f"{names} {'|'.join(option.type.choices)}"
    return f"{names} {option.metavar or 'VALUE'}"


class _Localized(click.Command):
    """Help whose texts are keys of ``texts/cli.yaml``, laid out for wide characters too."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Returns the parameters, ``--lang`` and ``--help`` last."""
        if not any(param.name == "lang" for param in self.params):
            self.params.append(_language_option())
        return super().get_params(ctx)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Returns ``--help`` with our text."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.help = "help.help"
        return option

    def get_help(self, ctx: click.Context) -> str:
        """Returns the whole help text."""
        from l2tp_doctor.report.wrapping import wrap

        words = session_of(ctx).words
        width = max(50, min(click.formatting.FORCED_WIDTH or _terminal_width(), 100))
        usage = " ".join(self.collect_usage_pieces(ctx))
        lines = [f"{words('help.usage')} {ctx.command_path} {usage}", ""]
        lines += wrap(words(self.help or "help.root"), width)
        example = f"{self.name}.example"
        if example in words:
            lines += ["", *(f"  {line}" for line in words(example).splitlines())]
        for title, rows in self.sections(ctx, words):
            lines += ["", f"{title}:"]
            for name, text in rows:
                lines += _definition(name, text, width)
        own = f"{(self.name or '').partition('.')[0]}.exit_codes.text"
        codes = words(own if own in words else "help.exit_codes.text")
        lines += ["", f"{words('help.exit_codes')}:"]
        lines += [f"  {line}" for line in wrap(codes, width - 2)]
        return "\n".join(lines)

    def sections(self, ctx: click.Context, words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
        """Returns the lists of the help: title, then name and text of each row."""
        arguments, options = [], []
        for param in self.get_params(ctx):
            if isinstance(param, click.Argument):
                name = param.make_metavar(ctx)
                arguments.append((name, words(f"{self.name}.help.{param.name}")))
            elif isinstance(param, click.Option) and not param.hidden and param.help:
                options.append((_option_names(param), words(param.help)))
        found = [(words("help.arguments"), arguments)] if arguments else []
        return [*found, (words("help.options"), options)]


class LocalizedCommand(_Localized):
    """One command; ``help`` of it and its options are text keys."""


class LocalizedGroup(_Localized, click.Group):
    """The root: imports a command's module when that command is used."""

    def __init__(self, *, modules: Mapping[str, str], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.modules = modules

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Returns the names without importing anything."""
        return list(self.modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports and returns one command."""
        if cmd_name not in self.modules:
            return None
        command = import_module(self.modules[cmd_name]).command
        if not isinstance(command, click.Command):
            raise TypeError(f"{self.modules[cmd_name]}.command is no command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the command, or says which there are."""
        if args and args[0] not in self.modules and not args[0].startswith("-"):
            known = ", ".join(self.modules)
            raise UsageProblemError("usage.no_command", name=args[0], known=known)
        return super().resolve_command(ctx, args)

    def sections(self, ctx: click.Context, words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
        """Adds the list of commands."""
        rows = [(name, words(f"{name}.help")) for name in self.modules]
        return [(words("help.commands"), rows), *super().sections(ctx, words)]

    def main(  # type: ignore[override]  # click declares overloads for a flag we always set
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Runs a command line and exits: one line for whatever goes wrong."""
        arguments = list(sys.argv[1:] if args is None else args)
        _tolerate_narrow_encodings()
        current = Session(
            languages.from_arguments(arguments) or languages.from_system(),
            traceback="--verbose" in arguments or bool(os.environ.get(TRACEBACK_VARIABLE)),
        )
        extra.pop("standalone_mode", None)
        if not arguments or all(word.startswith("--lang") or word in ("ja", "en") for word in arguments):
            arguments.append("--help")
        try:
            code = self._run(arguments, prog_name, current, extra)
        except BrokenPipeError:
            _abandon_stdout()
            code = Exit.UNDETERMINED
        except (click.Abort, KeyboardInterrupt):
            code = Exit.INTERRUPTED
        except Exception as error:
            _report_bug(error, current)
            code = Exit.UNDETERMINED
        sys.exit(int(code or 0))

    def _run(
        self, arguments: list[str], prog_name: str | None, current: Session, extra: dict[str, Any]
    ) -> int | None:
        try:
            code: int | None = super().main(arguments, prog_name, standalone_mode=False, obj=current, **extra)
            _flush()
        except (click.ClickException, UsageProblemError) as error:
            words = current.words
            write_line(words("error.prefix", message=_explain(error, words)))
            return Exit.USAGE
        return code


class LocalizedVerbs(LocalizedGroup):
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


def session_of(ctx: click.Context) -> Session:
    """Returns the session of a context that is not the current one yet."""
    found = ctx.find_root().obj
    return found if isinstance(found, Session) else Session(languages.from_system())


def _terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((80, 24)).columns


# -- what went wrong ----------------------------------------------------------------------------


def _explain(error: click.ClickException | UsageProblemError, words: Words) -> str:
    match error:
        case UsageProblemError():
            return words(error.key, **error.values)
        case click.NoSuchOption():
            options = ", ".join(error.possibilities or ())
            key = "usage.no_option_like" if options else "usage.no_option"
            return words(key, name=error.option_name, options=options)
        case click.MissingParameter(param=click.Argument() as param, ctx=click.Context() as ctx):
            name = param.make_metavar(ctx)
            command = ctx.command_path.partition(" ")[2]  # without the name of the program
            return words("usage.missing", name=name, command=command, example="vpn.example.com")
        case click.BadOptionUsage():
            return words("usage.needs_value", name=error.option_name)
        case click.BadParameter(param=click.Parameter() as param):
            return words("usage.bad_value", name=param.opts[0], reason=error.message)
        case click.UsageError() if "unexpected extra argument" in error.message:
            return words("usage.extra")  # without quoting it: it may be a secret without its option
    return words("usage.other", reason=error.message)


def _report_bug(error: Exception, current: Session) -> None:
    """Says that we are at fault.  The error's own text stays out: it may quote what it handled."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "l2tp_doctor" in frame.filename] or list(frames)
    place = "?"
    if ours:
        file = ours[-1].filename.replace("\\", "/").rpartition("l2tp_doctor/")[2]
        place = f"{file}:{ours[-1].lineno}"
    if current.traceback:
        traceback.print_exception(error)
    try:
        line = current.words("error.crash", kind=type(error).__name__, place=place)
    except Exception:  # the texts themselves may be what is broken
        line = f"l2tp-doctor: bug: {type(error).__name__} at {place}"
    write_line(line)


def _tolerate_narrow_encodings() -> None:
    """Makes a character that the terminal's encoding lacks a ``?`` instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _abandon_stdout() -> None:
    """Keeps the interpreter from complaining again at exit about a reader that has gone."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123  # os.devnull is no path on every system
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
