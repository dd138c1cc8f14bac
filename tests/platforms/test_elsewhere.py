"""Windows and macOS as far as Linux can play them, and what importing may do."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.platforms.command import ENVIRONMENT, ROOT, run, serve

PLATFORMS = ("win32", "darwin")


def elsewhere(platform: str) -> list[str]:
    return [sys.executable, "-m", "tests.platforms.elsewhere", platform, "run"]


def observations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in document["observations"]}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_module_imports(platform: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.platforms.elsewhere", platform, "imports"],
        capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_healthy_gateway_is_healthy(platform: str) -> None:
    with serve() as served:
        done = run(*served.target(), "--json", command=elsewhere(platform))
        assert done.returncode == 0, done.stderr.decode()
        assert b"Traceback" not in done.stderr
        document = json.loads(done.stdout)
        assert document["verdict"] == "healthy"
        seen = observations(document)
        assert seen["icmp_errors.available"]["value"] is False
        assert seen["native_esp.available"]["value"] is None
        assert "no permission for raw sockets" in seen["native_esp.available"]["reason"]
        assert seen["nat_t.forced"]["value"] is True
        assert served.wait_until(lambda status: status.empty)


@pytest.mark.parametrize(
    ("platform", "fault", "cause"),
    [
        ("win32", "udp-4500-blocked", "udp-4500-blocked"),
        ("darwin", "psk-mismatch", "psk-mismatch"),
        ("win32", "ike-service-down", None),
    ],
)
def test_the_same_cause_is_named(platform: str, fault: str, cause: str | None) -> None:
    with serve(fault) as served:
        done = run(*served.target(), "--json", command=elsewhere(platform))
        assert b"Traceback" not in done.stderr
        document = json.loads(done.stdout)
        named = [item["id"] for item in document["causes"]]
        if cause is not None:
            assert named[0] == cause
            assert done.returncode == 1
        else:
            # Without ICMP errors a closed port looks like a blocked one: nothing firm may be said wrongly.
            assert "psk-mismatch" not in named


@pytest.mark.parametrize("platform", PLATFORMS)
def test_insisting_on_native_esp_says_what_is_missing(platform: str) -> None:
    with serve() as served:
        done = run(*served.target(), "--nat-t", "native", command=elsewhere(platform))
    assert done.returncode == 3
    assert b"no permission for raw sockets" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_practice_command_serves(platform: str) -> None:
    done = run("practice", "--seconds", "1", command=elsewhere(platform))
    assert done.returncode == 0, done.stderr.decode()
    assert b"127.0.0.1" in done.stdout


def test_the_default_loop_of_windows_would_not_do() -> None:
    """The stand-in is a true one: without our own choice of loop the dial could not watch a socket."""
    code = (
        "import asyncio; from tests.platforms.elsewhere import ProactorLike;"
        "asyncio.set_event_loop_policy(ProactorLike());"
        "loop = asyncio.new_event_loop()\n"
        "try: loop.add_reader(0, print)\n"
        "except NotImplementedError: print('refused')\n"
        "finally: loop.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT, cwd=ROOT, timeout=20
    )
    assert done.stdout == "refused\n", done.stderr


HOOK = """
import importlib, pkgutil, sys
# The package above is ours too; its own imports are not what is looked at.
import l2tp_doctor, l2tp_doctor.protocol
seen = []
PREFIXES = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn",
            "os.remove", "os.rename", "os.mkdir", "shutil.", "tempfile.", "urllib.", "http.", "ftplib.")
def hook(event, arguments):
    if event == "open":
        path = str(arguments[0])
        if not path.endswith((".py", ".pyc", ".so", ".pyd")) and isinstance(arguments[0], (str, bytes)):
            seen.append(f"open {path}")
    elif event.startswith(PREFIXES):
        seen.append(event)
sys.addaudithook(hook)
for item in pkgutil.walk_packages(l2tp_doctor.protocol.__path__, "l2tp_doctor.protocol."):
    importlib.import_module(item.name)
banned = {"asyncio", "subprocess", "selectors", "rich", "click", "yaml"} & set(sys.modules)
print("\\n".join([*seen, *sorted(banned)]))
"""


def test_importing_the_protocol_touches_nothing_but_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOOK], capture_output=True, text=True, cwd=ROOT, timeout=60, env=ENVIRONMENT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
