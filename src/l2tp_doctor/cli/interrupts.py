"""Ctrl-C between the first line and the moment the event loop listens for it.

Modules load meanwhile, and a KeyboardInterrupt raised in the middle of an import may be swallowed
by whatever happens to run there.  Held back, the signal is delivered once it can be dealt with.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


def _mask(how: str) -> None:
    if hasattr(signal, "pthread_sigmask"):  # Windows has none, and keeps Python's own behaviour
        signal.pthread_sigmask(getattr(signal, how), {signal.SIGINT})


@contextmanager
def held() -> Iterator[None]:
    """Holds SIGINT back until :func:`release`, or until the block is left."""
    _mask("SIG_BLOCK")
    try:
        yield
    finally:
        release()


def release() -> None:
    """Lets SIGINT through, one that has come meanwhile included."""
    _mask("SIG_UNBLOCK")
