"""The closed vocabulary of observation names, each with the type of its value and what it means."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """One name of the vocabulary.

    Attributes:
        name: dotted name.
        type: type of the value when it was measured.
        meaning: what a reader of the JSON may rely on.
    """

    name: str
    type: type
    meaning: str

    def check(self, value: object) -> None:
        """Raises ``TypeError`` when ``value`` is neither ``None`` nor of this term's type."""
        if value is not None and (
            not isinstance(value, self.type) or (isinstance(value, bool) and self.type is not bool)
        ):
            raise TypeError(f"{self.name} takes {self.type.__name__}, got {type(value).__name__}")


def _vocabulary(*rows: tuple[str, type, str]) -> dict[str, Term]:
    terms = {name: Term(name, kind, meaning) for name, kind, meaning in rows}
    if len(terms) != len(rows):
        raise ValueError("an observation name is defined twice")
    return terms


VOCABULARY = _vocabulary(
    # The name and the way there.
    ("resolve.ok", bool, "The gateway's name (or literal address) gave at least one usable address."),
    ("resolve.addresses", tuple, "Every address the name resolved to, in the resolver's order."),
    (
        "resolve.error",
        str,
        "The resolver's reason: not-found, temporary-failure, no-address-of-family, timeout.",
    ),
    ("route.error", str, "Why this machine cannot send to the address at all: network-unreachable, …"),
    ("source.port_500", bool, "The dial left from UDP source port 500, as Windows' own does."),
    ("icmp_errors.available", bool, "This system lets us read ICMP errors for our datagrams."),
    ("native_esp.available", bool, "This process may send and receive IP protocol 50."),
    # Signs of life that have nothing to do with IKE.
    ("host.ping_reply", bool, "ICMP echo to the gateway's address was answered."),
    ("host.ping_rtt", float, "Its round-trip time in seconds."),
    (
        "host.control_port_alive",
        bool,
        "Any TCP port tried accepted or refused a connection, or a closed UDP port was answered by ICMP.",
    ),
    ("host.control_port", str, "Which one it was, e.g. tcp/443."),
    ("host.alive", bool, "Any sign of life at all from the gateway's address, on any protocol."),
    # UDP 500 and 4500 as paths.
    ("udp500.reply", bool, "Anything came back from the gateway's IKE port."),
    ("udp4500.reply", bool, "Anything came back from the gateway's NAT-T port."),
    (
        "udp500.icmp",
        str,
        (
            "ICMP error for a datagram to the IKE port: port-unreachable, protocol-unreachable, "
            "host-unreachable, network-unreachable, admin-prohibited, time-exceeded, "
            "reassembly-time-exceeded, fragmentation-needed, other."
        ),
    ),
    ("udp500.icmp_from", str, "Address that sent it."),
    ("udp4500.icmp", str, "As udp500.icmp, for the NAT-T port."),
    ("udp4500.icmp_from", str, "Address that sent it."),
    (
        "udp500.reply_from",
        str,
        "A reply with our cookie came from another address than the one dialled; this is that address.",
    ),
    ("udp4500.reply_from", str, "As udp500.reply_from, for the NAT-T port."),
    (
        "udp500.reply_port",
        int,
        "A reply with our cookie came from another port than the one asked; this is that port.",
    ),
    ("udp4500.reply_port", int, "As udp500.reply_port, for the NAT-T port."),
    ("path.rtt", float, "Smoothed round-trip time of IKE messages in seconds."),
    ("path.sent", int, "Request messages sent by the dial, retransmissions included."),
    ("path.retransmissions", int, "How many of them were retransmissions."),
    ("path.repeated", int, "How many different messages were sent more than once."),
    (
        "path.loss",
        float,
        "Of the requests answered in the end, the share of their transmissions that were lost (0 to 1).",
    ),
    (
        "path.hopeless",
        bool,
        "So much is lost that a path losing 65 % each way explains it far better than 30 %.",
    ),
    (
        "path.ping_loss",
        float,
        "Share of a row of pings that met no answer (0 to 1), made where the dial has shown loss.",
    ),
    # Hop by hop: packets whose hop limit runs out on the way, and who said so.
    (
        "hops.control",
        tuple,
        "Hops that answered ping or plain UDP, e.g. 3 198.51.100.1; not the silent ones.",
    ),
    ("hops.control_last", int, "The last of them."),
    ("hops.control_last_address", str, "Its address."),
    ("hops.distance", int, "The smallest hop limit with which the gateway's address itself was reached."),
    ("hops.ike_500", tuple, "As hops.control, for Main Mode message 1 to the IKE port."),
    (
        "hops.ike_500_last",
        int,
        "The last hop that these packets reached; 0 when not even the first router answered one.",
    ),
    ("hops.ike_500_last_address", str, "Its address."),
    (
        "hops.ike_500_next",
        str,
        "The first hop behind it that answered a control packet, e.g. 4 (198.51.100.1).",
    ),
    ("hops.ike_500_passed_by", tuple, "Which control packets got further than these: ping, UDP 53."),
    (
        "hops.ike_500_control_beyond",
        bool,
        "A router behind the last hop that these packets reached answered plain UDP at the same time.",
    ),
    (
        "hops.ike_500_to_last_router",
        bool,
        "These packets reached the last router before the gateway that answers at all.",
    ),
    ("hops.ike_500_refused", str, "The hop that answered one of them with another ICMP error."),
    ("hops.ike_4500", tuple, "As hops.control, for Main Mode message 1 to the NAT-T port."),
    (
        "hops.ike_4500_last",
        int,
        "The last hop that these packets reached; 0 when not even the first router answered one.",
    ),
    ("hops.ike_4500_last_address", str, "Its address."),
    (
        "hops.ike_4500_next",
        str,
        "The first hop behind it that answered a control packet, e.g. 4 (198.51.100.1).",
    ),
    ("hops.ike_4500_passed_by", tuple, "Which control packets got further than these: ping, UDP 53."),
    (
        "hops.ike_4500_control_beyond",
        bool,
        "A router behind the last hop that these packets reached answered plain UDP at the same time.",
    ),
    (
        "hops.ike_4500_to_last_router",
        bool,
        "These packets reached the last router before the gateway that answers at all.",
    ),
    ("hops.ike_4500_refused", str, "The hop that answered one of them with another ICMP error."),
    (
        "path.lossy",
        bool,
        "On some layer of the dial something was answered only after it had been sent again.",
    ),
    # Main Mode, message by message (RFC 2409 §5).
    ("ike.main.reply_2", bool, "Main Mode message 2 (SA) arrived."),
    ("ike.main.reply_4", bool, "Main Mode message 4 (KE, Nonce) arrived."),
    ("ike.main.reply_6", bool, "Main Mode message 6 (ID, HASH/SIG) arrived and could be decrypted."),
    ("ike.main.established", bool, "The ISAKMP SA is up: the peer's HASH or SIG was verified."),
    ("ike.main.selected", str, "The transform the gateway chose, e.g. AES_CBC_256/SHA1/MODP_2048/PSK."),
    ("ike.main.auth_offered", tuple, "Authentication methods the dial offered: PSK, RSA_SIG."),
    (
        "ike.main.undecryptable_reply",
        bool,
        "After message 5 an encrypted message arrived that our keys cannot decrypt.",
    ),
    (
        "ike.main.peer_established",
        bool,
        "While message 6 was missing, the gateway went on with phase 2, sealed with our keys.",
    ),
    ("ike.main.hash_valid", bool, "The gateway's HASH_R matched."),
    (
        "ike.main.duplicate_4",
        bool,
        "After message 5 the gateway kept sending message 4 again: it never took our message 5.",
    ),
    (
        "ike.main.needs_psk",
        bool,
        "The dial stopped because the next message needs a pre-shared key and none was given.",
    ),
    (
        "ike.main.needs_certificate",
        bool,
        "The gateway chose RSA signatures and no client certificate was given.",
    ),
    (
        "ike.notify.clear",
        str,
        "Unprotected NOTIFY from the gateway, by its name in RFC 2408 §3.14.1, e.g. NO_PROPOSAL_CHOSEN.",
    ),
    ("ike.notify.clear_after", str, "Which of our messages it followed: main-1, main-3, main-5, quick-1."),
    ("ike.notify.encrypted", str, "Protected NOTIFY from the gateway."),
    ("ike.notify.encrypted_after", str, "Which of our messages it followed."),
    ("ike.delete", str, "The gateway deleted an SA: isakmp or esp."),
    (
        "ike.delete_after",
        str,
        "Which of our messages or which stage it followed: main-5, quick-1, quick-3, l2tp …",
    ),
    ("ike.vendor_ids", tuple, "Vendor IDs the gateway sent, by name or in hex."),
    ("ike.fragmentation_supported", bool, "The gateway sent the FRAGMENTATION vendor ID."),
    # NAT-T (RFC 3947).
    ("nat_t.supported", bool, "The gateway sent a NAT-T vendor ID we share."),
    ("nat_t.forced", bool, "We sent a NAT-D hash that cannot match, to move to UDP 4500."),
    ("nat.client_behind", bool, "The gateway's NAT-D shows that our address or port is translated."),
    (
        "nat.server_behind",
        bool,
        "The gateway's NAT-D shows that its own address differs from the one dialled.",
    ),
    ("nat_t.floated", bool, "The exchange moved to UDP 4500."),
    # Certificates.
    (
        "certificate.problem",
        str,
        (
            "A problem of the gateway's certificate: expired, not-yet-valid, untrusted, name-mismatch, "
            "wrong-usage, revoked, signature-invalid, missing."
        ),
    ),
    ("certificate.subject", str, "Subject of the gateway's certificate."),
    (
        "certificate.client_problem",
        str,
        "Problem of our own certificate: missing, expired, not-yet-valid, no-key, wrong-usage.",
    ),
    (
        "ike.main.certificate_requested",
        bool,
        "With RSA signatures chosen, the gateway's messages 2 and 4 ask for an X.509 certificate (CERTREQ).",
    ),
    (
        "ike.main.certificate_authorities",
        tuple,
        "The authorities it names there; * stands for any.",
    ),
    (
        "certificate.client_issuer_requested",
        bool,
        "One of them issued our own certificate or one that follows it, or any will do.",
    ),
    (
        "certificate.revocation",
        str,
        "What a revocation list of its issuer says of the gateway's certificate: good or revoked.",
    ),
    (
        "certificate.crl_problem",
        str,
        (
            "Why a revocation list that was given cannot be used: stale, not-yet-valid, foreign, "
            "signature-invalid, unsupported, malformed."
        ),
    ),
    ("certificate.crl_urls", tuple, "Where the gateway's certificate says that its issuer's list is."),
    ("clock.skew_suspected", bool, "All certificate times are wrong in the same direction."),
    (
        "clock.gateway_days_ahead",
        float,
        "Days the gateway's clock is ahead of ours, as its own NTP service shows (negative: behind).",
    ),
    (
        "clock.gateway_synchronised",
        bool,
        "That service says that the gateway's clock follows a source.",
    ),
    ("clock.reference_days_ahead", float, "The same of the clock given with --ntp."),
    (
        "clock.wrong",
        str,
        (
            "Whose clock makes a certificate look out of its time: own, gateway, either (they differ, and no "
            "trusted clock was asked), none."
        ),
    ),
    # Quick Mode (RFC 2409 §5.5).
    ("ike.quick.reply_2", bool, "Quick Mode message 2 arrived and verified."),
    ("ike.quick.established", bool, "The IPsec SA pair is up."),
    ("ike.quick.selected", str, "The ESP transform chosen, e.g. AES_CBC_256/HMAC_SHA1_96/UDP-transport."),
    # ESP.
    ("esp.encapsulation", str, "udp or native."),
    ("esp.received", bool, "At least one ESP packet of our SA arrived and authenticated."),
    ("esp.sent", int, "ESP packets sent."),
    (
        "esp.other_sa",
        str,
        "ESP of the gateway arrived under an SA that is not this dial's but an earlier one's: native or udp.",
    ),
    ("esp.icmp", str, "As udp500.icmp, for native ESP."),
    ("esp.icmp_from", str, "Address that sent it."),
    # L2TP (RFC 2661).
    ("l2tp.sccrp", bool, "SCCRQ was answered by SCCRP."),
    ("l2tp.zlb_only", bool, "SCCRQ was acknowledged but never answered."),
    ("l2tp.stopccn", str, "StopCCN arrived: result/error codes and the peer's own words."),
    ("l2tp.stopccn_result", int, "Its result code."),
    ("l2tp.icrp", bool, "ICRQ was answered by ICRP."),
    ("l2tp.cdn", str, "CDN arrived: result/error codes and the peer's own words."),
    ("l2tp.cdn_result", int, "Its result code."),
    ("l2tp.established", bool, "Tunnel and session are up."),
    ("l2tp.peer", str, "Host name and vendor name the gateway gave."),
    # PPP.
    ("ppp.lcp.opened", bool, "LCP reached Opened."),
    ("ppp.lcp.reply", bool, "Anything was received on LCP."),
    (
        "ppp.auth.required",
        str,
        "Authentication protocol the gateway asked for first: pap, chap-md5, mschapv2, mschapv1, eap, none.",
    ),
    ("ppp.auth.protocol", str, "The one agreed on."),
    ("ppp.auth.refused", tuple, "Those the gateway asked for and the profile refuses."),
    (
        "ppp.auth.needs_credentials",
        bool,
        "The dial stopped because user name and password are needed and none were given.",
    ),
    ("ppp.auth.result", str, "success, failure or none (no verdict arrived)."),
    ("ppp.auth.error", int, "The code in the failure message (RFC 2759 §6): 646, 647, 648, 649, 691, 709."),
    ("ppp.auth.message", str, "The gateway's own words."),
    ("ppp.auth.server_authentic", bool, "The MS-CHAPv2 authenticator response matched."),
    ("ppp.terminated", str, "The gateway ended LCP: at which phase (establish, authenticate, network)."),
    ("ppp.ipcp.opened", bool, "IPCP reached Opened with an address."),
    ("ppp.ipcp.address", str, "The address assigned."),
    ("ppp.ipcp.dns", tuple, "DNS servers assigned."),
    ("ppp.ipcp.rejected", str, "Why IPCP failed: protocol-rejected, address-refused, no-answer."),
    ("ppp.ipv6cp.opened", bool, "IPV6CP reached Opened."),
    ("tunnel.echo_reply", bool, "ICMP echo through the tunnel to the peer's PPP address was answered."),
    ("tunnel.echo_rtt", float, "Its round-trip time in seconds."),
    (
        "tunnel.large_echo_reply",
        bool,
        "An ICMP echo as large as the negotiated MRU was answered through the tunnel.",
    ),
    # The dial as a whole.
    (
        "dial.connected",
        bool,
        "The dial reached an address and an answered echo (or an LCP echo where ICMP is filtered).",
    ),
    ("dial.clean_teardown", bool, "Session, tunnel and SAs were closed in order."),
    # Experiments, each a comparison with the dial.
    ("experiment.main_4500.reply", bool, "A fresh Main Mode sent straight to 4500 was answered."),
    ("experiment.main_500.reply", bool, "A fresh Main Mode to 500 was answered, asked again later."),
    (
        "experiment.echo_500.reply",
        bool,
        "After message 5 on 4500 stayed silent, another message on 500 was answered.",
    ),
    ("experiment.ikev2_500.reply", bool, "An IKEv2 SA_INIT to 500 was answered."),
    ("experiment.ikev2_500.answer", str, "With what: sa, or the NOTIFY name."),
    ("experiment.ikev2_4500.reply", bool, "An IKEv2 SA_INIT to 4500 was answered."),
    (
        "experiment.aggressive.reply",
        str,
        "An Aggressive Mode first message was answered: sa, or the NOTIFY name, or none.",
    ),
    ("experiment.transforms.accepted", tuple, "Which transforms, offered one by one, were accepted."),
    ("experiment.transforms.tried", tuple, "Which were offered."),
    (
        "experiment.key.reply_4",
        bool,
        "Main Mode with the pre-shared key in place of the certificate was answered up to message 4.",
    ),
    (
        "experiment.key.established",
        bool,
        "Main Mode with the pre-shared key in place of the certificate was completed.",
    ),
    ("experiment.key.refusal", str, "The NOTIFY that it met instead; undecryptable for one in another key."),
    ("experiment.source_500.reply", bool, "Main Mode from source port 500 was answered."),
    ("experiment.source_other.reply", bool, "Main Mode from an ephemeral source port was answered."),
    ("experiment.small.reply", bool, "A small Main Mode message 1 was answered."),
    (
        "experiment.padded.reply",
        bool,
        "The same, padded beyond the path MTU so that it fragments, was answered.",
    ),
    ("experiment.esp_udp.received", bool, "With NAT-T forced, ESP was answered."),
    ("experiment.esp_native.received", bool, "With native ESP, ESP was answered."),
    ("experiment.l2tp_udp.sccrp", bool, "With NAT-T forced, SCCRQ was answered."),
    (
        "experiment.l2tp_ephemeral.sccrp",
        bool,
        "SCCRQ from another UDP port than 1701, negotiated as such in Quick Mode, was answered.",
    ),
    ("experiment.l2tp_ephemeral.lcp", bool, "Over such a tunnel LCP opened."),
    # The path test with a reflector at the other end.
    ("reflect.answered", bool, "Any answer came back from the reflector, on any channel."),
    (
        "reflect.near_gateway",
        bool,
        "The reflector's address is the gateway's or in its network (the same /24, or /64 of IPv6).",
    ),
    ("reflect.udp500.arrived", bool, "A question to the IKE port arrived, as the reflector counts."),
    ("reflect.udp500.returned", bool, "An answer from the IKE port came back."),
    (
        "reflect.udp4500.arrived",
        bool,
        "A question to the NAT-T port in IKE's form arrived, as the reflector counts.",
    ),
    ("reflect.udp4500.returned", bool, "An answer from the NAT-T port in IKE's form came back."),
    (
        "reflect.esp_udp.arrived",
        bool,
        "A question to the NAT-T port in ESP's form arrived, as the reflector counts.",
    ),
    ("reflect.esp_udp.returned", bool, "An answer from the NAT-T port in ESP's form came back."),
    ("reflect.esp.arrived", bool, "A question to IP protocol 50 arrived, as the reflector counts."),
    ("reflect.esp.returned", bool, "An answer from IP protocol 50 came back."),
    (
        "reflect.fragments.arrived",
        bool,
        "Questions too large for one packet arrived in every such size, on each UDP channel that is open.",
    ),
    (
        "reflect.fragments.returned",
        bool,
        "Answers as large came back in every such size, on each UDP channel that brings small ones back.",
    ),
    ("reflect.fragments.seen", bool, "The reflector's system says that they arrived in fragments."),
    ("reflect.largest_arrived", int, "Bytes up to which every size arrived on every open channel."),
    (
        "reflect.largest_returned",
        int,
        "Bytes up to which every size was answered on every channel that brings any answer back.",
    ),
    ("reflect.nat.address_seen", str, "Our address as the reflector saw it."),
    ("reflect.nat.address_rewritten", bool, "That is not the address we sent from."),
    (
        "reflect.nat.source_port_rewritten",
        bool,
        "The reflector saw another UDP source port than we sent from.",
    ),
    ("reflect.payload_changed", bool, "A message arrived otherwise than it was sent, in either direction."),
    ("reflect.control.answered", bool, "The reflector answered on its TCP control port."),
    ("reflect.rtt", float, "Shortest round-trip time of a question in seconds."),
)
