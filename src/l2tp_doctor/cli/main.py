"""Entry point.  Imports nothing heavy: each command's own modules come when it runs."""

from __future__ import annotations

import sys


def run() -> None:
    """Runs the command line of this process and exits with its code."""
    arguments = sys.argv[1:]
    if arguments == ["--version"]:
        from l2tp_doctor import __version__

        sys.stdout.write(f"l2tp-doctor {__version__}\n")
        sys.exit(0)
    from l2tp_doctor.cli.commands import root

    root.main(arguments, prog_name="l2tp-doctor")


if __name__ == "__main__":
    run()
