"""The five formats of an article: they say the same, and nobody's article can do harm in them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from rich.cells import cell_len

from l2tp_doctor.guide.document import Document, Status, build, entry_document
from l2tp_doctor.guide.personal import LastCheck, Personal
from l2tp_doctor.knowledge import articles
from l2tp_doctor.knowledge.articles import parse
from l2tp_doctor.report.article.blocks import Code, Fold, Heading, Paragraph, lay_out
from l2tp_doctor.report.article.html import html
from l2tp_doctor.report.article.markdown import markdown
from l2tp_doctor.report.article.markdown_safety import escaped, safe
from l2tp_doctor.report.article.pdf import pdf
from l2tp_doctor.report.article.terminal import TerminalArticle, in_encoding
from l2tp_doctor.report.drawing import ASCII, UNICODE, Glyphs
from l2tp_doctor.report.words import Language, Words
from tests.guide.writing import article

LANGUAGES: tuple[Language, ...] = ("ja", "en")
LAST = LastCheck(
    "vpn.kyoto.example", "2026-11-22 10:00", "faulty", 809,
    (("udp-4500-blocked", 0.97), ("esp-blocked", 0.03)), ("server-behind-nat",), frozenset({"udp500.reply"}),
)  # fmt: skip


def bundled(language: str, *, last: bool = False, case_id: str = "809") -> Document:
    parsed = parse(articles.bundled_text(case_id), case_id).articles
    found = next(item for item in parsed if item.language == language)
    return build(found, insight=Personal(LAST, language) if last else None)


BOTH = pytest.mark.parametrize("language", LANGUAGES)
FRESH_AND_LAST = pytest.mark.parametrize("last", [False, True], ids=["fresh", "last"])


# -- Markdown -----------------------------------------------------------------------------------


def top_items(source: str) -> list[tuple[str, list[str]]]:
    """Returns each section's heading with the first line of each item of its lists."""
    found: list[tuple[str, list[str]]] = []
    for node in SyntaxTreeNode(MarkdownIt("commonmark").parse(source)).children:
        if node.type == "heading":
            found.append((plain(node), []))
        elif node.type in ("bullet_list", "ordered_list"):
            found[-1][1].extend(plain(item.children[0]) for item in node.children)
    return found


def plain(node: SyntaxTreeNode) -> str:
    return "".join(
        " " if inner.type == "softbreak" else inner.content
        for inner in node.walk()
        if inner.type in ("text", "code_inline", "softbreak")
    )


def words_of(source: str) -> str:
    return plain(SyntaxTreeNode(MarkdownIt("commonmark").parse(source)).children[0])


def without_marks(text: str) -> str:
    return re.sub(r"^(\[x\] |▶ |\? )", "", text)


@BOTH
@FRESH_AND_LAST
@pytest.mark.parametrize("case_id", articles.case_ids())
def test_markdown_parses_to_the_items_of_the_article(language: Language, case_id: str, last: bool) -> None:
    document = bundled(language, last=last, case_id=case_id)
    title, *sections = top_items(markdown(document, Words(language)))
    assert title == (document.title, [])
    assert [heading for heading, _ in sections] == [chapter.heading for chapter in document.chapters]
    for (_, items), chapter in zip(sections, document.chapters, strict=True):
        expected = [words_of(line.markdown) for line in chapter.lines if not line.loose]
        assert sorted(map(without_marks, items)) == sorted(expected)


@BOTH
def test_markdown_keeps_every_command_inside_its_item(language: Language) -> None:
    document = bundled(language)
    tree = SyntaxTreeNode(MarkdownIt("commonmark").parse(markdown(document, Words(language))))
    fences = [node for node in tree.walk() if node.type == "fence"]
    inside = [node.content.rstrip("\n") for node in fences if node.parent and node.parent.type == "list_item"]
    assert len(inside) == len(fences)
    assert not [node for node in tree.walk() if node.type == "code_block"]
    shown = {
        command.code
        for chapter in document.chapters
        for line in chapter.lines
        for entry in line.entries
        for command in entry.commands
        if command.code
    }
    assert shown <= set(inside)


@BOTH
def test_markdown_folds_are_closed_and_on_lines_of_their_own(language: Language) -> None:
    lines = markdown(bundled(language, last=True), Words(language)).split("\n")
    opened = [line.strip() for line in lines].count("<details>")
    assert opened == [line.strip() for line in lines].count("</details>") > 0
    tree = SyntaxTreeNode(MarkdownIt("commonmark").parse("\n".join(lines)))
    assert not [node for node in tree.walk() if node.type == "html_inline"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a <b> c", "a \\<b> c"),
        ("`<b>` <b>", "`<b>` \\<b>"),
        ("```\n<b>\n```\n\n<b>", "```\n<b>\n```\n\n\\<b>"),
        ("<https://example.com/> 1 < 2", "<https://example.com/> 1 < 2"),
        ("![x](http://example.com/y.png)", "\\![x](http://example.com/y.png)"),
        ("[x](javascript:alert(1))", "[x\\](javascript:alert(1))"),
    ],
)
def test_elements_images_and_scripts_become_text_outside_of_code(source: str, expected: str) -> None:
    assert safe(source) == expected


def test_escaped_text_reads_as_it_was_written() -> None:
    text = "# <b> *x* _y_ [z](u) `c` \\ & | ~ 809 (L2TP/IPsec)"
    assert plain(SyntaxTreeNode(MarkdownIt("commonmark").parse(escaped(text)))) == text


# -- HTML ---------------------------------------------------------------------------------------

ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "style",
        "body",
        "main",
        "h1",
        "h2",
        "nav",
        "ol",
        "ul",
        "li",
        "a",
        "div",
    ),
    *("p", "blockquote", "time", "pre", "code", "details", "summary", "strong", "em", "br", "hr"),
}
VOID = {"meta", "br", "hr"}


class Page(HTMLParser):
    """Keeps what a browser would see."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.ids: list[str] = []
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def assert_harmless_page(source: str) -> Page:
    page = Page(source)
    assert page.tags <= ALLOWED
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "style", "background", "action", "formaction", "data")
        if name == "href":
            assert tag == "a"
            assert value.startswith(("https://", "http://", "#"))
    assert "url(" not in source.partition("</style>")[0]
    assert "@import" not in source.partition("</style>")[0]
    assert "default-src 'none'" in source
    return page


@BOTH
@FRESH_AND_LAST
def test_html_is_well_formed_and_loads_nothing(language: Language, last: bool) -> None:
    document = bundled(language, last=last)
    page = assert_harmless_page(html(document, Words(language)))
    assert set(page.ids) == {chapter.key for chapter in document.chapters}
    for chapter in document.chapters:
        assert chapter.heading in page.text
        for line in chapter.lines:
            for entry in line.entries:
                if entry.status is not Status.IRRELEVANT:
                    assert all(command.code in page.text for command in entry.commands)
    assert all(sentence in page.text for sentence in document.banner)


# -- PDF ----------------------------------------------------------------------------------------


def pages(content: bytes) -> list[str]:
    import pypdf

    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def squeezed(text: str) -> str:
    return "".join(text.split())


@BOTH
@FRESH_AND_LAST
def test_pdf_holds_the_headings_and_the_items(language: Language, last: bool) -> None:
    document = bundled(language, last=last)
    shown = pages(pdf(document, Words(language)))
    # Each page ends in the title and its number; an item may go on behind them.
    text = squeezed("".join(page.replace(document.title, "") for page in shown))
    assert squeezed(document.title) in squeezed(shown[0])
    for chapter in document.chapters:
        assert squeezed(chapter.heading) in text
    assert len(shown) < 20
    assert all(squeezed(sentence) in text for sentence in document.banner)
    assert ("vpn.kyoto.example" in text) is last


@BOTH
def test_pdf_with_everything_holds_the_undo(language: Language) -> None:
    document = entry_document("fix", "open-udp-4500", language)
    words = Words(language)
    text = squeezed("".join(pages(pdf(document, words, everything=True))))
    assert squeezed(words("guide.undo")) in text
    assert squeezed("ufw delete allow 4500/udp") in text


def test_pdf_is_the_same_each_time() -> None:
    document = bundled("en", case_id="868")
    assert pdf(document, Words("en")) == pdf(document, Words("en"))


def test_a_line_of_code_without_a_blank_is_broken_in_a_pdf() -> None:
    code = "x" * 1500
    steps = f"1. a\n\n   ```sh\n   {code}\n   ```"
    parsed = parse(article("en", sections={"procedure": steps}), "ours").articles[0]
    text = squeezed("".join(pages(pdf(build(parsed), Words("en")))))
    assert text.count("x") >= 1500


# -- the terminal -------------------------------------------------------------------------------


def drawn(
    document: Document,
    language: Language,
    width: int = 80,
    glyphs: Glyphs = UNICODE,
    *,
    everything: bool = False,
) -> list[str]:
    article_ = TerminalArticle(document, Words(language), glyphs, width, everything=everything)
    return [line.plain for line in article_.lines()]


def commands_of(document: Document, *, everything: bool) -> set[str]:
    """Returns the stripped lines of everything that is to be typed."""
    found: set[str] = set()

    def keep(blocks: Sequence[Heading | Paragraph | Code | Fold]) -> None:
        for block in blocks:
            if isinstance(block, Code):
                found.update(line.strip() for line in block.text.expandtabs(4).splitlines())
            elif isinstance(block, Fold):
                keep(block.blocks)
            elif isinstance(block, Paragraph):
                for token in MarkdownIt("commonmark").parse(block.markdown):
                    if token.type == "fence":
                        found.update(line.strip() for line in token.content.splitlines())

    keep(list(lay_out(document, Words("en"), "full" if everything else "brief")))
    return found


@BOTH
@FRESH_AND_LAST
@pytest.mark.parametrize("everything", [False, True], ids=["brief", "all"])
@pytest.mark.parametrize("width", [20, 40, 80, 120])
def test_only_code_is_wider_than_the_terminal(
    language: Language, last: bool, everything: bool, width: int
) -> None:
    document = bundled(language, last=last)
    code = commands_of(document, everything=everything)
    for line in drawn(document, language, width, everything=everything):
        assert cell_len(line) <= width or line.strip() in code, line


@pytest.mark.parametrize("width", [20, 33, 47, 80])
def test_no_line_begins_or_ends_where_japanese_forbids_it(width: int) -> None:
    for line in drawn(bundled("ja", last=True), "ja", width):
        text = line.strip()
        if text and len(line) - len(text) < 10 and cell_len(text) > 2:
            assert text[0] not in "、。，．」』）】ー々", line
            assert text[-1] not in "「『（【", line


def test_numbers_of_two_digits_do_not_push_their_lines_out_of_line() -> None:
    lines = drawn(bundled("en"), "en", 60)
    at = next(index for index, line in enumerate(lines) if line.startswith("10. The client"))
    assert lines[at + 1].startswith("    ")
    assert not lines[at + 1].startswith("     ")


def test_what_was_found_ticked_and_folded_looks_different() -> None:
    lines = drawn(bundled("en", last=True), "en")
    assert any(line.startswith(" ✓ First really dial") for line in lines)
    folds = re.compile(r"Not relevant this time: \d+ \(--all shows them\)")
    fold = next(index for index, line in enumerate(lines) if folds.fullmatch(line))
    assert lines[fold - 1] == ""
    assert not any("Another Windows client behind the same NAT" in line for line in lines)
    shown = drawn(bundled("en", last=True), "en", everything=True)
    assert any("Another Windows client behind the same NAT" in line for line in shown)


def test_an_entry_that_several_lines_link_to_is_shown_once() -> None:
    lines = drawn(bundled("en"), "en", everything=True)
    assert sum(line.strip().startswith("Dials as Windows does") for line in lines) == 1
    assert any(line.strip().startswith("See above: Really dial") for line in lines)


@pytest.mark.parametrize("last", [False, True])
def test_an_english_article_on_an_ascii_terminal_has_no_question_marks_for_typography(last: bool) -> None:
    text = "\n".join(drawn(bundled("en", last=last), "en", glyphs=ASCII))
    assert text.count("?") == in_encoding(text, "ascii").encode("ascii", "replace").decode().count("?")


def test_characters_that_an_encoding_has_stay() -> None:
    assert in_encoding("“é” → —", "utf-8") == "“é” → —"
    assert in_encoding("“é” → —", "cp1252") == "“é” -> —"
    assert in_encoding("“é”", "no-such-encoding") == '"é"'


# -- somebody's article -------------------------------------------------------------------------

HOSTILE = """- <script>alert(1)</script> <img src=x onerror=alert(1)> <iframe src="https://evil.example">
- [here](javascript:alert(1)) ![tracker](https://evil.example/pixel.png) <a href="javascript:alert(1)">x</a>
- [there][r] <https://evil.example/a> `<script>alert(2)</script>` \x1b[2J\x1b]0;owned\x07
- \u202egpj.exe \x00 \x85
- <!-- comment --> <?php evil() ?> <![CDATA[x]]> &lt;b&gt; `` `<b> `` <

  <div onclick="evil()">

  block

  </div>

  ```html
  <script>alert(3)</script>\x1b[31m
  ```
- <b>tag
  over lines</b> `a <i>
  b` **<u>** | x | \u2066 \u2028 \x9b2J

[r]: javascript:alert(4)
"""


def hostile(language: Language) -> Document:
    source = article(
        language,
        title="</title><script>alert(0)</script> \\e[2J \\u202e `x",
        error_text="</blockquote><img src=x> \\a [x](javascript:alert(0))",
        tags=("<b>tag</b>", '"\\e[2J"'),
        sections={"procedure": HOSTILE},
    )
    return build(parse(source, "ours").articles[0], source="/x/\x1b[2J.md")


def controls(text: str) -> set[str]:
    return {character for character in text if not character.isprintable() and character not in "\n\t"}


@BOTH
def test_a_hostile_article_is_harmless_in_html(language: Language) -> None:
    page = assert_harmless_page(html(hostile(language), Words(language)))
    assert "<script>alert(1)</script>" in page.text
    assert controls(page.text) == set()
    assert not any("javascript" in value for _, name, value in page.attributes if name == "href")


@BOTH
def test_a_hostile_article_is_harmless_in_markdown(language: Language) -> None:
    text = markdown(hostile(language), Words(language))
    assert controls(text) == set()
    parser = MarkdownIt("commonmark")
    parser.validateLink = lambda url: True  # type: ignore[method-assign]  # as lax as the laxest wiki
    for node in SyntaxTreeNode(parser.parse(text)).walk():
        assert node.type not in ("html_inline", "image"), node.content
        if node.type == "html_block":
            content = re.sub(r"</?details>|<summary>[^<>]*</summary>", "", node.content)
            assert content.strip() == ""
        if node.type == "link":
            assert str(node.attrs["href"]).startswith("https://")
    assert "alert(3)" in text


@BOTH
@pytest.mark.parametrize("width", [20, 80])
def test_a_hostile_article_is_harmless_on_the_terminal(language: Language, width: int) -> None:
    lines = drawn(hostile(language), language, width)
    assert set().union(*(controls(line) for line in lines)) == set()
    assert "\n" not in "".join(lines)
    assert "alert(1)" in "".join(lines)


@BOTH
@pytest.mark.parametrize("everything", [False, True])
def test_a_hostile_article_is_harmless_in_pdf(language: Language, everything: bool) -> None:
    content = pdf(hostile(language), Words(language), everything=everything)
    import pypdf

    reader = pypdf.PdfReader(io.BytesIO(content))
    assert "alert(1)" in squeezed("".join(page.extract_text() for page in reader.pages))
    for page in reader.pages:
        for annotation in page.get("/Annots") or ():
            action = annotation.get_object()["/A"]
            assert str(action["/URI"]).startswith("https://")
    for word in (b"/JavaScript", b"/JS", b"/Launch", b"/EmbeddedFile", b"/OpenAction"):
        assert word not in content
