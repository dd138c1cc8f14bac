"""Where files of this user's installation are kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

HOME_VARIABLE = "L2TP_DOCTOR_HOME"
"""Names a folder to use in place of the system's own choice."""


def data_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Returns the folder for this user's data; it need not exist yet.

    ``$XDG_DATA_HOME/l2tp-doctor`` on Linux, ``%LOCALAPPDATA%\\l2tp-doctor`` on Windows,
    ``~/Library/Application Support/l2tp-doctor`` on macOS, unless ``L2TP_DOCTOR_HOME`` names another.
    """
    chosen = (os.environ if environment is None else environment).get(HOME_VARIABLE)
    if chosen:
        return Path(chosen)
    from platformdirs import user_data_path

    return user_data_path("l2tp-doctor", appauthor=False)
