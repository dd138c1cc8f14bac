"""``guide --last``: the article rewritten for what a real check found."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from l2tp_doctor.guide.document import Chapter, Document, Line, Status, build
from l2tp_doctor.guide.personal import LastCheck, Personal, case_for
from l2tp_doctor.knowledge import articles, cause, cause_ids, rulebook
from l2tp_doctor.knowledge.articles import parse
from tests.guide.last import HOST, kept, recorded

BLOCKED = "udp-4500-dropped-hop-2"


class Reader:
    """Reads articles for one last check."""

    def __init__(self, last: LastCheck, language: str = "en") -> None:
        self.last = last
        self._language = language

    def article(self, case_id: str) -> Document:
        parsed = parse(articles.bundled_text(case_id), case_id).articles
        found = next(item for item in parsed if item.language == self._language)
        return build(found, insight=Personal(self.last, self._language))

    def section(self, case_id: str, key: str) -> Chapter:
        return next(chapter for chapter in self.article(case_id).chapters if chapter.key == key)


class Read(Protocol):
    def __call__(self, name: str, language: str = "en", until: int | None = None) -> Reader: ...


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Read:
    def reader(name: str, language: str = "en", until: int | None = None) -> Reader:
        return Reader(kept(monkeypatch, tmp_path, recorded(name, until=until)), language)

    return reader


def linking(chapter: Chapter, entry_id: str) -> Line:
    return next(line for line in chapter.lines if any(entry.id == entry_id for entry in line.entries))


def test_the_report_of_a_check_is_read_back(read: Read) -> None:
    last = read(BLOCKED).last
    assert (last.host, last.verdict, last.windows_error) == (HOST, "faulty", 809)
    assert last.causes[0][0] == "udp-4500-blocked"
    assert "udp4500.reply" in last.measured


@pytest.mark.parametrize("language", ["ja", "en"])
def test_the_banner_names_the_gateway_the_cause_and_its_share(read: Read, language: str) -> None:
    reader = read(BLOCKED, language)
    banner = reader.article("809").banner
    assert HOST in banner[0]
    title = cause("udp-4500-blocked").title.get(language)
    assert title in banner[1]
    assert f"{round(reader.last.causes[0][1] * 100)} %" in banner[1]


def test_the_found_cause_is_first_with_its_proof_and_what_was_ruled_out_is_irrelevant(
    read: Read,
) -> None:
    chapter = read(BLOCKED).section("809", "causes")
    first, *others = chapter.lines
    assert (first.status, first.number) == (Status.FOUND, 1)
    assert any(cause("udp-4500-blocked").title.en in sentence for sentence in first.proof)
    assert "Windows update" in next(line.markdown for line in others if line.number == 7)
    assert all(line.status is Status.IRRELEVANT for line in others)


def test_a_cause_from_further_down_moves_to_the_front(read: Read) -> None:
    chapter = read("name-not-found").section("809", "causes")
    assert [line.number for line in chapter.lines][:3] == [8, 1, 2]
    assert chapter.lines[0].status is Status.FOUND


def test_done_checks_are_ticked_and_the_last_step_of_the_repair_is_not(read: Read) -> None:
    reader = read(BLOCKED)
    checks = reader.section("809", "check")
    for name in ("full-dial", "udp-500-4500"):
        assert linking(checks, name).status is Status.DONE
        assert linking(checks, name).proof
    assert linking(checks, "services-running").status is Status.IRRELEVANT
    again = linking(reader.section("809", "resolve"), "full-dial")
    assert again.status is Status.OPEN
    assert again.entries[0].status is Status.OPEN


def test_the_fix_of_the_found_cause_is_first_and_the_others_of_its_line_are_irrelevant(
    read: Read,
) -> None:
    first = read(BLOCKED).section("809", "resolve").lines[0]
    assert first.status is Status.FOUND
    assert [entry.id for entry in first.entries if entry.status is Status.FOUND] == ["open-udp-4500"]


def test_the_name_of_the_gateway_is_in_every_command(read: Read) -> None:
    document = read(BLOCKED).article("809")
    codes = [
        command.code
        for chapter in document.chapters
        for line in chapter.lines
        for entry in line.entries
        for command in entry.commands
    ]
    assert any(HOST in code for code in codes)
    assert not any("vpn.example.com" in code for code in codes)


def test_a_wrong_key_is_read_in_789(read: Read) -> None:
    reader = read("wrong-key")
    assert reader.last.causes[0][0] == "psk-mismatch"
    assert case_for(reader.last, articles.case_ids()) == "789"
    assert reader.section("789", "causes").lines[0].status is Status.FOUND
    assert any(
        entry.id == "set-psk" and entry.status is Status.FOUND
        for entry in reader.section("789", "resolve").lines[0].entries
    )


def test_after_a_healthy_check_windows_itself_is_suspected(read: Read) -> None:
    reader = read("healthy-aggressive")
    assert reader.last.verdict == "healthy"
    assert case_for(reader.last, articles.case_ids()) == "809"
    unseen = set(cause_ids()) - set(rulebook().rules)
    insight = Personal(reader.last, "en")
    for name in cause_ids():
        expected = Status.SUSPECTED if name in unseen else Status.IRRELEVANT
        assert insight.judge("cause", name).status is expected, name
    statuses = [line.status for line in reader.section("809", "causes").lines]
    assert statuses == sorted(statuses, key=[Status.SUSPECTED, Status.IRRELEVANT].index)
    assert {*statuses} == {Status.SUSPECTED, Status.IRRELEVANT}
    assert linking(reader.section("809", "check"), "services-running").status is Status.OPEN


def test_a_warning_is_in_the_banner_and_its_cause_suspected(read: Read) -> None:
    reader = read("udp-4500-dropped-server-behind-nat")
    title = cause("server-behind-nat").title.en
    assert any(title in sentence for sentence in reader.article("809").banner)
    statuses = {line.number: line.status for line in reader.section("809", "causes").lines}
    assert (statuses[1], statuses[2], statuses[3]) == (Status.FOUND, Status.SUSPECTED, Status.IRRELEVANT)


def test_after_an_undetermined_check_nothing_is_irrelevant(read: Read) -> None:
    reader = read("esp-dropped", until=20)
    assert reader.last.verdict == "undetermined"
    document = reader.article(case_for(reader.last, articles.case_ids()))
    assert document.case_id == "809"
    statuses = {line.status for chapter in document.chapters for line in chapter.lines}
    assert Status.IRRELEVANT not in statuses
    assert Status.FOUND not in statuses
    assert linking(document.chapters[2], "full-dial").status is Status.DONE


@pytest.mark.parametrize("language", ["ja", "en"])
def test_a_cause_the_article_does_not_list_is_added_with_its_fixes(read: Read, language: str) -> None:
    reader = read("nobody-assigns-addresses", language)
    name = reader.last.causes[0][0]
    added = reader.section("809", "causes").lines[0]
    assert cause(name).title.get(language) in added.markdown
    assert (added.status, added.number) == (Status.FOUND, None)
    resolve = reader.section("809", "resolve")
    assert [line.entries[0].id for line in resolve.lines[: len(cause(name).fixes)]] == list(cause(name).fixes)
    assert all(line.status is Status.FOUND for line in resolve.lines[: len(cause(name).fixes)])


def test_a_code_without_an_article_leads_to_one_that_lists_the_code_or_the_cause(read: Read) -> None:
    reader = read("gateway-expired")
    assert reader.last.windows_error == 810
    case_id = case_for(reader.last, [name for name in articles.case_ids() if name != "810"])
    linked = {link.target for item in reader_causes(case_id) for link in item.links}
    assert 810 in articles.bundled()[case_id]["en"].codes or "gateway-certificate-expired" in linked


def reader_causes(case_id: str) -> tuple[articles.Item, ...]:
    section = articles.bundled()[case_id]["en"].section("causes")
    assert section is not None
    return section.items


def test_a_code_nobody_lists_is_read_in_809() -> None:
    last = LastCheck("h", "now", "faulty", 99999, (("no-such-cause", 0.9),))
    assert case_for(last, articles.case_ids()) == "809"
