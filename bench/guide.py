"""The guide: importing a folder of articles, searching among them, and one article from a cold start."""

from __future__ import annotations

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bench.dialer import DOCTOR, BenchError, run
from bench.report import Section, Table, Target, milliseconds
from l2tp_doctor.guide.library import Library
from l2tp_doctor.knowledge.article_markdown import heading_of
from l2tp_doctor.knowledge.articles import SECTIONS
from l2tp_doctor.storage.database import FILE_NAME
from l2tp_doctor.storage.folder import HOME_VARIABLE

ARTICLES = 1000
TARGET_IMPORT = 10.0
TARGET_SEARCH = 0.05
TARGET_START = 1.0
_BYTES = 4_000  # of one article in one language; a file has two

QUESTIONS: Sequence[tuple[str, str]] = (
    ("809", "ja"),
    ("VPN 接続エラー 809", "ja"),
    ("拠点のルーターで UDP 4500 が遮断される", "ja"),
    ("証明書の期限が切れた", "ja"),
    ("error 789 after windows update", "en"),
    ("wrong preshared key l2tp", "en"),
    ("gateway behind nat only windows fails", "en"),
    ("certifcate expird radius", "en"),
)
_JAPANESE = """
ゲートウェイ/証明書/事前共有鍵/ファイアウォール/ルーター/拠点/サービス/再起動/設定/確認する/許可する/記録/接続/認証/期限/更新/手順/
担当者/監視/経路/遮断/イベント ビューアー/プロファイル/管理者/時刻/名前解決/IKE/ESP/NAT-T/RADIUS/UDP 4500
"""
_ENGLISH = """
gateway/certificate/pre-shared key/firewall/router/branch office/service/restart/setting/check/allow/record/
connection/authentication/expiry/update/procedure/person on duty/monitoring/path/blocked/event viewer/profile/
administrator/clock/name resolution/IKE/ESP/NAT-T/RADIUS/UDP 4500/the/of/and/is/on/with
"""
_WORDS: Mapping[str, Sequence[str]] = {
    "ja": _JAPANESE.replace("\n", "").split("/"),
    "en": _ENGLISH.replace("\n", "").split("/"),
}
_CODES = (691, 789, 809)
_TITLES: Mapping[str, str] = {"ja": "拠点 {number} の VPN 手順", "en": "VPN runbook of site {number}"}
_CODE = """
   ```powershell
   Get-Service RasMan, IKEEXT | Format-Table Name, Status, StartType
   Get-VpnConnection -Name "Site {number}" | Format-List Name, ServerAddress, TunnelType
   ```
"""

Say = Callable[[str], None]


def measure(*, repeats: int, say: Say) -> Section:
    """Measures everything in folders that are gone afterwards."""
    section = Section("guide", f"The guide, with {ARTICLES} articles of an organisation")
    with tempfile.TemporaryDirectory(prefix="l2tp-bench-") as directory:
        folder = Path(directory, "runbooks")
        size = _write_articles(folder)
        section.notes.append(
            f"{ARTICLES} files in two languages, {size / ARTICLES / 1000:.1f} kB each on average, generated"
        )
        home = Path(directory, "home")
        environment = {**os.environ, HOME_VARIABLE: str(home)}
        say(f"importing {ARTICLES} articles")
        imported = _process([DOCTOR, "guide", "import", str(folder)], environment)
        say("searching")
        searches = _searches(home / FILE_NAME, repeats)
        say("starting")
        fresh = _first_start(Path(directory), repeats)
        shown = _median(repeats, lambda: _process([DOCTOR, "guide", "809"], environment))
        found = _median(
            repeats, lambda: _process([DOCTOR, "guide", "wrong", "preshared", "key"], environment)
        )
    slowest = max(searches.values())
    table = Table("Processes", ("what", "time"))
    table.rows = [
        (f"guide import of {ARTICLES} articles", milliseconds(imported)),
        ("guide 809, the very first time", milliseconds(fresh)),
        ("guide 809", milliseconds(shown)),
        ("guide with words to search for", milliseconds(found)),
    ]
    searched = Table("Searches, median", ("words", "time"))
    searched.rows = [(words, milliseconds(value)) for words, value in searches.items()]
    section.tables += [table, searched]
    section.targets += [
        _target(f"import of {ARTICLES} articles", imported, TARGET_IMPORT),
        _target("search among them, the slowest", slowest, TARGET_SEARCH),
        _target("`guide 809` from a cold start", shown, TARGET_START),
        _target("`guide 809` the very first time", fresh, TARGET_START),
    ]
    section.data = {
        "bytes": size, "import": imported, "searches": searches, "first_start": fresh, "start": shown,
        "start_with_search": found,
    }  # fmt: skip
    return section


def _target(what: str, value: float, limit: float) -> Target:
    return Target(what, f"≤ {limit:g} s", f"{value:.3f} s", value <= limit)


def _process(argv: Sequence[str], environment: Mapping[str, str]) -> float:
    begin = time.perf_counter()
    done = run(argv, environment)
    took = time.perf_counter() - begin
    if done.returncode != 0:
        raise BenchError(f"{' '.join(argv)}: {(done.stderr or done.stdout)[-2000:]}")
    return took


def _median(repeats: int, call: Callable[[], float]) -> float:
    call()  # the first one reads files from the disk
    return statistics.median(call() for _ in range(repeats))


def _first_start(directory: Path, repeats: int) -> float:
    """Each in a home of its own: the library is made and the package's articles are indexed."""
    homes = iter(range(repeats + 1))
    command = [DOCTOR, "guide", "809"]
    return _median(
        repeats,
        lambda: _process(command, {**os.environ, HOME_VARIABLE: str(directory / f"home-{next(homes)}")}),
    )


def _searches(path: Path, repeats: int) -> dict[str, float]:
    found: dict[str, float] = {}
    with Library.open(path) as library:
        for words, language in QUESTIONS:
            times = []
            for _ in range(repeats + 1):
                begin = time.perf_counter()
                if not library.search(words, language):
                    raise BenchError(f"nothing found for {words}")
                times.append(time.perf_counter() - begin)
            found[words] = statistics.median(times[1:])
    return found


def _write_articles(folder: Path) -> int:
    """Writes the files, the same in every run; returns their bytes."""
    folder.mkdir()
    size = 0
    for number in range(ARTICLES):
        source = random.Random(number)
        content = "\n".join(_article(number, language, source) for language in ("ja", "en")).encode()
        (folder / f"site-{number:04}.md").write_bytes(content)
        size += len(content)
    return size


def _article(number: int, language: str, source: random.Random) -> str:
    share = _BYTES // len(SECTIONS)
    title = _TITLES[language].format(number=number)
    code = _CODES[number % len(_CODES)]
    sections = (
        f"## {heading_of(key, language)}\n" + "\n".join(_items(key, language, number, share, source))
        for key in SECTIONS
    )
    return (
        f'---\ntitle: "{title}"\nerrorText: "{title}"\ntags: [VPN, "site-{number}"]\n'
        f'updatedAt: "2026-11-22T00:00:00.000Z"\nlang: "{language}"\ncodes: [{code}]\n'
        "---\n\n" + "\n\n".join(sections) + "\n"
    )


def _items(key: str, language: str, number: int, size: int, source: random.Random) -> Iterator[str]:
    """Yields the lines of a section; the two languages of a file have the same links and code in each."""
    join = "" if language == "ja" else " "
    for place in range(4):
        words = (source.choice(_WORDS[language]) for _ in range(10_000))
        text = ""
        while len(text.encode()) < size // 4 - 40:
            text += next(words) + join
        match key, place:
            case "check", 0:
                yield f"- [{text.strip()}](check:services-running)"
            case "related", 0:
                yield f"- [{text.strip()}](case:site-{(number + 1) % ARTICLES:04})"
            case "procedure", _:
                yield f"{place + 1}. {text.strip()}\n{_CODE.format(number=number)}"
            case _:
                yield f"- {text.strip()}"
