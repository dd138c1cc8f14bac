"""Real gateways for the integration tests: one of each per test session (per xdist worker)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from lab import install
from lab.libreswan import Libreswan
from lab.softether import SoftEther
from lab.strongswan import StrongSwan
from lab.topologies import Topology, topology
from tests.integration.handover import prepare, prepare_softether


def _refuse(reason: str) -> None:
    """Skip on a developer's machine; fail in CI, where a skipped lab would look like a passed one."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must run the lab: {reason}", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def lab_machine() -> None:
    """Make sure that this machine can run the lab."""
    found = install.problems()
    if found:
        _refuse("; ".join(found))


@pytest.fixture(autouse=True)
def _gateway_mark(request: pytest.FixtureRequest) -> None:
    """A test marked ``gateway`` needs the lab, whether it uses a fixture or not."""
    if request.node.get_closest_marker("gateway") is not None:
        request.getfixturevalue("lab_machine")


@pytest.fixture(scope="session")
def softether_gateway(lab_machine: None) -> Iterator[SoftEther]:
    """A SoftEther server, shared by all tests of this worker."""
    with SoftEther() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def strongswan_gateway(lab_machine: None) -> Iterator[StrongSwan]:
    """A strongSwan + xl2tpd gateway in User-Mode Linux, shared by all tests of this worker."""
    with StrongSwan() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def libreswan_gateway(lab_machine: None) -> Iterator[Libreswan]:
    """A Libreswan + xl2tpd gateway in User-Mode Linux, shared by all tests of this worker."""
    found = install.libreswan_problems()
    if found:
        _refuse("; ".join(found))
    with Libreswan() as gateway:
        yield gateway


@pytest.fixture
def softether_path(softether_gateway: SoftEther) -> Iterator[Topology]:
    """A straight path to a SoftEther server that holds nothing of an earlier test."""
    prepare_softether(softether_gateway)
    with topology(softether_gateway) as path:
        yield path


@pytest.fixture
def strongswan_path(strongswan_gateway: StrongSwan) -> Iterator[Topology]:
    """A straight path to a strongSwan gateway that holds nothing of an earlier test."""
    prepare(strongswan_gateway)
    with topology(strongswan_gateway) as path:
        yield path
