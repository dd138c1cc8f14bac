"""What the lab needs on the machine: check it, and as root on Debian bring it."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"
"""Loaded before a program, it makes that program's clock a wrong one."""

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
    "chrony": "/usr/sbin/chronyd",
    "libfaketime": FAKETIME,
}
"""Debian package → a file of it that proves that it is there."""

PEERS = {"nmap": "/usr/bin/nmap"}
"""What only ``python -m lab run --peers`` can use; installed when asked for."""

DIRECTORIES = ("/lib/modules", "/var/lib/softether", "/var/log/softether", "/run/softether")
"""Mount points that must exist: the gateways mount over them, each in a mount namespace of its own."""

LIBRESWAN_ROOT = Path("/var/cache/l2tp-lab/libreswan")
"""Where Libreswan is unpacked.  It is not installed: its package conflicts with strongSwan's."""
LIBRESWAN_LIBRARIES = "usr/lib/x86_64-linux-gnu"
"""Libraries below that directory: those that the machine itself does not have."""
LIBRESWAN_SERIES = "4."
"""The lab is written for this one: 5.0 has other defaults and other options."""

_PLUTO = "usr/libexec/ipsec/pluto"
_CERTUTIL = "usr/bin/certutil"
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


def libreswan_problems(root: Path = LIBRESWAN_ROOT) -> list[str]:
    """Return, one sentence each, why the Libreswan gateway cannot run here now; empty when it can."""
    wanted = [(root / _PLUTO, "--version"), (root / _CERTUTIL, "-H")]
    if not all(program.exists() for program, _ in wanted):
        return ["Libreswan is missing (python -m lab install)"]
    answers = [
        subprocess.run(
            [program, option],
            env={**os.environ, "LD_LIBRARY_PATH": str(root / LIBRESWAN_LIBRARIES)},
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        for program, option in wanted
    ]
    found = [
        f"{done.args[0]} does not start: {done.stderr.strip()}"
        for done in answers
        if "while loading" in done.stderr
    ]
    version = answers[0].stdout.strip()
    if not found and not version.startswith(f"Libreswan {LIBRESWAN_SERIES}"):
        found.append(f"Libreswan {LIBRESWAN_SERIES}x is needed, and here is {version!r}")
    return found


def install(*, peers: bool = False) -> list[str]:
    """Bring what is missing; return the packages that were installed.  Quick when all is there.

    Args:
        peers: also the tools that the product is compared with.

    Raises:
        InstallError: something is missing that cannot be brought here.
    """
    if os.geteuid() != 0:
        raise InstallError("; ".join(problems()))
    packages = missing_packages()
    if peers:
        packages += [package for package, proof in PEERS.items() if not Path(proof).exists()]
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
    if libreswan_problems():
        _bring_libreswan()
        packages = [*packages, "libreswan"]
    left = problems() + libreswan_problems()
    if left:
        raise InstallError("; ".join(left))
    return packages


def _bring_libreswan() -> None:
    """Unpack Libreswan and the libraries it lacks into a directory of their own; nothing is installed."""
    if shutil.which("apt-get") is None:
        raise InstallError("not a Debian system: Libreswan cannot be brought")
    with tempfile.TemporaryDirectory(dir=_cache()) as scratch:
        try:
            _apt("download", "-q", *_libreswan_packages(), directory=scratch)
        except InstallError:
            _apt("update", "-q")  # the lists name versions that are no longer there
            _apt("download", "-q", *_libreswan_packages(), directory=scratch)
        root = Path(scratch, "root")
        for archive in sorted(Path(scratch).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", archive, root], check=True, timeout=_APT_TIMEOUT)
        found = libreswan_problems(root)
        if found:
            raise InstallError("; ".join(found))
        root.chmod(0o755)
        shutil.rmtree(LIBRESWAN_ROOT, ignore_errors=True)
        root.rename(LIBRESWAN_ROOT)


def _cache() -> Path:
    LIBRESWAN_ROOT.parent.mkdir(parents=True, exist_ok=True)
    return LIBRESWAN_ROOT.parent


def _libreswan_packages() -> list[str]:
    """Return Libreswan's package and those of the libraries and NSS tools that the machine does not have."""
    listing = _apt("install", "--simulate", "-q", "-y", "--no-install-recommends", "libreswan")
    names = [line.split()[1] for line in listing.splitlines() if line.startswith("Inst ")]
    libraries = {name for name in names if name.startswith("lib") and not name.endswith("-dev")}
    return sorted({"libreswan", "libnss3", "libnss3-tools"} | libraries)


def _apt(*arguments: str, directory: str | None = None) -> str:
    done = subprocess.run(
        ["apt-get", *arguments],
        cwd=directory,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_APT_TIMEOUT,
    )
    if done.returncode != 0:
        raise InstallError(f"apt-get {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


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
