"""Gets a gateway ready for the next test, the quickest way there is."""

from __future__ import annotations

from lab.linux_gateway import Change, LinuxGateway, OptionsT
from lab.namespaces import LabError
from lab.softether import SoftEther

HANDOVER_SECONDS = 0.3
"""A gateway that still holds something after this long is restarted: half-open SAs live for 10 s."""


def prepare(gateway: LinuxGateway[OptionsT], **changes: Change) -> None:
    """Give a Linux gateway the standard configuration with these changes, and nothing of an earlier test."""
    gateway.configure(type(gateway.options)(), **changes)
    try:
        gateway.wait_clean(HANDOVER_SECONDS)
    except LabError:
        gateway.reset()


def prepare_softether(gateway: SoftEther) -> None:
    """Let SoftEther hold nothing of an earlier test."""
    try:
        gateway.wait_clean(HANDOVER_SECONDS)
    except LabError:
        gateway.restart()
