"""The machine-readable contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from l2tp_doctor.report.json import check_result, decode, encode, json_schema
from tests.report import samples

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "check.schema.json"
OLD_REPORT = Path(__file__).parent / "data" / "check-0.1.0.json"

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "integer": (int,),
    "number": (int, float),
}


def problems(value: object, schema: dict[str, Any], root: dict[str, Any], at: str = "$") -> list[str]:
    """A validator for the part of JSON Schema that the file uses, written apart from its generator."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return problems(value, root["$defs"][name], root, at)
    if "anyOf" in schema:
        found = [problems(value, option, root, at) for option in schema["anyOf"]]
        return [] if any(not option for option in found) else [f"{at}: fits none"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is not in the list"]
    kinds = schema.get("type", [])
    allowed = tuple(kind for name in ([kinds] if isinstance(kinds, str) else kinds) for kind in KINDS[name])
    if allowed and (not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed)):
        return [f"{at}: {type(value).__name__}"]
    found_in: list[str] = []
    if isinstance(value, dict):
        found_in += [f"{at}.{name}: missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name not in schema.get("properties", {}):
                found_in.append(f"{at}.{name}: unknown")
            else:
                found_in += problems(item, schema["properties"][name], root, f"{at}.{name}")
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for position, item in enumerate(value):
            found_in += problems(item, schema["items"], root, f"{at}[{position}]")
    return found_in


def encoded(name: str) -> dict[str, Any]:
    measurement, diagnosis = getattr(samples, name)()
    value: dict[str, Any] = json.loads(encode(check_result(measurement, diagnosis, samples.fake_cause)))
    return value


def test_the_committed_schema_is_current() -> None:
    """Write it again with: python -m tests.report.test_json."""
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == json_schema()


@pytest.mark.parametrize("name", ["healthy", "blocked_4500", "wrong_password", "ambiguous"])
def test_output_fits_the_committed_schema(name: str) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert problems(encoded(name), schema, schema) == []


def test_the_validator_sees_what_does_not_fit() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    wrong = encoded("healthy") | {"verdict": "fine", "elapsed_seconds": "3", "extra": 1}
    assert len(problems(wrong, schema, schema)) == 3


def test_the_object_is_the_documented_one() -> None:
    value = encoded("blocked_4500")
    assert list(value) == [
        "schema_version", "target", "verdict", "stage", "windows_error", "causes", "warnings",
        "observations", "timeline", "elapsed_seconds", "interrupted", "started_at",
    ]  # fmt: skip
    assert value["schema_version"] == 1
    assert value["target"] == {"host": "vpn.example.com", "address": "192.0.2.1"}
    assert value["windows_error"] == {"code": 809, "name": "ERROR_VPN_TIMEOUT"}
    assert value["causes"][0] == {
        "id": "udp-4500-blocked",
        "probability": 0.93,
        "title": {"ja": "題名 udp-4500-blocked", "en": "title of udp-4500-blocked"},
        "evidence": ["obs-1", "obs-2", "obs-8"],
        "fixes": ["open-udp-4500"],
    }
    assert value["observations"][1] == {
        "id": "obs-2", "name": "udp4500.reply", "value": False, "at": 0.1, "source": "probe:dial",
    }  # fmt: skip
    assert value["timeline"][0] == {
        "at": 0.0, "direction": "out", "layer": "isakmp",
        "summary": "Main Mode 1: SA(5 transforms), 8×VENDOR_ID", "bytes": 408,
    }  # fmt: skip


def test_unmeasured_is_null_with_its_reason() -> None:
    rows = encoded("blocked_4500")["observations"]
    (row,) = [row for row in rows if row["name"] == "native_esp.available"]
    assert row["value"] is None
    assert row["reason"] == "needs CAP_NET_RAW"


def test_a_list_stays_a_list_and_packets_are_pointed_at() -> None:
    rows = {row["name"]: row for row in encoded("blocked_4500")["observations"]}
    assert rows["ike.vendor_ids"]["value"] == ["RFC 3947", "DPD"]
    assert rows["experiment.main_4500.reply"]["packets"] == [3, 4]


def test_what_is_written_can_be_read() -> None:
    measurement, diagnosis = samples.healthy()
    result = check_result(measurement, diagnosis, samples.fake_cause)
    assert decode(encode(result)) == result


def test_a_report_of_an_earlier_version_still_parses() -> None:
    result = decode(OLD_REPORT.read_bytes())
    assert result.verdict == "faulty"
    assert result.causes[0].id == "udp-4500-blocked"
    assert result.observations[0].value is True


if __name__ == "__main__":
    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    SCHEMA.write_text(text + "\n", encoding="utf-8")
