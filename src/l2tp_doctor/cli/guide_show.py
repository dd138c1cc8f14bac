"""``guide show``, which is what ``guide`` does without a verb: finds an article and shows it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from l2tp_doctor.cli.files import check_writable, write_atomically
from l2tp_doctor.cli.frame import LocalizedCommand, OneOf, no_color_option, session, write_line
from l2tp_doctor.cli.guide import bundled_library, open_library
from l2tp_doctor.cli.problems import Exit, UsageProblemError

if TYPE_CHECKING:
    from l2tp_doctor.guide.document import Document, Insight
    from l2tp_doctor.guide.library import Found, Library
    from l2tp_doctor.guide.personal import LastCheck
    from l2tp_doctor.report.words import Words

FORMATS = ("text", "md", "html", "json", "pdf")
_MOST_FOUND = 10
# An article that fits less than this share of the best one's score is not worth a mention.
_WORTH_MENTION = 0.4
# Where the second best comes this near, the words do not decide, and the reader does.
_UNDECIDED = 0.7
# RasValidateEntryName refuses the first eight; the others mean something between quotes, or end them.
_NO_NAME_SHOWN = '| > < ? * \\ / : " % ! $ `'
_NO_NAME = frozenset(_NO_NAME_SHOWN.replace(" ", "") + "\u201c\u201d\u201e")
_MAX_PROFILE = 256  # RAS_MaxEntryName


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the command line asks for."""

    words: str
    tag: str | None
    last: bool
    vpn_profile: str | None
    format: str
    output: Path | None
    everything: bool
    pager: bool


def _show(**given: Any) -> int:
    wish = _Wish(
        words=" ".join(given["words"]).strip(),
        tag=given["tag"],
        last=given["last"],
        vpn_profile=_profile_name(given["vpn_profile"]),
        format=given["format"],
        output=given["output"],
        everything=given["all"],
        pager=not given["no_pager"],
    )
    if wish.output is not None:
        check_writable(wish.output)
    elif wish.format == "pdf" and sys.stdout.isatty():
        raise UsageProblemError("guide.pdf_to_terminal")
    from sqlalchemy.exc import DatabaseError

    try:
        with open_library() as library:
            return _find(library, wish)
    except DatabaseError as error:  # a file that is broken further inside than its first page
        with bundled_library(str(error.orig)) as library:
            return _find(library, wish)


def _profile_name(name: str | None) -> str | None:
    """Returns the name if it reads the same between the quotes of every command it will stand in.

    Raises:
        UsageProblemError: Windows allows no such name (RasValidateEntryName), or a shell would read it
            otherwise: PowerShell takes typographic quotes for its own.
    """
    if name is None:
        return None
    plain = name.strip()
    odd = not plain.isprintable() or plain.startswith(".") or _NO_NAME.intersection(plain)
    if odd or not 0 < len(plain) <= _MAX_PROFILE:
        raise UsageProblemError("guide.profile_name", characters=_NO_NAME_SHOWN, limit=_MAX_PROFILE)
    return plain


def _find(library: Library, wish: _Wish) -> int:
    language = session().language
    last = None
    case_id = wish.words.casefold()
    if wish.last:
        from l2tp_doctor.cli.last_check import recall

        last = recall()
    insight = _insight(last, wish, language)
    if _names_entry(case_id):
        entry = _entry(case_id, language, insight)
        if entry is None:
            return _nothing(wish)
        _present(entry, wish)
        return Exit.HEALTHY
    known = library.all(language)
    if last is not None and not case_id:
        from l2tp_doctor.guide.personal import case_for

        case_id = case_for(last, [found.case_id for found in known])
    if not case_id:
        return _list(library.tagged(wish.tag, language) if wish.tag else known, wish)
    found = _matching(library, known, case_id, wish)
    if not found:
        return _nothing(wish)
    undecided = len(found) > 1 and found[1].score > _UNDECIDED * found[0].score
    if (wish.tag and len(found) > 1) or (undecided and wish.format == "text" and wish.output is None):
        return _list(found, wish)
    titles = {item.case_id: item.title for item in known}
    document = _document(library, found[0].case_id, titles, insight)
    _present(document, wish)
    _mention(found[1:], session().words)
    return Exit.HEALTHY


def _insight(last: LastCheck | None, wish: _Wish, language: str) -> Insight:
    from l2tp_doctor.guide.personal import PROFILE, Personal

    names = {PROFILE: wish.vpn_profile} if wish.vpn_profile is not None else {}
    if last is None:
        from l2tp_doctor.guide.document import NoInsight

        return NoInsight(names)
    return Personal(last, language, names)


def _names_entry(name: str) -> bool:
    from l2tp_doctor.knowledge.entries import KINDS

    return name.partition(":")[0] in KINDS and ":" in name and " " not in name


def _entry(name: str, language: str, insight: Insight) -> Document | None:
    """Returns a single check, fix, measure or pitfall, asked for as ``check:services-running``."""
    from l2tp_doctor.guide.document import entry_document
    from l2tp_doctor.knowledge.entries import entry_ids

    kind, _, identifier = name.partition(":")
    if identifier not in entry_ids(kind):
        return None
    return entry_document(kind, identifier, language, insight)


def _matching(library: Library, known: Sequence[Found], case_id: str, wish: _Wish) -> Sequence[Found]:
    """Returns the article of that id, or those that the words fit, the best first."""
    language = session().language
    exact = tuple(found for found in known if found.case_id.casefold() == case_id)
    found = exact or library.search(wish.words, language, _MOST_FOUND)
    if wish.tag:
        tagged = {item.case_id for item in library.tagged(wish.tag, language)}
        found = tuple(item for item in found if item.case_id in tagged)
    return [item for item in found if item.score >= _WORTH_MENTION * found[0].score]


def _document(library: Library, case_id: str, titles: Mapping[str, str], insight: Insight) -> Document:
    from l2tp_doctor.guide.document import build
    from l2tp_doctor.knowledge.articles import parse

    stored = library.text_of(case_id, session().language)
    if stored is None:
        raise LookupError(case_id)  # it was found a moment ago
    articles = parse(stored.text, case_id).articles
    article = next(item for item in articles if item.language == stored.language)
    return build(article, source=stored.source, insight=insight, title_of=titles.get)


# -- showing ------------------------------------------------------------------------------------


def _present(document: Document, wish: _Wish) -> None:
    words = session().words
    if wish.format == "text" and wish.output is None:
        _to_terminal(document, wish, words)
        return
    content = _content(document, wish, words)
    if wish.output is None:
        click.echo(content, nl=False)
        return
    try:
        write_atomically(wish.output, content)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageProblemError("error.output", path=wish.output, reason=reason) from None
    write_line(words("guide.saved", path=wish.output))


def _content(document: Document, wish: _Wish, words: Words) -> bytes:
    match wish.format:
        case "md":
            from l2tp_doctor.report.article.markdown import markdown

            return markdown(document, words).encode()
        case "html":
            from l2tp_doctor.report.article.html import html

            return html(document, words).encode()
        case "pdf":
            from l2tp_doctor.report.article.pdf import pdf

            return pdf(document, words, everything=wish.everything)
        case "json":
            from msgspec import json

            return json.format(json.encode(document), indent=2) + b"\n"
    return _plain(document, wish, words, width=100, color=False).encode()


def _plain(document: Document, wish: _Wish, words: Words, *, width: int, color: bool) -> str:
    import io

    from rich.console import Console

    from l2tp_doctor.report.article.terminal import TerminalArticle, in_encoding
    from l2tp_doctor.report.drawing import glyphs_for

    output = io.StringIO()
    console = Console(
        file=output, width=width, force_terminal=color, no_color=None if color else True, highlight=False
    )
    encoding = "utf-8" if wish.output else sys.stdout.encoding
    glyphs = glyphs_for(encoding)
    for line in TerminalArticle(document, words, glyphs, width, everything=wish.everything).lines():
        console.print(line, soft_wrap=True)
    return in_encoding(output.getvalue(), encoding)


def _to_terminal(document: Document, wish: _Wish, words: Words) -> None:
    import shutil

    size = shutil.get_terminal_size((100, 24))
    color = sys.stdout.isatty() and session().color
    text = _plain(document, wish, words, width=size.columns, color=color)
    if wish.pager and sys.stdout.isatty() and text.count("\n") >= size.lines:
        click.echo_via_pager(text, color=color)
    else:
        click.echo(text, nl=False, color=color)


def _list(found: Sequence[Found], wish: _Wish) -> int:
    if not found:
        return _nothing(wish)
    if wish.format == "json":
        from msgspec import json

        rows = [{"id": item.case_id, "title": item.title, "source": item.source} for item in found]
        click.echo(json.format(json.encode(rows), indent=2))
        return Exit.HEALTHY
    if wish.format != "text":
        raise UsageProblemError("guide.one_article", format=wish.format)
    width = max(len(item.case_id) for item in found)
    for item in found:
        click.echo(f"{item.case_id.ljust(width)}  {item.title}")
    return Exit.HEALTHY


def _mention(others: Sequence[Found], words: Words) -> None:
    if others and sys.stderr.isatty():
        listed = words.joined([f"{item.case_id} ({item.title})" for item in others])
        write_line(words("guide.others", others=listed))


def _nothing(wish: _Wish) -> int:
    words = session().words
    sought = wish.words or wish.tag or ""
    write_line(words("error.prefix", message=words("guide.nothing", sought=sought)))
    return Exit.FAULTY


command = LocalizedCommand(
    name="guide.show",
    help="guide.show.help",
    callback=_show,
    params=[
        click.Argument(["words"], nargs=-1),
        click.Option(["--last"], is_flag=True, help="guide.help.last"),
        click.Option(["--vpn-profile"], metavar="NAME", help="guide.help.vpn_profile"),
        click.Option(["--tag"], metavar="TAG", help="guide.help.tag"),
        click.Option(["--format"], type=OneOf(FORMATS), default="text", help="guide.help.format"),
        click.Option(["--output"], metavar="FILE", type=click.Path(path_type=Path), help="guide.help.output"),
        click.Option(["--all"], is_flag=True, help="guide.help.all"),
        click.Option(["--no-pager"], is_flag=True, help="guide.help.no_pager"),
        no_color_option(),
    ],
)
"""The ``guide show`` command."""
