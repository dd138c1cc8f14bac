"""What all tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from l2tp_doctor.storage.folder import HOME_VARIABLE


@pytest.fixture(autouse=True, scope="session")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps what the program remembers out of the developer's own files, in child processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(tmp_path_factory.mktemp("home")))
        yield
