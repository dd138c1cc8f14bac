"""The documents say what the program does: generated ones are current, hand-written ones are checked."""

from __future__ import annotations

import enum
import re
import tomllib
from pathlib import Path

import pytest

from docs import make_all, make_causes, make_parts, make_state_diagrams
from l2tp_doctor.cli.problems import Exit
from l2tp_doctor.knowledge import cause_ids
from l2tp_doctor.network.liveness import CLOSED_UDP_PORT, CONTROL_PORTS
from l2tp_doctor.protocol.ikev1 import initiator, responder
from l2tp_doctor.report.json import decode

ROOT = Path(__file__).resolve().parents[2]
PAIRS = [("README.md", "README.ja.md"), ("docs/supported.md", "docs/supported.ja.md")]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("lab/*.md"))
)
IMAGES = sorted(path.name for path in (ROOT / "docs" / "images").glob("*.svg"))
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_GENERATED = re.compile(r"<!-- begin ([a-z-]+) -->.*?<!-- end -->", re.DOTALL)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return _FENCE.sub("", text)


# -- generated ---------------------------------------------------------------------------------------


def test_generated_documents_are_current() -> None:
    assert [path.name for path, _ in make_all.outdated()] == [], "run `make docs`"


@pytest.mark.parametrize(("module"), [initiator, responder])
def test_every_ike_handler_names_its_next_states(module: object) -> None:
    """A handler whose states the drawing cannot read would silently be missing from it."""
    table, states = vars(module)["TABLE"], vars(module)["State"]
    known = {"=", *(state.value for state in states)}
    for (state, happened), handler in table.items():
        found = make_state_diagrams.next_states(handler, states)
        assert found, (state, happened)
        assert found <= known


def test_every_state_of_the_initiator_is_drawn() -> None:
    edges = make_state_diagrams.ike_edges(initiator.TABLE, initiator.State)
    drawn = {edge.source for edge in edges} | {edge.target for edge in edges}
    states: type[enum.Enum] = initiator.State
    assert drawn == {state.value for state in states}


def test_every_cause_is_listed() -> None:
    listed = set(re.findall(r"^\| (?:\[)?`([a-z0-9-]+)`", make_causes.render(), re.MULTILINE))
    assert listed == set(cause_ids())


# -- two languages -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("english", "japanese"), PAIRS)
def test_both_languages_have_the_same_structure(english: str, japanese: str) -> None:
    def outline(name: str) -> list[str]:
        kinds = r"^(#+|- |\| |!\[|```\w*|<details>|<!-- begin [a-z-]+ -->)"
        return re.findall(kinds, read(name), re.MULTILINE)

    assert outline(english) == outline(japanese)


@pytest.mark.parametrize(("english", "japanese"), PAIRS)
def test_both_languages_show_the_same_code(english: str, japanese: str) -> None:
    def blocks(name: str) -> list[str]:
        return _FENCE.findall(_GENERATED.sub("", read(name)))

    assert blocks(english) == blocks(japanese)


@pytest.mark.parametrize(("english", "japanese"), PAIRS)
def test_both_languages_name_the_same_things(english: str, japanese: str) -> None:
    """Commands, options, tests and versions are not translated."""

    def names(name: str) -> set[str]:
        text = without_code(_GENERATED.sub("", read(name)))
        return set(re.findall(r"`[^`]+`", text)) | set(re.findall(r"\d+\.\d+[\w.+-]*", text))

    assert names(english) == names(japanese)


@pytest.mark.parametrize(("english", "japanese"), PAIRS)
def test_the_generated_parts_are_there(english: str, japanese: str) -> None:
    parts = _GENERATED.findall(read(english))
    assert parts == _GENERATED.findall(read(japanese))
    assert parts
    for name in parts:
        assert make_parts.part(name, "en").strip() in read(english)
        assert make_parts.part(name, "ja").strip() in read(japanese)


# -- what hand-written documents claim ---------------------------------------------------------------


@pytest.mark.parametrize("name", DOCUMENTS)
def test_relative_links_lead_somewhere(name: str) -> None:
    for link in _LINK.findall(without_code(read(name))):
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, link


def test_the_tests_named_as_proof_exist() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "integration").glob("*.py"))
    named = re.findall(r"`(test_\w+)`", read("docs/supported.md"))
    assert named
    assert [name for name in named if f"def {name}(" not in code] == []


def test_the_documented_exit_codes_are_the_programs() -> None:
    rows = re.findall(r"^\| (\d+) \|", read("docs/check-json.md"), re.MULTILINE)
    assert {int(row) for row in rows} == {int(code) for code in Exit}


def test_the_json_example_fits_the_contract() -> None:
    example = re.search(r"```json\n(.*?)```", read("docs/check-json.md"), re.DOTALL)
    assert example is not None
    result = decode(example[1].encode())
    assert result.causes[0].id in cause_ids()


def test_the_ports_said_to_be_tried_are_those_tried() -> None:
    said = re.search(r"\(TCP ([\d,\s]+) and UDP (\d+)\)", read("docs/privacy-and-secrets.md"))
    assert said is not None
    assert tuple(int(port) for port in said[1].split(",")) == CONTROL_PORTS
    assert int(said[2]) == CLOSED_UDP_PORT


def test_every_target_that_a_document_names_is_in_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    for name in DOCUMENTS:
        assert set(re.findall(r"\bmake ([a-z-]+)(?=`|\)|\s+#)", read(name))) <= targets, name


# -- pictures and lock files -------------------------------------------------------------------------


def test_the_readmes_show_pictures_that_exist() -> None:
    assert IMAGES
    for name in ("README.md", "README.ja.md"):
        assert re.search(r"!\[[^\]]+\]\(docs/images/[a-z.]+\.svg\)", read(name))


@pytest.mark.parametrize("name", IMAGES)
def test_a_picture_fetches_nothing(name: str) -> None:
    addresses = re.findall(r"https?://[^\"\s<]+", read(f"docs/images/{name}"))
    assert set(addresses) == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", ["build", "runtime", "dev", "fuzz"])
def test_lock_files_pin_every_package_by_hash_and_name_no_place(name: str) -> None:
    text = read(f"requirements/{name}.txt")
    assert not re.search(r"https?:|file:/|^-", text, re.MULTILINE)
    entries = re.split(r"\n(?=[a-z])", re.sub(r"(?m)^\s*#.*\n?", "", text).strip())
    assert all(re.match(r"[a-z0-9-]+==\S+ \\\n\s+--hash=sha256:", entry) for entry in entries)


def test_the_lock_files_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads(read("pyproject.toml"))
    wanted = {
        "runtime": project["project"]["dependencies"],
        "dev": project["project"]["optional-dependencies"]["dev"],
        "build": project["build-system"]["requires"],
    }
    for name, requirements in wanted.items():
        locked = set(re.findall(r"^([a-z0-9-]+)==", read(f"requirements/{name}.txt"), re.MULTILINE))
        asked = {re.split(r"[><=~\[ ]", item)[0].lower().replace("_", "-") for item in requirements}
        assert asked <= locked, name


def test_the_lock_files_agree() -> None:
    pins: dict[str, set[str]] = {}
    for name in ("build", "runtime", "dev", "fuzz"):
        for package, version in re.findall(
            r"^([a-z0-9-]+)==(\S+)", read(f"requirements/{name}.txt"), re.MULTILINE
        ):
            pins.setdefault(package, set()).add(version)
    assert {package: found for package, found in pins.items() if len(found) > 1} == {}
    assert pins
