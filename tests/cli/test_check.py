"""``check`` as a user meets it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from l2tp_doctor.cli.commands import root
from l2tp_doctor.knowledge import Profile
from l2tp_doctor.probes.interface import CheckRequest, Listener, Measurement
from l2tp_doctor.protocol.engine import Channel
from tests.cli.fake import FakeDial, install
from tests.report import samples

GATEWAY = "vpn.example.com"


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.delenv("L2TP_DOCTOR_TRACEBACK", raising=False)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(root, list(arguments), input=stdin, prog_name="l2tp-doctor")


def fake(monkeypatch: pytest.MonkeyPatch, name: str = "healthy") -> FakeDial:
    measurement, diagnosis = getattr(samples, name)()
    dial = FakeDial(measurement)
    install(monkeypatch, dial.measure, diagnosis)
    return dial


@pytest.mark.parametrize(
    ("name", "code"), [("healthy", 0), ("blocked_4500", 1), ("wrong_password", 1), ("ambiguous", 3)]
)
def test_exit_code_follows_the_verdict(monkeypatch: pytest.MonkeyPatch, name: str, code: int) -> None:
    fake(monkeypatch, name)
    assert run("check", GATEWAY).exit_code == code


def test_json_is_all_of_stdout_and_progress_is_on_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "blocked_4500")
    result = run("check", GATEWAY, "--json")
    assert json.loads(result.stdout)["verdict"] == "faulty"
    assert result.stderr.splitlines()[0].startswith("Dialling vpn.example.com as windows-11")
    assert "Main Mode 5" in result.stderr


@pytest.mark.parametrize(("language", "verdict"), [("ja", "接続できない"), ("en", "It fails")])
def test_report_is_on_stdout_in_the_chosen_language(
    monkeypatch: pytest.MonkeyPatch, language: str, verdict: str
) -> None:
    fake(monkeypatch, "blocked_4500")
    for arguments in (("check", GATEWAY, "--lang", language), ("--lang", language, "check", GATEWAY)):
        result = run(*arguments)
        assert verdict in result.stdout
        assert "Main Mode 5" in result.stdout  # nobody saw the ladder grow, so the report holds it


def test_verbose_and_why_add_packets_and_observations(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "blocked_4500")
    shown = run("check", GATEWAY, "--verbose", "--why").stdout
    assert "encryption AES_CBC" in shown
    assert "udp4500.reply = False" in shown


def test_the_request_holds_what_was_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dial = fake(monkeypatch)
    key = tmp_path / "psk.txt"
    key.write_text("test-psk\n", encoding="utf-8")
    monkeypatch.setenv("VPN_PASSWORD", "wonderland")
    result = run(
        "check", "[2001:db8::1]", "--profile", "windows-10", "--psk-file", str(key), "--user", "alice",
        "--password-env", "VPN_PASSWORD", "--ike-port", "10500", "--nat-t-port", "14500", "-6",
        "--nat-t", "forced", "--aggressive", "--budget", "12.5",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    (request,) = dial.requests
    assert (request.host, request.profile, request.family) == ("2001:db8::1", "windows-10", 6)
    assert (request.ike_port, request.nat_t_port, request.budget) == (10500, 14500, 12.5)
    assert (request.username, request.nat_t, request.aggressive) == ("alice", "forced", True)
    assert request.psk is not None
    assert request.psk.reveal() == b"test-psk"
    assert request.password is not None
    assert request.password.reveal() == b"wonderland"
    assert "VPN_PASSWORD" not in __import__("os").environ
    everything = result.stdout + result.stderr
    assert "test-psk" not in everything
    assert "wonderland" not in everything


BAD_INPUTS = [
    ["check"],
    ["chek", GATEWAY],
    ["check", GATEWAY, "other"],
    ["check", GATEWAY, "--bogus"],
    ["check", GATEWAY, "--psk", "hunter2"],
    ["check", GATEWAY, "--psk=hunter2"],
    ["check", GATEWAY, "--user", "a", "--password", "hunter2"],
    ["check", GATEWAY, "--profile", "Office"],
    ["check", GATEWAY, "--psk-file", "/no/such/file"],
    ["check", GATEWAY, "--psk-file", "/tmp"],
    ["check", GATEWAY, "--psk-env", "NO_SUCH_VARIABLE"],
    ["check", GATEWAY, "--psk-env", "A", "--psk-file", "b"],
    ["check", GATEWAY, "--psk-keyring", "nonsense"],
    ["check", GATEWAY, "--psk-file"],
    ["check", GATEWAY, "--password-env", "PATH"],
    ["check", GATEWAY, "--user", ""],
    ["check", GATEWAY, "--psk-file", "-", "--user", "a", "--password-file", "-"],
    ["check", GATEWAY, "--cert", "a.pem"],
    ["check", GATEWAY, "--ca", "/no/such.pem"],
    ["check", GATEWAY, "-4", "-6"],
    ["check", "192.0.2.1", "-6"],
    ["check", GATEWAY, "--ike-port", "0"],
    ["check", GATEWAY, "--ike-port", "70000"],
    ["check", GATEWAY, "--ike-port", "x"],
    ["check", GATEWAY, "--ike-port", "4500"],
    ["check", GATEWAY, "--nat-t", "maybe"],
    ["check", GATEWAY, "--budget", "0"],
    ["check", GATEWAY, "--budget", "61"],
    ["check", GATEWAY, "--budget", "nan"],
    ["check", GATEWAY, "--lang", "fr"],
    ["check", GATEWAY, "--pcap", "/tmp"],
    ["check", GATEWAY, "--pcap", "/no/such/folder/x.pcapng"],
    ["check", GATEWAY, "--pcap", "/tmp/l2tp-doctor-x", "--pcap-decrypted", "/tmp/l2tp-doctor-x"],
    ["check", ""],
    ["check", "https://vpn.example.com/"],
    ["check", "vpn.example.com:500"],
    ["check", "1.2.3.400"],
    ["check", "a b"],
]


@pytest.mark.parametrize("arguments", BAD_INPUTS, ids=lambda arguments: " ".join(arguments[1:]) or "nothing")
@pytest.mark.parametrize("language", ["ja", "en"])
def test_bad_input_is_one_line_and_exit_2(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], language: str
) -> None:
    dial = fake(monkeypatch)
    result = run("--lang", language, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert result.stderr.startswith("エラー" if language == "ja" else "error")
    assert "hunter2" not in result.stderr
    assert dial.requests == []


def test_an_unknown_profile_lists_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch)
    assert "windows-10, windows-11" in run("check", GATEWAY, "--profile", "Office").stderr


def test_our_own_crash_is_not_a_vpn_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def measure(_request: CheckRequest, _profile: Profile, _listener: Listener) -> Measurement:
        raise RuntimeError("quotes a hunter2")

    install(monkeypatch, measure)
    result = run("check", GATEWAY)
    assert result.exit_code == 3
    assert result.stdout == ""
    last = result.stderr.splitlines()[-1]
    assert "bug in l2tp-doctor" in last
    assert "RuntimeError" in last
    assert "Traceback" not in result.stderr
    assert "hunter2" not in result.stderr
    assert "Traceback" in run("check", GATEWAY, "--verbose").stderr


def test_a_machine_without_sockets_is_undetermined(monkeypatch: pytest.MonkeyPatch) -> None:
    async def measure(_request: CheckRequest, _profile: Profile, _listener: Listener) -> Measurement:
        raise PermissionError(13, "Permission denied")

    install(monkeypatch, measure)
    result = run("check", GATEWAY)
    assert result.exit_code == 3
    assert "nothing was measured (Permission denied)" in result.stderr
    assert "bug" not in result.stderr


def test_a_face_that_fails_does_not_cost_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "blocked_4500")

    def explode(*_: object) -> None:
        raise ValueError

    monkeypatch.setattr("l2tp_doctor.report.live.PlainProgress.on_trace", explode)
    result = run("check", GATEWAY)
    assert result.exit_code == 1
    assert "It fails" in result.stdout


def test_captures_are_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measurement, diagnosis = samples.healthy()
    packets = (samples.packet(Channel.IKE, samples.MAIN_1),)
    dial = FakeDial(
        samples.measurement("connected", measurement.observations, (), elapsed=1, packets=packets)
    )
    install(monkeypatch, dial.measure, diagnosis)
    paths = [tmp_path / "a.pcapng", tmp_path / "b.pcapng"]
    result = run("check", GATEWAY, "--pcap", str(paths[0]), "--pcap-decrypted", str(paths[1]))
    assert result.exit_code == 0
    assert all(path.read_bytes().startswith(b"\x0a\x0d\x0d\x0a") for path in paths)
    assert result.stderr.count("saved 1 packets") == 2
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.pcapng", "b.pcapng"]


def test_a_full_disk_costs_the_file_and_not_the_verdict(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(monkeypatch, "blocked_4500")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("l2tp_doctor.cli.files.write_atomically", full)
    result = run("check", GATEWAY, "--pcap", str(tmp_path / "a.pcapng"))
    assert result.exit_code == 1
    assert "No space left on device" in result.stderr
    assert "It fails" in result.stdout


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("arguments", [["--help"], [], ["check", "--help"]])
def test_help_is_in_both_languages_and_80_columns(language: str, arguments: list[str]) -> None:
    from rich.cells import cell_len

    for line in (["--lang", language, *arguments], [*arguments, "--lang", language]):
        result = run(*line)
        assert result.exit_code == 0
        assert ("使い方:" if language == "ja" else "Usage:") in result.stdout
        assert ("終了コード" if language == "ja" else "Exit codes") in result.stdout
        assert max(cell_len(shown) for shown in result.stdout.splitlines()) <= 80
        assert ".help" not in result.stdout  # no text key shows through


def test_the_language_of_the_system_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    assert "使い方" in run("--help").stdout


def test_a_user_without_a_password_is_not_asked_when_nobody_can_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dial = fake(monkeypatch)
    assert run("check", GATEWAY, "--user", "alice").exit_code == 0
    assert dial.requests[0].password is None


def test_a_secret_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    dial = fake(monkeypatch)
    assert run("check", GATEWAY, "--psk-file", "-", stdin="test-psk\nrest\n").exit_code == 0
    key = dial.requests[0].psk
    assert key is not None
    assert key.reveal() == b"test-psk"


def test_no_module_of_a_command_is_needed_for_another() -> None:
    assert set(root.modules) >= {"check", "demo", "practice"}
    assert all(name.startswith("l2tp_doctor.cli.") for name in root.modules.values())
    assert "l2tp_doctor" in sys.modules
