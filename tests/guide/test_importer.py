"""An organisation's own articles: each mistake told with its line, none in the way of the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from l2tp_doctor.guide import importer
from l2tp_doctor.guide.importer import Outcome, TooManyFilesError, article_files, import_articles
from l2tp_doctor.guide.library import Library, Source
from l2tp_doctor.knowledge import articles
from l2tp_doctor.lint import lint_text
from tests.guide.writing import article


@pytest.fixture(scope="module")
def opened() -> Iterator[Library]:
    with Library.open(None) as library:
        yield library


@pytest.fixture
def library(opened: Library) -> Iterator[Library]:
    yield opened
    for found in opened.all("en"):
        opened.remove(found.case_id)


def taken_in(library: Library, *paths: Path) -> dict[str, Outcome]:
    return {found.path.name: found for found in import_articles(library, list(article_files(paths)))}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def problems(outcome: Outcome) -> list[tuple[int, str]]:
    return [(problem.line, problem.id) for problem in outcome.problems]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_folder_with_folders_in_it(library: Library, tmp_path: Path) -> None:
    write(tmp_path, "kyoto.md", article())
    write(tmp_path, "deep/er/osaka.MARKDOWN", article())
    write(tmp_path, "deep/notes.txt", "no article")
    outcomes = taken_in(library, tmp_path)
    assert {name: found.id for name, found in outcomes.items()} == {
        "kyoto.md": "kyoto",
        "osaka.MARKDOWN": "osaka",
    }
    stored = library.text_of("osaka", "ja")
    assert stored is not None
    assert stored.source == str(tmp_path / "deep/er/osaka.MARKDOWN")


def test_one_bad_article_among_good_ones(library: Library, tmp_path: Path) -> None:
    for number in range(250):
        write(tmp_path, f"ours-{number:03}.md", article(title=f"手順 {number}"))
    bad = article().replace("## よくある原因", "## 原因らしきもの")
    write(tmp_path, "ours-101.md", bad)
    outcomes = taken_in(library, tmp_path)
    refused = [name for name, found in outcomes.items() if found.problems]
    assert refused == ["ours-101.md"]
    assert (line_of(bad, "## 原因らしきもの"), "heading-unknown") in problems(outcomes["ours-101.md"])
    assert library.text_of("ours-101", "ja") is None
    assert library.text_of("ours-249", "ja") is not None


BAD = [
    ("absent.md", "no front matter at all", 1, "front-matter-absent"),
    ("empty.md", "", 1, "front-matter-absent"),
    ("open.md", '---\ntitle: "x"\n', 1, "front-matter-open"),
    ("latin.md", article().encode("cp932"), 2, "not-utf-8"),
    ("wide.md", article().encode("utf-16"), 1, "not-utf-8"),
    ("zeros.md", b"\x00" * 5000, 1, "line-long"),
    ("huge.md", b"a" * (importer._MAX_BYTES + 1), 0, "file-large"),
    ("809.md", article(), 0, "id-of-the-program"),
    ("IKE-Events-13876-13894.md", article(), 0, "id-of-the-program"),
    ("a" * 120 + ".md", article(), 0, "id-unusable"),
    ("\x1b[2J.md", article(), 0, "id-unusable"),
    ("\u202egp.md", article(), 0, "id-unusable"),
]


@pytest.mark.skipif(sys.platform == "win32", reason="file names that Windows does not have")
@pytest.mark.parametrize(("name", "content", "line", "identifier"), BAD, ids=lambda value: ascii(value)[:30])
def test_what_is_no_article_is_told_with_its_line(
    library: Library, tmp_path: Path, name: str, content: str | bytes, line: int, identifier: str
) -> None:
    write(tmp_path, name, content)
    write(tmp_path, "good.md", article())
    outcomes = taken_in(library, tmp_path)
    assert problems(outcomes[name])[0] == (line, identifier)
    assert outcomes[name].id == ""
    assert outcomes["good.md"].id == "good"


@pytest.mark.parametrize(
    ("link", "known"),
    [
        ("check:no-such", False), ("fix:no-such", False), ("case:no-such", False), ("ref:no-such", False),
        ("check:services-running", True), ("case:809", True), ("case:neighbour", True),
        ("javascript:alert(1)", False), ("file:///etc/passwd", False), ("https://example.com/", True),
    ],
)  # fmt: skip
def test_dead_and_dangerous_links_are_told_with_their_line(
    library: Library, tmp_path: Path, link: str, known: bool
) -> None:
    text = article(sections={"check": f"- a\n- [x]({link})"})
    write(tmp_path, "ours.md", text)
    write(tmp_path, "neighbour.md", article(sections={"related": "- [x](case:ours)"}))
    outcomes = taken_in(library, tmp_path)
    assert outcomes["neighbour.md"].problems == ()
    if known:
        assert outcomes["ours.md"].problems == ()
    else:
        assert [line for line, _ in problems(outcomes["ours.md"])] == [line_of(text, "- [x]")]


def test_a_command_the_linter_refuses_is_told_with_its_line_and_rule(
    library: Library, tmp_path: Path
) -> None:
    text = article(
        sections={"procedure": "1. 直す\n\n   ```cmd\n   icacls C:\\VPN /grant Everyone:F\n   ```"}
    )
    write(tmp_path, "ours.md", text)
    (found,) = taken_in(library, tmp_path)["ours.md"].problems
    assert (found.line, found.id) == (line_of(text, "icacls"), "command-refused")
    assert "everyone-full-control" in found.text.en


def test_the_same_name_twice_is_told_whatever_its_capitals(library: Library, tmp_path: Path) -> None:
    first = write(tmp_path, "a/Kyoto.md", article())
    write(tmp_path, "b/kyoto.md", article())
    outcomes = list(import_articles(library, list(article_files([tmp_path]))))
    assert [found.id for found in outcomes] == ["Kyoto", ""]
    assert problems(outcomes[1]) == [(0, "id-twice")]
    assert str(first) in outcomes[1].problems[0].text.en


def test_a_file_named_twice_comes_once(library: Library, tmp_path: Path) -> None:
    path = write(tmp_path, "kyoto.md", article())
    assert list(article_files([path, tmp_path, path])) == [path]


def test_importing_again_replaces_and_a_worse_version_does_not(library: Library, tmp_path: Path) -> None:
    path = write(tmp_path, "kyoto.md", article(title="古い"))
    taken_in(library, path)
    write(tmp_path, "kyoto.md", article(title="新しい"))
    taken_in(library, path)
    write(tmp_path, "kyoto.md", "broken")
    assert taken_in(library, path)["kyoto.md"].problems
    assert [found.title for found in library.all("ja") if found.case_id == "kyoto"] == ["新しい"]


def test_articles_that_link_to_each_other_come_in_together_and_stay_known(
    library: Library, tmp_path: Path
) -> None:
    write(tmp_path, "one.md", article(sections={"related": "- [x](case:two)"}))
    write(tmp_path, "two.md", article(sections={"related": "- [x](case:one)"}))
    assert not any(found.problems for found in taken_in(library, tmp_path).values())
    later = write(tmp_path, "three.md", article(sections={"related": "- [x](case:one)"}))
    assert taken_in(library, later)["three.md"].problems == ()


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_pipes_devices_and_circles_keep_nobody_waiting(library: Library, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    (tmp_path / "self.md").symlink_to(tmp_path / "self.md")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "folder.md").mkdir()
    write(tmp_path, "good.md", article())
    assert list(taken_in(library, tmp_path)) == ["good.md"]
    for path in (tmp_path / "pipe.md", tmp_path / "self.md", Path("/dev/zero"), tmp_path / "gone.md"):
        assert problems(taken_in(library, path)[path.name]) == [(0, "no-file")]


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no Unicode")
def test_a_folder_whose_name_is_no_unicode(library: Library, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe"))
    write(folder, "ours.md", article())
    os.close(os.open(os.fsencode(folder) + b"/\xff.md", os.O_CREAT | os.O_WRONLY))
    outcomes = taken_in(library, folder)
    assert outcomes["ours.md"].id == "ours"
    assert len(outcomes) == 2


def test_more_files_than_any_organisation_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importer, "MAX_FILES", 3)
    for number in range(4):
        write(tmp_path, f"{number}.md", "")
    with pytest.raises(TooManyFilesError):
        list(article_files([tmp_path]))


GOOD = article(sections={"procedure": "1. x\n\n   ```powershell\n   Get-Service RasMan\n   ```"})


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good article with some of its bytes replaced, taken out or doubled."""
    content = bytearray(GOOD.encode())
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 20)))
        content[start:end] = draw(st.binary(max_size=30))
    return bytes(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=400) | damaged())
def test_any_bytes_are_taken_in_or_refused(opened: Library, tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path, "any.md", content)
    (outcome,) = import_articles(opened, [path])
    assert bool(outcome.problems) is not bool(outcome.id)
    stored = opened.text_of("any", "ja")
    if outcome.id:
        assert stored is not None
        assert articles.parse(stored.text, "any").articles
    opened.remove("any")


FENCES = [
    "1. x\n\n   ```cmd\n   icacls C:\\VPN /grant Everyone:F\n   ```",
    "- x\n\n  ~~~~ cmd\n  echo ~~~\n  icacls C:\\VPN /grant Everyone:F\n  ~~~~",
    "````\nicacls C:\\VPN /grant Everyone:F\n```\n````",
    "- x\n  - y\n\n    ```bat\n    echo 1\n\n    icacls C:\\VPN /grant Everyone:F\n    ```",
    "- ```cmd\n  icacls C:\\VPN /grant Everyone:F\n  ```",
    "- x\n\n      icacls C:\\VPN /grant Everyone:F\n",
    "<!-- l2tp-doctor: allow everyone-full-control -- lab -->\n\n```cmd\nicacls C:\\x /grant Everyone:F\n```",
    "```powershell\nSet-Service RasMan -StartupType Disabled\n```\n\n- x\n\n  ```sh\n  ufw disable\n  ```",
]


@pytest.mark.parametrize("steps", FENCES)
def test_the_code_alone_is_judged_as_the_whole_file_is(steps: str) -> None:
    text = article(sections={"procedure": steps})
    source = Source("x", text, articles.parse(text, "x").articles)
    alone, whole = (lint_text(part, "markdown") for part in (importer._commands_of(source), text))
    assert [(one.line, one.rule, one.severity) for one in alone] == [
        (one.line, one.rule, one.severity) for one in whole
    ]


def test_a_refused_command_in_both_languages_is_told_once(library: Library, tmp_path: Path) -> None:
    steps = {"procedure": FENCES[0]}
    text = article(sections=steps) + "\n" + article("en", sections=steps)
    write(tmp_path, "ours.md", text)
    assert problems(taken_in(library, tmp_path)["ours.md"]) == [(line_of(text, "icacls"), "command-refused")]
