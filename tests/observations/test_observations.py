"""The closed vocabulary, and the log that keeps to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import l2tp_doctor
from l2tp_doctor.observations import Observation, ObservationLog
from l2tp_doctor.observations.vocabulary import VOCABULARY

SOURCES = Path(l2tp_doctor.__file__).parent


def emitted() -> set[str]:
    """The terms that stand as literals (or as their computed forms) where things are measured."""
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("probes", "network")
        for path in (SOURCES / folder).rglob("*.py")
    )
    found = {name for name in VOCABULARY if f'"{name}"' in text}
    # f"{port}.reply", f"ike.notify.{kind}_after", f"experiment.{prefix}.received"
    for pattern in re.findall(r'f"([a-z0-9_.{}]+)"', text):
        expression = re.escape(pattern).replace(r"\{", "{").replace(r"\}", "}")
        expression = re.sub(r"\{[^}]*\}", "[a-z0-9_]+", expression)
        found |= {name for name in VOCABULARY if re.fullmatch(expression, name)}
    return found


def test_every_term_is_measured_somewhere_or_known_not_to_be() -> None:
    assert set(VOCABULARY) - emitted() == set()


@pytest.mark.parametrize("name", VOCABULARY)
def test_a_term_is_dotted_words_with_a_meaning_and_a_type_of_json(name: str) -> None:
    term = VOCABULARY[name]
    assert re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", name)
    assert term.name == name
    assert term.type in (bool, int, float, str, tuple)
    assert term.meaning


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("resolve.ok", "yes"),
        ("resolve.ok", 1),
        ("path.sent", True),  # bool is an int to Python and not to a reader of the JSON
        ("path.sent", 1.0),
        ("path.rtt", 1),
        ("resolve.addresses", ["192.0.2.1"]),
        ("resolve.error", b"not-found"),
    ],
)
def test_a_value_of_another_type_is_a_mistake_of_ours(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=re.escape(name)):
        VOCABULARY[name].check(value)


@pytest.mark.parametrize("name", VOCABULARY)
def test_what_was_tried_and_not_measured_is_none(name: str) -> None:
    VOCABULARY[name].check(None)


def test_a_name_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(KeyError):
        ObservationLog().add("resolve.maybe", True, at=0.0, source="probe:dial")


def test_the_log_numbers_and_announces_in_order() -> None:
    heard: list[Observation] = []
    log = ObservationLog(heard.append)
    log.add("resolve.ok", True, at=0.5, source="probe:resolve")
    log.add("native_esp.available", None, at=1.0, source="probe:capabilities", reason="no permission")
    log.add("resolve.ok", False, at=2.0, source="probe:resolve", evidence=(3,))
    assert [item.id for item in log] == ["obs-1", "obs-2", "obs-3"]
    assert heard == list(log)
    assert len(log) == 3
    latest = log.latest("resolve.ok")
    assert latest is not None
    assert (latest.value, latest.evidence) == (False, (3,))
    assert log.latest("resolve.error") is None
