"""``lint``: finds an article's pitfalls in scripts, plans and articles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from l2tp_doctor.cli.frame import LocalizedCommand, OneOf, no_color_option, session, write_line
from l2tp_doctor.cli.problems import Exit, UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.lint import Finding

_LANGUAGES = ("powershell", "cmd", "sh", "markdown", "yaml", "json", "reg")
_SEVERITIES = ("error", "warning", "note")
_STANDARD_INPUT = "-"


class _Run:
    """One run: files in, findings and what could not be read out."""

    def __init__(self, language: str | None) -> None:
        self.findings: list[Finding] = []
        self.unreadable: list[tuple[str, str]] = []
        self.files = 0
        self.partial = False
        self._language = language

    def add(self, name: str) -> None:
        """Looks at one file, one folder or standard input."""
        if name == _STANDARD_INPUT:
            if self._language is None:
                raise UsageProblemError("lint.stdin_language", choices=", ".join(_LANGUAGES))
            self._lint(sys.stdin.buffer.read(), self._language, name)
            return
        path = Path(name)
        try:
            if path.is_dir():
                self._folder(path)
            else:
                self._file(path)
        except OSError as error:
            self._failed(name, error)

    def _folder(self, folder: Path) -> None:
        from l2tp_doctor.lint import language_of

        found = [path for path in sorted(folder.rglob("*")) if language_of(path.name) and path.is_file()]
        hidden = ("node_modules", "__pycache__")
        shown = [
            path
            for path in found
            if not any(part.startswith(".") or part in hidden for part in path.relative_to(folder).parts[:-1])
        ]
        if not shown:
            self._note("lint.no_files", path=folder)
        for path in shown:
            try:
                self._file(path)
            except OSError as error:
                self._failed(str(path), error)

    def _file(self, path: Path) -> None:
        from l2tp_doctor.lint import language_of

        language = self._language or language_of(path.name)
        content = path.read_bytes()
        if language is None and content.startswith(b"#!") and b"sh" in content.split(b"\n", 1)[0]:
            language = "sh"
        if language is None:
            text = session().words("lint.no_language", path=path, choices="|".join(_LANGUAGES))
            self.unreadable.append((str(path), text))
            write_line(session().words("error.prefix", message=text))
            return
        self._lint(content, language, str(path))

    def _lint(self, content: bytes, language: str, name: str) -> None:
        from l2tp_doctor.lint import decode, lint_text

        self.files += 1
        found = lint_text(decode(content), language, name)
        self.findings += found
        # An article shows pieces of commands; a script that cannot be parsed was not looked at as a whole.
        if language != "markdown" and any(finding.rule == "syntax" for finding in found):
            self.partial = True

    def _failed(self, name: str, error: OSError) -> None:
        why = error.strerror or type(error).__name__
        self.unreadable.append((name, why))
        message = session().words("lint.unreadable", path=name, reason=why)
        write_line(session().words("error.prefix", message=message))

    def _note(self, key: str, **values: object) -> None:
        write_line(session().words("note.prefix", message=session().words(key, **values)))

    def exit_code(self, shown: list[Finding]) -> Exit:
        """Returns the code: what could not be read first, then findings, then what could not be parsed."""
        if self.unreadable:
            return Exit.USAGE
        if any(finding.severity != "note" for finding in shown):
            return Exit.FAULTY
        if self.partial:
            return Exit.UNDETERMINED
        return Exit.HEALTHY


def _lint(files: tuple[str, ...], form: str, min_severity: str, language: str | None) -> int:
    if not files:
        raise UsageProblemError("lint.no_arguments")
    run = _Run(language)
    for name in files:
        run.add(name)
    limit = _SEVERITIES.index(min_severity)
    shown = [finding for finding in run.findings if _SEVERITIES.index(finding.severity) <= limit]
    _show(run, shown, form)
    return run.exit_code(shown)


def _show(run: _Run, shown: list[Finding], form: str) -> None:
    current = session()
    if form == "text":
        from rich.console import Console

        from l2tp_doctor.report.drawing import glyphs_for
        from l2tp_doctor.report.lint import render

        console = Console(file=sys.stdout, no_color=None if current.color else True, highlight=False)
        glyphs = glyphs_for(console.encoding)
        for line in render(shown, run.files, current.words, glyphs, console.width):
            console.print(line, soft_wrap=True)
        return
    import json

    from l2tp_doctor.lint import output

    if form == "json":
        printed = output.as_json(shown, run.files, run.unreadable, current.language)
    else:
        printed = output.as_sarif(shown, run.unreadable, current.language)
    click.echo(json.dumps(printed, ensure_ascii=False, indent=2))


command = LocalizedCommand(
    name="lint",
    help="lint.help",
    callback=_lint,
    params=[
        click.Argument(["files"], nargs=-1, metavar="FILE…"),
        click.Option(
            ["--format", "form"],
            type=OneOf(("text", "json", "sarif")),
            default="text",
            help="lint.help.format",
        ),
        click.Option(
            ["--min-severity"], type=OneOf(_SEVERITIES), default="note", help="lint.help.min_severity"
        ),
        click.Option(["--language"], type=OneOf(_LANGUAGES), help="lint.help.language"),
        no_color_option(),
    ],
)
"""The ``lint`` command."""
