"""strongSwan + xl2tpd + pppd inside User-Mode Linux: the gateway most Linux servers are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.gateway import GATEWAY_ADDRESS
from lab.linux_gateway import LinuxGateway, LinuxOptions, bind_mounts

WINDOWS_IKE = (
    "aes256-sha1-ecp384,aes128-sha1-ecp256,aes256-sha1-modp2048,3des-sha1-modp2048,3des-sha1-modp1024"
)
WINDOWS_ESP = "aes256-sha1,aes128-sha1,3des-sha1"

# A fixed list of plugins: with all that may be installed (TPM, PKCS#11, …) charon starts in 7 s, not 0.3 s.
STRONGSWAN_CONF = """\
charon {
  load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp x509 constraints revocation \
    pubkey pkcs1 pkcs8 pem kernel-netlink socket-default stroke updown
  half_open_timeout = 10
  plugins { include strongswan.d/charon/*.conf }
  filelog { lab { path = /var/log/charon.log
    flush_line = yes
    time_format = %%H:%%M:%%S
    time_add_ms = yes
    default = 1
    ike = 2
    cfg = 2 } }
  %s
}
"""


@dataclass(frozen=True)
class StrongSwanOptions(LinuxOptions):
    """Everything a test may want different.

    Attributes:
        ike: phase 1 proposals in strongSwan's notation.
        esp: phase 2 proposals.
        dos_protection: charon's limit of 5 half-open SAs per client address, after which it stays silent.
            Off, because a test that follows another would meet the limit of the one before.
        charon: further text inside the ``charon { }`` section of strongswan.conf.
    """

    ike: str = WINDOWS_IKE
    esp: str = WINDOWS_ESP
    dos_protection: bool = False
    charon: str = ""

    def files(self) -> dict[str, str]:
        """Return the configuration files, by their place in the guest."""
        protection = f"dos_protection = {'yes' if self.dos_protection else 'no'}"
        # ``!`` makes the lists strict: without it strongSwan adds its own defaults.
        connection = [
            *(
                "keyexchange=ikev1",
                "authby=secret",
                "type=transport",
                f"left={GATEWAY_ADDRESS}",
                "right=%any",
            ),
            *("leftprotoport=17/1701", "rightprotoport=17/%any", "rekey=no", "auto=add"),
            *(f"ike={self.ike}!", f"esp={self.esp}!", *self.connection),
        ]
        return super().files() | {
            "/run/lab/ipsec.conf": "config setup\n uniqueids=no\nconn l2tp\n "
            + "\n ".join(connection)
            + "\n",
            "/run/lab/strongswan.conf": STRONGSWAN_CONF % f"{protection}\n  {self.charon}",
        }


CRLS = "/etc/ipsec.d/crls"
"""Where charon reads revocation lists when it starts; the guest has a directory of its own there."""
BIND_MOUNTS = (
    bind_mounts(
        *("ipsec.conf:/etc/ipsec.conf", "ipsec.secrets:/etc/ipsec.secrets"),
        "strongswan.conf:/etc/strongswan.conf",
    )
    + f"mount -t tmpfs crls {CRLS}\n"
)
START_CHARON = "ipsec start --nofork >/var/log/starter.log 2>&1 &"
STOP_CHARON = "ipsec stop >/dev/null 2>&1; true"


class StrongSwan(LinuxGateway[StrongSwanOptions]):
    """One running strongSwan + xl2tpd gateway; its services are ``charon`` and ``xl2tpd``."""

    name = "strongswan"
    daemon = "charon"
    logs = ("starter", "charon")
    set_up = BIND_MOUNTS
    start_ike = START_CHARON
    stop_ike = STOP_CHARON
    ask_ike = "timeout 5 ipsec statusall"

    def __init__(self, options: StrongSwanOptions | None = None) -> None:
        super().__init__(options or StrongSwanOptions())

    def ike_sas(self, answer: str) -> int:
        """Return how many ISAKMP SAs charon holds."""
        found = re.search(r"Security Associations \((\d+) up, (\d+) connecting\)", answer)
        return int(found[1]) + int(found[2]) if found else 0

    def loaded(self) -> bool:
        """Whether charon, which opens its ports first, has read its connections."""
        return "l2tp" in self.guest.run("timeout 5 ipsec statusall", check=False).stdout
