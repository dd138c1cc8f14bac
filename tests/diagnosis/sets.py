"""What each cause looks like from the client, written from protocol behaviour and field reports.

Every set says what a dial and its experiments would record; nothing here looks at the rules.
"""

from __future__ import annotations

from l2tp_doctor.observations import Observation, Value

Facts = dict[str, Value]


def observe(facts: Facts) -> list[Observation]:
    """Numbers and times facts in the order given."""
    return [
        Observation(f"obs-{number}", name, value, number / 10, "probe:test")
        for number, (name, value) in enumerate(facts.items(), start=1)
    ]


RESOLVED: Facts = {"resolve.ok": True, "resolve.addresses": ("192.0.2.1",)}
ALIVE: Facts = {"host.ping_reply": True, "host.ping_rtt": 0.02, "host.alive": True}
DEAD: Facts = {"host.ping_reply": False, "host.control_port_alive": False, "host.alive": False}
SILENT_1: Facts = {**RESOLVED, "udp500.reply": False, "ike.main.reply_2": False, "dial.connected": False}
SILENT_4500: Facts = {"udp4500.reply": False, "experiment.main_4500.reply": False}
TO_2: Facts = {**RESOLVED, "udp500.reply": True, "ike.main.reply_2": True, "dial.connected": False}
PSK: Facts = {"ike.main.selected": "AES_CBC_256/SHA1/MODP_2048/PSK"}
RSA: Facts = {"ike.main.selected": "AES_CBC_256/SHA1/MODP_2048/RSA_SIG"}
TO_4: Facts = {**TO_2, "ike.main.reply_4": True, "nat_t.supported": True, "nat.server_behind": False}
SILENT_5: Facts = {
    **TO_4,
    **PSK,
    "nat_t.floated": True,
    "ike.main.reply_6": False,
    "experiment.echo_500.reply": True,
}
OPEN_4500: Facts = {"experiment.main_4500.reply": True}
REFUSED_5: Facts = {**TO_4, **PSK, "nat_t.floated": True, "udp4500.reply": True, "ike.main.reply_6": False}
MAIN_UP: Facts = {
    **TO_4, **PSK, "nat_t.floated": True, "udp4500.reply": True, "ike.main.reply_6": True,
    "ike.main.hash_valid": True, "ike.main.established": True,
}  # fmt: skip
QUICK_UP: Facts = {
    **MAIN_UP,
    "ike.quick.reply_2": True,
    "ike.quick.established": True,
    "esp.encapsulation": "udp",
}
L2TP_UP: Facts = {
    **QUICK_UP,
    "esp.received": True,
    "l2tp.sccrp": True,
    "l2tp.icrp": True,
    "l2tp.established": True,
}
LCP_UP: Facts = {**L2TP_UP, "ppp.lcp.reply": True, "ppp.lcp.opened": True, "ppp.auth.required": "mschapv2"}
AUTH: Facts = {**LCP_UP, "ppp.auth.protocol": "mschapv2"}
HEALTHY: Facts = {
    **AUTH, "ppp.auth.result": "success", "ppp.ipcp.opened": True, "ppp.ipcp.address": "10.0.0.2",
    "tunnel.echo_reply": True, "path.sent": 20, "path.retransmissions": 0, "dial.connected": True,
}  # fmt: skip


def clear(name: str, after: str) -> Facts:
    return {"ike.notify.clear": name, "ike.notify.clear_after": after}


def encrypted(name: str, after: str) -> Facts:
    return {"ike.notify.encrypted": name, "ike.notify.encrypted_after": after}


NONE_ELSE: Facts = {"experiment.ikev2_500.reply": False, "experiment.aggressive.reply": "none"}
PSK_ONLY: tuple[str, ...] = ("AES_CBC_256/SHA2_256/MODP_2048/PSK",)
RSA_ONLY: tuple[str, ...] = ("AES_CBC_256/SHA1/MODP_2048/RSA_SIG",)
REPLY_1: Facts = {**RESOLVED, "udp500.reply": True, "ike.main.reply_2": False, "dial.connected": False}
NO_PROPOSAL: Facts = {**REPLY_1, **clear("NO_PROPOSAL_CHOSEN", "main-1")}

SETS: dict[str, tuple[str, str, Facts]] = {
    # case: (expected first cause, stage reached, what was observed)
    "nxdomain": ("name-not-resolved", "resolve", {"resolve.ok": False, "resolve.error": "not-found"}),
    "nothing alive": ("gateway-unreachable", "resolve", {**SILENT_1, **SILENT_4500, **DEAD}),
    "router says host unreachable": (
        "gateway-unreachable",
        "resolve",
        {
            **SILENT_1,
            "udp500.icmp": "host-unreachable",
            "udp500.icmp_from": "198.51.100.1",
            "host.alive": False,
        },
    ),
    "no route": (
        "gateway-unreachable",
        "resolve",
        {**RESOLVED, "route.error": "network-unreachable", "dial.connected": False},
    ),
    "500 silent, 4500 answers": (
        "udp-500-blocked",
        "reach",
        {**SILENT_1, **ALIVE, **NONE_ELSE, "udp4500.reply": True, **OPEN_4500},
    ),
    "500 and 4500 silent, ping answers": (
        "udp-500-blocked",
        "reach",
        {**SILENT_1, **ALIVE, **NONE_ELSE, **SILENT_4500},
    ),
    "firewall says prohibited": (
        "udp-500-blocked",
        "reach",
        {**SILENT_1, "udp500.icmp": "admin-prohibited", "udp500.icmp_from": "198.51.100.1"},
    ),
    "firewall rejects with port unreachable": (
        "udp-500-blocked",
        "reach",
        {**SILENT_1, "udp500.icmp": "port-unreachable", "udp500.icmp_from": "198.51.100.1"},
    ),
    "gateway says port unreachable": (
        "ike-service-down",
        "reach",
        {
            **SILENT_1,
            **ALIVE,
            **SILENT_4500,
            "udp500.icmp": "port-unreachable",
            "udp500.icmp_from": "192.0.2.1",
            "udp4500.icmp": "port-unreachable",
            "udp4500.icmp_from": "192.0.2.1",
        },
    ),
    "4500 silent after message 5": ("udp-4500-blocked", "nat_t", {**SILENT_5, **SILENT_4500}),
    "4500 silent, gateway repeats message 4": (
        "udp-4500-blocked",
        "nat_t",
        {**SILENT_5, **SILENT_4500, "ike.main.duplicate_4": True},
    ),
    "4500 rejected": (
        "udp-4500-blocked",
        "nat_t",
        {**SILENT_5, **SILENT_4500, "udp4500.icmp": "admin-prohibited", "udp4500.icmp_from": "198.51.100.1"},
    ),
    "4500 silent behind NAT gateway": (
        "udp-4500-blocked",
        "nat_t",
        {**SILENT_5, **SILENT_4500, "nat.server_behind": True},
    ),
    "native esp dropped": (
        "esp-blocked",
        "esp",
        {
            **QUICK_UP,
            "esp.encapsulation": "native",
            "esp.received": False,
            "l2tp.sccrp": False,
            "experiment.esp_udp.received": True,
            "experiment.l2tp_udp.sccrp": True,
        },
    ),
    "large certificates lost": (
        "ike-fragments-dropped",
        "nat_t",
        {**SILENT_5, **RSA, **OPEN_4500, "experiment.small.reply": True, "experiment.padded.reply": False},
    ),
    "source port 500 mangled": (
        "ike-alg-interference",
        "reach",
        {**SILENT_1, **ALIVE, "experiment.source_500.reply": False, "experiment.source_other.reply": True},
    ),
    "answered from another source port only": (
        "ike-alg-interference",
        "reach",
        {
            **REPLY_1,
            **ALIVE,
            "source.port_500": True,
            "experiment.main_500.reply": True,
            "experiment.source_other.reply": True,
        },
    ),
    "only a reduced first message passes": (
        "ike-alg-interference",
        "reach",
        {**REPLY_1, **ALIVE, "experiment.main_500.reply": False, "experiment.small.reply": True},
    ),
    "reply from another address": (
        "ike-alg-interference",
        "reach",
        {**SILENT_1, **ALIVE, "udp500.reply_from": "192.0.2.99"},
    ),
    "fragmentation needed": (
        "path-mtu-blackhole",
        "ike_auth",
        {**SILENT_1, "udp500.icmp": "fragmentation-needed", "host.alive": True, "udp500.reply": True},
    ),
    "half of everything lost": (
        "packet-loss",
        "ike_main",
        {
            **TO_2,
            **PSK,
            "ike.main.reply_4": False,
            "path.loss": 0.55,
            "path.sent": 14,
            "path.retransmissions": 11,
        },
    ),
    "ikev2 only, IKEv1 dropped in silence": (
        "ikev1-disabled",
        "reach",
        {
            **REPLY_1,
            **ALIVE,
            "experiment.ikev2_500.reply": True,
            "experiment.aggressive.reply": "none",
            "experiment.transforms.accepted": (),
        },
    ),
    "invalid major version": (
        "ikev1-disabled",
        "reach",
        {**REPLY_1, **clear("INVALID_MAJOR_VERSION", "main-1")},
    ),
    "ikev2 only, IKEv1 refused": (
        "ikev1-disabled",
        "reach",
        {
            **NO_PROPOSAL,
            "experiment.transforms.accepted": (),
            "experiment.ikev2_500.reply": True,
            "experiment.ikev2_500.answer": "sa",
            "experiment.aggressive.reply": "NO_PROPOSAL_CHOSEN",
        },
    ),
    "aggressive only": (
        "main-mode-refused",
        "reach",
        {**REPLY_1, **ALIVE, "experiment.aggressive.reply": "sa"},
    ),
    "main mode refused by name": (
        "main-mode-refused",
        "reach",
        {**REPLY_1, **clear("AUTHENTICATION_FAILED", "main-1")},
    ),
    "main mode refused after identity": (
        "main-mode-refused",
        "ike_auth",
        {**REFUSED_5, **encrypted("AUTHENTICATION_FAILED", "main-5"), "experiment.aggressive.reply": "sa"},
    ),
    "sccrq unanswered": (
        "l2tp-service-down",
        "esp",
        {**QUICK_UP, "esp.received": False, "l2tp.sccrp": False},
    ),
    "sccrq unanswered, esp answered": (
        "l2tp-service-down",
        "esp",
        {**QUICK_UP, "esp.received": True, "l2tp.sccrp": False, "nat.client_behind": True},
    ),
    "pppd does not start": (
        "l2tp-service-down",
        "l2tp",
        {**L2TP_UP, "ppp.lcp.reply": False, "ppp.lcp.opened": False},
    ),
    "answers when asked later": (
        "gateway-overloaded",
        "reach",
        {**REPLY_1, **ALIVE, "experiment.main_500.reply": True, "path.rtt": 1.4},
    ),
    "no NAT-T and no way on": (
        "nat-t-unsupported",
        "ike_main",
        {**TO_2, **PSK, "ike.main.reply_4": True, "nat_t.supported": False, "native_esp.available": False},
    ),
    "no NAT-T, esp lost": (
        "nat-t-unsupported",
        "ike_quick",
        {
            **QUICK_UP,
            "nat_t.supported": False,
            "nat_t.floated": False,
            "esp.encapsulation": "native",
            "esp.received": False,
            "l2tp.sccrp": False,
        },
    ),
    "gateway behind NAT refuses its public address": (
        "server-behind-nat",
        "ike_auth",
        {
            **MAIN_UP,
            "nat.server_behind": True,
            "ike.quick.reply_2": False,
            **encrypted("INVALID_ID_INFORMATION", "quick-1"),
        },
    ),
    "two clients behind one NAT": (
        "same-nat-collision",
        "esp",
        {
            **QUICK_UP,
            "esp.received": False,
            "l2tp.sccrp": False,
            "nat.client_behind": True,
            "experiment.l2tp_ephemeral.sccrp": True,
        },
    ),
    "psk, strongSwan": ("psk-mismatch", "nat_t", {**REFUSED_5, **clear("PAYLOAD_MALFORMED", "main-5")}),
    "psk, hash": ("psk-mismatch", "nat_t", {**REFUSED_5, **clear("INVALID_HASH_INFORMATION", "main-5")}),
    "psk, undecryptable": ("psk-mismatch", "nat_t", {**REFUSED_5, "ike.main.undecryptable_reply": True}),
    "psk, Libreswan silent": (
        "psk-mismatch",
        "nat_t",
        {**SILENT_5, **OPEN_4500, "udp4500.reply": False, "ike.main.duplicate_4": True},
    ),
    "identity": (
        "peer-identity-rejected",
        "nat_t",
        {**REFUSED_5, **encrypted("AUTHENTICATION_FAILED", "main-5")},
    ),
    "identity, by id": (
        "peer-identity-rejected",
        "nat_t",
        {
            **REFUSED_5,
            **encrypted("INVALID_ID_INFORMATION", "main-5"),
            "experiment.aggressive.reply": "AUTHENTICATION_FAILED",
        },
    ),
    "wants certificates": (
        "auth-method-mismatch",
        "reach",
        {**NO_PROPOSAL, "ike.main.auth_offered": ("PSK",), "experiment.transforms.accepted": RSA_ONLY},
    ),
    "wants certificates, in silence": (
        "auth-method-mismatch",
        "reach",
        {**REPLY_1, **ALIVE, "ike.main.auth_offered": ("PSK",), "experiment.transforms.accepted": RSA_ONLY},
    ),
    "wants a key": (
        "auth-method-mismatch",
        "reach",
        {**NO_PROPOSAL, "ike.main.auth_offered": ("RSA_SIG",), "experiment.transforms.accepted": PSK_ONLY},
    ),
    "has no key at all": (
        "auth-method-mismatch",
        "ike_main",
        {**TO_2, **PSK, "ike.main.reply_4": False, **clear("INVALID_KEY_INFORMATION", "main-3")},
    ),
    "no proposal chosen": ("phase1-proposal-mismatch", "reach", {**NO_PROPOSAL, **NONE_ELSE}),
    "no proposal chosen, others work": (
        "phase1-proposal-mismatch",
        "reach",
        {**NO_PROPOSAL, "experiment.transforms.accepted": PSK_ONLY, "experiment.ikev2_500.reply": True},
    ),
    "no proposal chosen, IKEv2 refuses too": (
        "phase1-proposal-mismatch",
        "reach",
        {
            **NO_PROPOSAL,
            "experiment.transforms.accepted": (),
            "experiment.ikev2_500.reply": True,
            "experiment.ikev2_500.answer": "NO_PROPOSAL_CHOSEN",
        },
    ),
    "other proposals work in both modes": (
        "phase1-proposal-mismatch",
        "reach",
        {**NO_PROPOSAL, "experiment.transforms.accepted": PSK_ONLY, "experiment.aggressive.reply": "sa"},
    ),
    "SoftEther keeps silent, others work": (
        "phase1-proposal-mismatch",
        "reach",
        {**SILENT_1, **ALIVE, **NONE_ELSE, "experiment.transforms.accepted": PSK_ONLY},
    ),
    "quick mode refused": (
        "phase2-proposal-mismatch",
        "ike_auth",
        {**MAIN_UP, "ike.quick.reply_2": False, **encrypted("NO_PROPOSAL_CHOSEN", "quick-1")},
    ),
    "quick mode answered with delete": (
        "phase2-proposal-mismatch",
        "ike_auth",
        {**MAIN_UP, "ike.quick.reply_2": False, "ike.delete": "isakmp", "ike.delete_after": "quick-1"},
    ),
    "quick mode silent": ("phase2-proposal-mismatch", "ike_auth", {**MAIN_UP, "ike.quick.reply_2": False}),
    **{
        f"gateway certificate {problem}": (
            f"gateway-certificate-{problem}",
            "ike_auth",
            {
                **TO_4,
                **RSA,
                "ike.main.reply_6": True,
                "certificate.problem": problem,
                "certificate.subject": "CN=gw",
            },
        )
        for problem in ("expired", "not-yet-valid", "untrusted", "name-mismatch", "wrong-usage", "revoked")
    },
    "clock": (
        "clock-skew",
        "ike_auth",
        {**TO_4, **RSA, "certificate.problem": "not-yet-valid", "clock.skew_suspected": True},
    ),
    "no client certificate": (
        "client-certificate-missing",
        "ike_main",
        {**TO_4, **RSA, "certificate.client_problem": "missing"},
    ),
    "client certificate expired": (
        "client-certificate-expired",
        "ike_main",
        {**TO_4, **RSA, "certificate.client_problem": "expired"},
    ),
    "client certificate refused": (
        "client-certificate-rejected",
        "nat_t",
        {**REFUSED_5, **RSA, **encrypted("INVALID_CERT_AUTHORITY", "main-5")},
    ),
    "client certificate refused as failure": (
        "client-certificate-rejected",
        "nat_t",
        {**REFUSED_5, **RSA, **encrypted("AUTHENTICATION_FAILED", "main-5")},
    ),
    "stopccn": (
        "l2tp-call-rejected",
        "esp",
        {**QUICK_UP, "esp.received": True, "l2tp.sccrp": False, "l2tp.stopccn": "2/0 No cc config for Linux"},
    ),
    "cdn, no facilities": (
        "l2tp-call-rejected",
        "l2tp",
        {
            **QUICK_UP,
            "esp.received": True,
            "l2tp.sccrp": True,
            "l2tp.icrp": False,
            "l2tp.cdn": "4/0 busy",
            "l2tp.cdn_result": 4,
        },
    ),
    "691": (
        "ppp-credentials-rejected",
        "auth",
        {**AUTH, "ppp.auth.result": "failure", "ppp.auth.error": 691},
    ),
    "chap failure, then the tunnel is closed": (
        "ppp-credentials-rejected",
        "auth",
        {
            **AUTH,
            "ppp.auth.result": "failure",
            "l2tp.cdn": "3/0",
            "l2tp.stopccn": "1/0",
            "ppp.terminated": "authenticate",
        },
    ),
    "647": ("account-disabled", "auth", {**AUTH, "ppp.auth.result": "failure", "ppp.auth.error": 647}),
    "648": ("password-expired", "auth", {**AUTH, "ppp.auth.result": "failure", "ppp.auth.error": 648}),
    "646": ("account-restricted", "auth", {**AUTH, "ppp.auth.result": "failure", "ppp.auth.error": 646}),
    "649": ("account-restricted", "auth", {**AUTH, "ppp.auth.result": "failure", "ppp.auth.error": 649}),
    "wants pap only": (
        "ppp-auth-protocol-mismatch",
        "lcp",
        {
            **L2TP_UP,
            "ppp.lcp.reply": True,
            "ppp.lcp.opened": False,
            "ppp.auth.required": "pap",
            "ppp.auth.refused": ("pap",),
        },
    ),
    "no address": (
        "ppp-address-pool-exhausted",
        "ipcp",
        {**AUTH, "ppp.auth.result": "success", "ppp.ipcp.opened": False},
    ),
    "ipcp rejected": (
        "ppp-address-pool-exhausted",
        "ipcp",
        {
            **AUTH,
            "ppp.auth.result": "success",
            "ppp.ipcp.opened": False,
            "ppp.ipcp.rejected": "protocol-rejected",
        },
    ),
}
