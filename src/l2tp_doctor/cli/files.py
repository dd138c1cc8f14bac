"""Files the user names: checked before the dial, written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from l2tp_doctor.cli.problems import UsageProblemError


def check_writable(path: Path) -> None:
    """Makes sure that ``path`` can be written later.

    Raises:
        UsageProblemError: a directory, a missing or unwritable folder, or a file that is write-protected.
    """
    if path.is_dir():
        raise UsageProblemError("file.is_directory", path=path)
    folder = path.parent
    if not folder.is_dir():
        raise UsageProblemError("file.no_folder", path=path, folder=folder)
    if path.exists() and not os.access(path, os.W_OK):
        raise UsageProblemError("file.not_writable", path=path, reason="permission denied")
    if _is_special(path):
        return
    try:
        handle, probe = tempfile.mkstemp(prefix=".l2tp-doctor-", dir=folder)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageProblemError("file.not_writable", path=path, reason=reason) from None
    os.close(handle)
    Path(probe).unlink()


def write_atomically(path: Path, content: bytes) -> None:
    """Replaces ``path`` by ``content`` in one step, so that no reader sees half a file.

    The file is readable by its owner only: a capture tells who dialled what.

    Raises:
        OSError: the disk is full, or the folder has gone.
    """
    if _is_special(path):
        path.write_bytes(content)
        return
    handle, temporary = tempfile.mkstemp(prefix=".l2tp-doctor-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _is_special(path: Path) -> bool:
    """Whether it is a device or a pipe: to be written into, and never to be replaced by a file."""
    return path.exists() and not path.is_file()
