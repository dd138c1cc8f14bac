"""The parser of articles: any text is taken, and every mistake is told with its line."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from l2tp_doctor.knowledge import article_markdown, article_types, articles
from l2tp_doctor.knowledge.article_markdown import HEADINGS
from l2tp_doctor.knowledge.articles import Article, ParsedFile, parse

FRONT_MATTER = {
    "title": '"A title"',
    "errorText": '"The remote server is not responding"',
    "tags": '["Windows", "VPN"]',
    "updatedAt": '"2026-11-22T00:00:00.000Z"',
    "lang": '"en"',
    "codes": "[809]",
    "keywords": '["timeout"]',
}


def written(language: str = "en", **changes: str | None) -> str:
    """Returns an article without a mistake but those in ``changes`` (``None`` leaves a key out)."""
    values = FRONT_MATTER | {"lang": f'"{language}"'} | changes
    lines = ["---", *(f"{key}: {value}" for key, value in values.items() if value is not None), "---", ""]
    for heading in HEADINGS[language]:
        lines += [f"## {heading}", "- [text](cause:psk-mismatch) more", ""]
    return "\n".join(lines)


def both() -> str:
    return written("ja") + "\n" + written("en")


def line_of(text: str, part: str, nth: int = 0) -> int:
    """Returns the line of the ``nth`` occurrence of ``part``, counted without the parser."""
    return [number for number, line in enumerate(text.split("\n"), 1) if part in line][nth]


def told(parsed: ParsedFile) -> list[tuple[int, str]]:
    return [(found.line, found.id) for found in parsed.problems]


def only(parsed: ParsedFile) -> Article:
    assert parsed.problems == ()
    (article,) = parsed.articles
    return article


def section_of(body: str) -> article_types.Section:
    """Parses ``body`` as the procedure of an otherwise empty article."""
    text = written().replace(
        "## Detailed procedure\n- [text](cause:psk-mismatch) more\n", f"## Detailed procedure\n{body}\n"
    )
    found = only(parse(text, "x")).section("procedure")
    assert found is not None
    return found


def test_the_front_matter_is_read() -> None:
    article = only(parse(written(), "809"))
    assert article.id == "809"
    assert article.language == "en"
    assert article.title == "A title"
    assert article.error_text == "The remote server is not responding"
    assert article.tags == ("Windows", "VPN")
    assert article.updated_at == "2026-11-22T00:00:00.000Z"
    assert article.codes == (809,)
    assert article.keywords == ("timeout",)
    assert article.line == 1


def test_codes_and_keywords_may_be_missing_and_a_date_unquoted() -> None:
    article = only(parse(written(codes=None, keywords=None, updatedAt="2026-11-22"), "x"))
    assert article.codes == ()
    assert article.keywords == ()
    assert article.updated_at == "2026-11-22"


def test_two_languages_are_two_articles() -> None:
    text = both()
    parsed = parse(text, "x")
    assert parsed.problems == ()
    assert [article.language for article in parsed.articles] == ["ja", "en"]
    assert parsed.articles[1].line == line_of(text, "---", 2)


def test_a_second_article_right_below_a_paragraph_is_found_too() -> None:
    text = written("ja").rstrip("\n") + "\n" + written("en")
    assert [article.language for article in parse(text, "x").articles] == ["ja", "en"]


def test_a_rule_between_paragraphs_is_no_article() -> None:
    found = section_of("one\n\n---\n\ntwo\n\n---\nnote: three\n")
    assert [item.text for item in found.items] == ["one", "two", "note: three"]


def test_an_article_inside_a_block_of_code_is_code() -> None:
    found = section_of('- an example:\n\n  ```\n  ---\n  title: "x"\n  lang: "ja"\n  ---\n  ```\n')
    assert found.items[0].code_blocks[0].text.startswith("---\n")
    found = section_of('```\n---\ntitle: "x"\n---\n```\n')
    assert found.items[0].loose


def test_full_width_digits_and_what_is_in_parentheses_make_no_other_heading() -> None:
    text = written("ja").replace("## 60秒で確認", "## ６０秒で確認（最短手順）")
    text = text.replace("## 根本対策", "## 根本対策（恒久策)")
    article = only(parse(text, "x"))
    assert [section.key for section in article.sections] == list(articles.SECTIONS)
    assert article.sections[2].heading == "６０秒で確認（最短手順）"


def test_items_have_their_source_links_code_and_lines() -> None:
    body = textwrap.dedent(
        """\
        3. Do **this** `now`
           and [that](fix:set-psk)

           ```powershell
           Get-Service
           ```
           - nested [x](check:clock)
        4) other list
        - [a](https://example.com/x) and [b](#summary)

        A loose [warning](pitfall:firewall-off).

            indented code
        """
    )
    found = section_of(body)
    base = found.line + 1
    first, other, links, warning, code = found.items
    assert first.number == 3
    assert first.text == "Do this now and that"
    assert first.markdown.startswith(
        "Do **this** `now`\nand [that](fix:set-psk)\n\n```powershell\nGet-Service\n"
    )
    assert [(link.kind, link.target, link.text, link.line - base) for link in first.links] == [
        ("fix", "set-psk", "that", 1),
        ("check", "clock", "x", 6),
    ]
    assert [(block.language, block.text, block.line - base) for block in first.code_blocks] == [
        ("powershell", "Get-Service\n", 4)
    ]
    assert [(child.text, child.line - base) for child in first.children] == [("nested x", 6)]
    assert (other.number, other.text, other.line - base) == (4, "other list", 7)
    assert [(link.kind, link.target) for link in links.links] == [
        ("web", "https://example.com/x"),
        ("anchor", "summary"),
    ]
    assert warning.loose
    assert warning.links[0].line - base == 10
    assert code.code_blocks[0].text == "indented code\n"


def test_an_items_source_is_moved_to_the_left_and_parses_to_the_same() -> None:
    source = "text\n\n```sh\n  indented\n```\n\n- inner\n\n  more"
    found = section_of("10. " + source.replace("\n", "\n    ").replace("    \n", "\n"))
    assert found.items[0].markdown == source


def test_a_section_has_its_whole_source() -> None:
    assert section_of("- a\n\n> quoted\n").markdown == "- a\n\n> quoted"


# --- mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["title", "errorText", "tags", "updatedAt", "lang"])
def test_a_missing_key_is_told(key: str) -> None:
    text = "\n".join(line for line in written().split("\n") if not line.startswith(f"{key}:"))
    assert (1, "front-matter-missing") in told(parse(text, "x"))


@pytest.mark.parametrize(
    ("key", "value", "identifier"),
    [
        ("title", "809", "front-matter-text"),
        ("title", '" "', "front-matter-text"),
        ("title", "[a]", "front-matter-text"),
        ("errorText", "null", "front-matter-text"),
        ("tags", '"Windows"', "front-matter-list"),
        ("tags", "[1]", "front-matter-list"),
        ("keywords", "{a: b}", "front-matter-list"),
        ("codes", "809", "front-matter-codes"),
        ("codes", '["809"]', "front-matter-codes"),
        ("codes", "[0x329]", "front-matter-codes"),
        ("codes", "[-809]", "front-matter-codes"),
        ("codes", "[809809]", "front-matter-codes"),
        ("lang", '"fr"', "front-matter-language"),
        ("lang", "[en]", "front-matter-language"),
        ("updatedAt", '"yesterday"', "front-matter-date"),
        ("updatedAt", "2026-13-41", "front-matter-date"),
        ("updatedAt", "[2026]", "front-matter-date"),
        ("author", '"me"', "front-matter-unknown"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(key: str, value: str, identifier: str) -> None:
    text = written(**{key: value})
    assert (line_of(text, f"{key}:"), identifier) in told(parse(text, "x"))


def test_a_repeated_key_and_bad_yaml_are_told_with_their_lines() -> None:
    text = written().replace("codes:", 'title: "again"\ncodes:')
    assert (line_of(text, "again"), "front-matter-duplicate") in told(parse(text, "x"))
    text = written(tags='["Windows"')
    ((line, identifier), *_) = told(parse(text, "x"))
    assert identifier == "front-matter-yaml"
    assert line_of(text, "tags") <= line <= line_of(text, "---", 1)
    text = written().replace("---\n", "---\n- a\n- b\n---\n", 1)
    assert (1, "front-matter-mapping") in told(parse(text, "x"))


@pytest.mark.parametrize("text", ["", "\n\n", "# Just Markdown\n", "\n\ntext\n---\ntitle: x\n---\n"])
def test_a_file_without_front_matter_is_told(text: str) -> None:
    parsed = parse(text, "x")
    assert [identifier for _, identifier in told(parsed)] == ["front-matter-absent"]
    assert parsed.articles == ()


def test_front_matter_nobody_closes_is_told() -> None:
    assert told(parse("---\ntitle: x\n", "x")) == [(1, "front-matter-open")]
    text = written("ja") + '\n---\ntitle: "x"\nlang: "en"\n\n## Summary\n'
    assert told(parse(text, "x")) == [(line_of(text, "---", 2), "front-matter-open")]


def test_headings_are_told_when_missing_repeated_or_unknown() -> None:
    text = written().replace("## Pitfalls\n", "## Pitfals\n")
    assert told(parse(text, "x")) == [
        (1, "heading-missing"),
        (line_of(text, "## Pitfals"), "heading-unknown"),
    ]
    text = written() + "\n## Summary\n- again\n"
    assert told(parse(text, "x")) == [(line_of(text, "## Summary", 1), "heading-duplicate")]
    text = written() + "\n# Appendix\n- more\n"
    assert told(parse(text, "x")) == [(line_of(text, "# Appendix"), "heading-unknown")]


def test_text_that_no_section_holds_is_told() -> None:
    text = written().replace("## Summary", "stray\n\n## Summary", 1)
    assert told(parse(text, "x")) == [(line_of(text, "stray"), "text-before-heading")]


def test_an_empty_section_and_an_empty_item_are_told() -> None:
    text = written().replace("## Pitfalls\n- [text](cause:psk-mismatch) more\n", "## Pitfalls\n")
    assert told(parse(text, "x")) == [(line_of(text, "## Pitfalls"), "section-empty")]
    text = written().replace("## Pitfalls\n", "## Pitfalls\n-\n")
    assert told(parse(text, "x")) == [(line_of(text, "## Pitfalls") + 1, "item-empty")]


@pytest.mark.parametrize(
    "target", ["fixx:set-psk", "other.md", "javascript:alert(1)", "fix:", "mailto:a@b", "#"]
)
def test_a_link_of_an_unknown_kind_is_told_with_its_line(target: str) -> None:
    text = written().replace("## Pitfalls\n", f"## Pitfalls\n- one\n  two [bad]({target}) three\n")
    assert told(parse(text, "x")) == [(line_of(text, "[bad]"), "link-unknown")]


def test_a_block_of_code_nobody_closes_is_told() -> None:
    text = written() + "\n```sh\necho\n"
    assert told(parse(text, "x")) == [(line_of(text, "```sh"), "code-not-closed")]


def test_the_same_language_twice_and_too_many_articles_are_told() -> None:
    text = written() + "\n" + written()
    assert told(parse(text, "x")) == [(line_of(text, "---", 2), "language-twice")]
    text = "\n".join([written()] * (article_types.MAX_ARTICLES + 1))
    assert (line_of(text, "---", 2 * article_types.MAX_ARTICLES), "too-many-articles") in told(
        parse(text, "x")
    )


@pytest.mark.parametrize(
    ("old", "new", "identifier", "place"),
    [
        ("codes: [809]", "codes: [789]", "languages-codes", "---"),
        ("## Pitfalls\n", "## Pitfalls\n- one more\n", "languages-items", "## Pitfalls"),
        (
            "## Pitfalls\n- [text](cause:psk",
            "## Pitfalls\n- [text](cause:xsk",
            "languages-links",
            "cause:xsk",
        ),
        ("## Pitfalls\n- [t", "## Pitfalls\n- planted [t", "", "planted"),
    ],
)
def test_languages_that_disagree_are_told(old: str, new: str, identifier: str, place: str) -> None:
    second = written("en").replace(old, new)
    text = written("ja") + "\n" + second
    expected = [(line_of(text, place, 2 if place == "---" else 0), identifier)] if identifier else []
    assert told(parse(text, "x")) == expected


def test_languages_with_another_order_or_other_code_are_told() -> None:
    first, second = written("ja"), written("en")
    moved = (
        second.replace("## Summary", "## X")
        .replace("## Pitfalls", "## Summary")
        .replace("## X", "## Pitfalls")
    )
    text = first + "\n" + moved
    assert (line_of(text, "---", 2), "languages-order") in told(parse(text, "x"))
    coded = second.replace("## Pitfalls\n- [text](cause:psk-mismatch) more\n", "")
    coded += "\n## Pitfalls\n- [text](cause:psk-mismatch) more\n\n  ```sh\n  x\n  ```\n"
    text = first + "\n" + coded
    assert (line_of(text, "[text]", 19), "languages-code") in told(parse(text, "x"))


# --- limits -------------------------------------------------------------------------------------------


def test_what_is_no_article_by_its_size_is_refused_before_it_is_parsed() -> None:
    assert told(parse("x" * (article_types.MAX_CHARACTERS + 1), "x")) == [(1, "file-large")]
    text = written() + "\n" + "y" * (article_types.MAX_LINE + 1)
    assert told(parse(text, "x")) == [(line_of(text, "yy"), "line-long")]
    text = written().replace("---\n", "---\n" + "# padding\n" * 2000, 1)
    assert told(parse(text, "x"))[0] == (1, "front-matter-large")
    text = written() + "\n" + "[a](b)\n\n" * 1000
    assert len(parse(text, "x").problems) == article_types.MAX_PROBLEMS


HOSTILE = ["---\n", "a\n---\n", "- a\n", "---\ntitle: a\n---\n", "```\n"]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_file_does_not_keep_the_parser_busy(piece: str) -> None:
    limit = article_types.MAX_CHARACTERS
    text = ("---\ntitle: x\nlang: ja\n---\n" + piece * limit)[:limit]
    began = time.monotonic()
    check_lines(parse(text, "x"), text)
    # Some seconds on a busy machine; what is quadratic takes minutes.
    assert time.monotonic() - began < 30


# --- any text -----------------------------------------------------------------------------------------

# fmt: off
PIECES = [
    "---\n", "title: x\n", 'lang: "ja"\n', 'lang: "en"\n', "codes: [1]\n", "tags: [", "&a [*a]\n", "<<: *a\n",
    "?\n", "!!python/object:x y\n", '"\\UFFFFFFFF"\n', "## 要約\n", "## Summary\n", "# h\n", "===\n", "- a\n",
    "1) x\n", "\t- y\n", "-\n", "> q\n", "```\n", "~~~sh\n", "    code\n", "[a](fix:b)", "[a](zz:b)\n",
    "[a](#b)", "<http://a>\n", "![i](x)\n", "<!--\n", "|a|\n", "`", "**", "&amp;", "\\", "\n", "\r",
    "\ud800", "\x00", "\x85", "\u2028", "\ufeff",
]
# fmt: on
ANY_TEXT = st.one_of(
    st.text(st.characters()),
    st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp"])),
    st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=4))).map(
        lambda parts: "---\n" + "".join(parts)
    ),
)


@given(ANY_TEXT)
def test_any_text_is_taken(text: str) -> None:
    check_lines(parse(text, "x"), text)


@given(st.data())
def test_any_damaged_article_is_taken(data: st.DataObject) -> None:
    text = both()
    first = data.draw(st.integers(0, len(text)))
    second = data.draw(st.integers(0, len(text)))
    damaged = (
        text[:first] + data.draw(st.one_of(st.sampled_from(PIECES), st.text(max_size=20))) + text[second:]
    )
    check_lines(parse(damaged, "x"), damaged)


def check_lines(parsed: ParsedFile, text: str) -> None:
    """Every line number is one of the file's, and every problem has words in both languages."""
    last = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert [found.line for found in parsed.problems] == sorted(found.line for found in parsed.problems)
    for found in parsed.problems:
        assert 1 <= found.line <= last
        assert found.text.ja
        assert found.text.en
    for article in parsed.articles:
        for section in article.sections:
            assert article.line < section.line <= last
            for item in section.items:
                assert section.line < item.line <= last
                assert all(item.line <= link.line <= last for link in item.links)


HEADING = st.sampled_from(list(HEADINGS["en"]))
MISTAKES = st.sampled_from(
    [
        ("## Colophon\n- x", "heading-unknown"),
        ("- [x](nowhere:y)", "link-unknown"),
        ("-", "item-empty"),
    ]
)


@given(HEADING, MISTAKES, st.integers(0, 5), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans())
def test_a_planted_mistake_is_told_with_its_line(
    heading: str, mistake: tuple[str, str], blanks: int, line_end: str, mark: bool
) -> None:
    planted, identifier = mistake
    text = written().replace(f"## {heading}\n", f"## {heading}\n- first\n" + "\n" * blanks + planted + "\n")
    line = line_of(text, f"## {heading}") + 2 + blanks
    given_text = ("\ufeff" if mark else "") + text.replace("\n", line_end)
    found = told(parse(given_text, "x"))
    assert (line, identifier) in found


# --- links --------------------------------------------------------------------------------------------

KNOWN = {"fix": ["set-psk"], "case": ["809", "691"], "cause": ["psk-mismatch"]}


def dead(*targets: str) -> list[tuple[int, str]]:
    body = "".join(f"- [x]({target})\n" for target in targets)
    text = written().replace("## Pitfalls\n", f"## Pitfalls\n{body}")
    first = line_of(text, "## Pitfalls") + 1
    problems = articles.check_links(only(parse(text, "809")), KNOWN)
    return [(found.line - first, found.id) for found in problems]


def test_links_to_what_exists_are_fine() -> None:
    assert (
        dead("fix:set-psk", "case:691", "case:691#check", "#causes", "#common-causes", "https://a.example/")
        == []
    )
    assert dead("case:809#common-causes") == []


def test_dead_links_are_told_with_their_lines() -> None:
    assert dead("fix:set-psk", "fix:other", "check:clock", "case:1", "case:1#check") == [
        (1, "link-dead"),
        (2, "link-dead"),
        (3, "link-dead"),
        (4, "link-dead"),
    ]
    assert dead("#nothing", "case:691#nothing", "case:809#nothing") == [
        (0, "link-anchor"),
        (1, "link-anchor"),
        (2, "link-anchor"),
    ]


# --- what comes with the program ------------------------------------------------------------------------


def test_the_bundled_articles_are_by_id_and_language() -> None:
    bundled = articles.bundled()
    assert set(bundled) == set(articles.case_ids())
    assert bundled["809"]["ja"].language == "ja"
    assert bundled["809"]["en"].codes == (809,)
    assert articles.bundled() is bundled


@pytest.mark.parametrize("content", [written("en"), both() + "\n## Colophon\n- x\n"])
def test_a_malformed_bundled_article_is_an_error(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "1.md").write_text(content, encoding="utf-8")
    monkeypatch.setattr("importlib.resources.files", lambda package: tmp_path)
    articles.case_ids.cache_clear()
    articles.bundled.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"cases/1\.md"):
            articles.bundled()
    finally:
        articles.case_ids.cache_clear()
        articles.bundled.cache_clear()


# --- docs/articles.md -----------------------------------------------------------------------------------

DOCS = Path(__file__).parents[2] / "docs"


def blocks_of(name: str) -> list[str]:
    tokens = MarkdownIt("commonmark").parse((DOCS / name).read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence"]


def test_the_documented_example_is_an_article_without_a_mistake() -> None:
    example = blocks_of("articles.md")[0]
    assert blocks_of("articles.ja.md") == blocks_of("articles.md")
    parsed = parse(example, "osaka")
    assert parsed.problems == ()
    assert [article.language for article in parsed.articles] == ["ja", "en"]
    for article in parsed.articles:
        assert articles.check_links(article, articles.known_ids()) == ()


@pytest.mark.parametrize("name", ["articles.md", "articles.ja.md"])
def test_the_documented_headings_and_links_are_those_known(name: str) -> None:
    text = (DOCS / name).read_text(encoding="utf-8")
    rows = zip(articles.SECTIONS, HEADINGS["ja"], HEADINGS["en"], strict=True)
    assert "\n".join(f"| `{key}` | {ja} | {en} |" for key, ja, en in rows) in text
    assert all(f"`{kind}:ID`" in text for kind in articles.ENTRY_KINDS)


def test_both_languages_of_the_document_name_the_same_things() -> None:
    spans, outlines = [], []
    for name in ("articles.md", "articles.ja.md"):
        tokens = MarkdownIt("commonmark").parse((DOCS / name).read_text(encoding="utf-8"))
        children = [child for token in tokens for child in token.children or ()]
        spans.append(sorted({child.content for child in children if child.type == "code_inline"}))
        outlines.append([token.type for token in tokens])
    assert spans[0] == spans[1]
    assert outlines[0] == outlines[1]


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                "",
                "text",
                "- item",
                "  more",
                "```",
                "   ```",
                "  ~~~",
                "````",
                "``` sh",
                "``` a`b",
                "<!-- x",
                "-->",
                "<pre>",
                "<b>",
                "    code",
                "> quote",
                "> ```",
                "---",
                "title: x",
                "# head",
                "1. one",
                "   - deep",
                "- ```",
                "     ```",
                "1. ~~~",
                "\t```",
            ]
        ),
        max_size=14,
    )
)
def test_where_the_next_article_begins_is_found_without_parsing_as_with_it(lines: list[str]) -> None:
    whole = [*lines, "", "---", "title: x", "---"]
    parsed = None
    for token in article_markdown.block_tokens_of(whole):
        if token.level == 0 and token.map is not None and token.type in ("hr", "heading_open"):
            index = token.map[1] - 1
            if whole[index].rstrip() == "---" and articles._opens_mapping(whole, index):
                parsed = index
                break
    assert articles._next_article(whole, 0) == parsed
