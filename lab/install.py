"""What the lab needs on the machine: check it, and as root on Debian bring it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

PACKAGES = {
    "softether-vpnserver": "/usr/libexec/softether/vpnserver/vpnserver",
    "softether-vpncmd": "/usr/libexec/softether/vpncmd/vpncmd",
    "user-mode-linux": "/usr/bin/linux.uml",
    "kmod": "/sbin/modprobe",
    "iproute2": "/sbin/ip",
    "ppp": "/usr/sbin/pppd",
    "xl2tpd": "/usr/sbin/xl2tpd",
    "strongswan-starter": "/usr/sbin/ipsec",
    "libstrongswan-standard-plugins": "/usr/lib/ipsec/plugins/libstrongswan-openssl.so",
    "nftables": "/usr/sbin/nft",
    "tshark": "/usr/bin/tshark",
    "tcpdump": "/usr/bin/tcpdump",
    "ike-scan": "/usr/bin/ike-scan",
    "iputils-ping": "/bin/ping",
    "procps": "/bin/ps",
    "util-linux": "/usr/bin/unshare",
}
"""Debian package → a file of it that proves that it is there."""

DIRECTORIES = ("/lib/modules", "/var/lib/softether", "/var/log/softether", "/run/softether")
"""Mount points that must exist: the gateways mount over them, each in a mount namespace of its own."""

_POLICY = Path("/usr/sbin/policy-rc.d")
_TUN = Path("/dev/net/tun")
_APT_TIMEOUT = 900


class InstallError(RuntimeError):
    """The machine cannot run the lab; the message says what is missing."""


def missing_packages() -> list[str]:
    """Return the Debian packages that are not there."""
    return [package for package, proof in PACKAGES.items() if not Path(proof).exists()]


def problems() -> list[str]:
    """Return, one sentence each, why the lab cannot run here now; empty when it can."""
    found = []
    if os.geteuid() != 0:
        found.append("the lab makes network namespaces and must run as root")
    packages = missing_packages()
    if packages:
        found.append(f"Debian packages are missing: {' '.join(packages)} (python -m lab install)")
    found += [
        f"the directory {path} is missing (python -m lab install)"
        for path in DIRECTORIES
        if not Path(path).is_dir()
    ]
    if not _TUN.exists():
        found.append("/dev/net/tun is missing: the kernel has no tap devices")
    return found


def install() -> list[str]:
    """Bring what is missing; return the packages that were installed.  Quick when all is there.

    Raises:
        InstallError: something is missing that cannot be brought here.
    """
    if os.geteuid() != 0:
        raise InstallError("; ".join(problems()))
    packages = missing_packages()
    if packages:
        if shutil.which("apt-get") is None:
            raise InstallError(f"not a Debian system: install by hand what provides {' '.join(packages)}")
        with _no_service_starts():
            _apt("update", "-q")
            _apt("install", "-q", "-y", "--no-install-recommends", *packages)
    for path in DIRECTORIES:
        Path(path).mkdir(parents=True, exist_ok=True)
    if not _TUN.exists():
        _TUN.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            os.mknod(_TUN, 0o666 | stat.S_IFCHR, os.makedev(10, 200))
    left = problems()
    if left:
        raise InstallError("; ".join(left))
    return packages


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_APT_TIMEOUT,
    )
    if done.returncode != 0:
        raise InstallError(f"apt-get {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def _no_service_starts() -> Iterator[None]:
    """Keep package scripts from starting daemons: they would hold UDP 500 and 4500 of the machine itself."""
    if _POLICY.exists():
        # The administrator's own policy (containers have one) stays as it is.
        yield
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
