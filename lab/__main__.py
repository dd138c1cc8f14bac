"""``python -m lab install | check | list | clean``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from lab import install, registry

_USAGE = "usage: python -m lab install | check | list | clean"


def main(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status (0 done, 1 not possible here, 2 usage)."""
    commands = {"install": _install, "check": _check, "list": _list, "clean": _clean}
    if len(arguments) != 1 or arguments[0] not in commands:
        print(_USAGE, file=sys.stderr)
        return 2
    return commands[arguments[0]]()


def _install() -> int:
    try:
        brought = install.install()
    except install.InstallError as error:
        print(f"the lab cannot run here: {error}", file=sys.stderr)
        return 1
    print(f"installed: {' '.join(brought)}" if brought else "everything is there")
    return 0


def _check() -> int:
    found = install.problems() + install.libreswan_problems()
    for sentence in found:
        print(sentence, file=sys.stderr)
    return 1 if found else 0


def _list() -> int:
    runs = sorted(entry.name for entry in registry.RUN_ROOT.iterdir()) if registry.RUN_ROOT.is_dir() else []
    for run_id in runs:
        state = "running" if registry.owner_lives(run_id) else "dead"
        print(f"{run_id}\t{state}\t{len(registry.namespaces_of(run_id))} namespaces")
    return 0


def _clean() -> int:
    for run_id in registry.clean_dead_runs():
        print(f"removed what {run_id} had left")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
