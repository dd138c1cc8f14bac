"""Commands in a network namespace of their own, with nothing but a loopback interface."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence

import pytest


def isolated(command: Sequence[str]) -> list[str]:
    """Returns the command line that runs ``command`` there."""
    script = 'ip link set lo up && exec "$@"'
    return ["unshare", "--net", "sh", "-c", script, "sh", *command]


def why_not() -> str:
    """Returns why this process may not make a namespace, or an empty string."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux'"
    if os.geteuid() != 0:
        return "needs root"
    missing = [tool for tool in ("unshare", "ip") if shutil.which(tool) is None]
    return f"needs {', '.join(missing)}" if missing else ""


def need_namespaces() -> None:
    """Skips on a developer's machine; fails in CI, where a skipped test would look like a passed one."""
    reason = why_not()
    if reason and os.environ.get("CI", "").lower() == "true" and sys.platform.startswith("linux"):
        pytest.fail(f"CI must run these: {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)
