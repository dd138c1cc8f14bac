"""From what the dial's engines say to observations: one function an event, in a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from l2tp_doctor.probes import certificates
from l2tp_doctor.probes.run import Run
from l2tp_doctor.protocol import dial
from l2tp_doctor.protocol.engine import Channel
from l2tp_doctor.protocol.ikev1 import events as ike
from l2tp_doctor.protocol.ikev1.events import Step
from l2tp_doctor.protocol.l2tp import events as l2tp
from l2tp_doctor.protocol.ppp import events as ppp
from l2tp_doctor.protocol.tunnel_echo import EchoOutcome

SOURCE = "dial"

_REPLIES = {
    Step.MAIN_1: "ike.main.reply_2",
    Step.MAIN_3: "ike.main.reply_4",
    Step.MAIN_5: "ike.main.reply_6",
    # Aggressive Mode's one answer holds what messages 2, 4 and 6 hold in Main Mode.
    Step.AGGRESSIVE_1: "ike.main.reply_4",
    Step.QUICK_1: "ike.quick.reply_2",
}

_PPP_NAMES = {"PAP": "pap", "CHAP": "chap-md5", "MS-CHAP": "mschapv1", "MS-CHAPv2": "mschapv2", "EAP": "eap"}


def _after(step: Step | None) -> str:
    return step.value if step is not None else "established"


def _reply(run: Run, event: ike.ReplyReceived) -> None:
    name = _REPLIES.get(event.step)
    if name is not None:
        run.observe(name, True, SOURCE)
    if event.rtt is None:
        run.lossy = True


def _gave_up(run: Run, event: ike.GaveUp) -> None:
    name = _REPLIES.get(event.step)
    if name is not None:
        run.observe(name, False, SOURCE)


def _selected(run: Run, event: ike.TransformSelected) -> None:
    run.observe("ike.main.selected", event.description, SOURCE)


def _vendor_ids(run: Run, event: ike.VendorIds) -> None:
    run.observe("ike.vendor_ids", event.names, SOURCE)
    run.observe("nat_t.supported", event.nat_t, SOURCE)
    run.observe("ike.fragmentation_supported", event.fragmentation, SOURCE)


def _nat(run: Run, event: ike.NatDetected) -> None:
    run.observe("nat.client_behind", event.client_behind, SOURCE)
    run.observe("nat.server_behind", event.server_behind, SOURCE)
    run.observe("nat_t.forced", event.forced, SOURCE)


def _floated(run: Run, event: ike.Floated) -> None:
    run.observe("nat_t.floated", event.channel is Channel.NAT_T, SOURCE)


def _credential(run: Run, event: ike.CredentialNeeded) -> None:
    name = "ike.main.needs_psk" if event.kind == "psk" else "ike.main.needs_certificate"
    run.observe(name, True, SOURCE)
    if event.kind == "certificate":
        problem = "missing" if run.request.certificate is None else "no-key"
        run.observe("certificate.client_problem", problem, SOURCE)


def _notify(run: Run, event: ike.NotifyReceived) -> None:
    kind = "encrypted" if event.encrypted else "clear"
    run.observe(f"ike.notify.{kind}", event.name, SOURCE)
    run.observe(f"ike.notify.{kind}_after", _after(event.after), SOURCE)


def _delete(run: Run, event: ike.DeleteReceived) -> None:
    if event.authentic:
        run.observe("ike.delete", event.protocol, SOURCE)
        run.observe("ike.delete_after", _after(event.after), SOURCE)


def _undecryptable(run: Run, event: ike.Undecryptable) -> None:
    if event.after in (Step.MAIN_5, Step.AGGRESSIVE_1):
        run.observe_once("ike.main.undecryptable_reply", True, SOURCE)


def _peer_established(run: Run, _event: ike.PeerEstablished) -> None:
    run.observe_once("ike.main.peer_established", True, SOURCE)


def _duplicate(run: Run, event: ike.DuplicateReply) -> None:
    if event.step is Step.MAIN_5:
        run.observe_once("ike.main.duplicate_4", True, SOURCE)


def _authentication(run: Run, event: ike.AuthenticationFailed) -> None:
    if event.reason == "hash":
        run.observe("ike.main.hash_valid", False, SOURCE)
    elif event.reason in ("signature", "certificate-missing"):
        problem = "signature-invalid" if event.reason == "signature" else "missing"
        run.observe("certificate.problem", problem, SOURCE)


def _established(run: Run, _event: ike.MainModeEstablished) -> None:
    run.observe("ike.main.established", True, SOURCE)


def _quick(run: Run, event: ike.QuickModeEstablished) -> None:
    run.observe("ike.quick.established", True, SOURCE)
    run.observe("ike.quick.selected", event.description, SOURCE)
    run.observe("esp.encapsulation", "udp" if event.udp_encapsulated else "native", SOURCE)


def _version(run: Run, _event: ike.VersionRefused) -> None:
    run.observe_once("ike.notify.clear", "INVALID_MAJOR_VERSION", SOURCE)


def _esp(run: Run, _event: dial.EspFirstReceived) -> None:
    run.observe("esp.received", True, SOURCE)


def _other_sa(run: Run, event: dial.EspOfAnotherSa) -> None:
    run.observe("esp.other_sa", "udp" if event.udp_encapsulated else "native", SOURCE)


def _tunnel(run: Run, event: l2tp.TunnelEstablished) -> None:
    run.observe("l2tp.sccrp", True, SOURCE)
    run.observe("l2tp.peer", f"{event.peer_host_name} ({event.peer_vendor_name})", SOURCE)


def _session(run: Run, _event: l2tp.SessionEstablished) -> None:
    run.observe("l2tp.icrp", True, SOURCE)
    run.observe("l2tp.established", True, SOURCE)


def _refusal(result: int | None, error: int | None, message: str) -> str:
    codes = f"result {result if result is not None else 'missing'}"
    if error:
        codes += f", error {error}"
    return f"{codes}: {message}" if message else codes


def _stopccn(run: Run, event: l2tp.StopCcnReceived) -> None:
    run.observe("l2tp.stopccn", _refusal(event.result_code, event.error_code, event.message), SOURCE)
    if event.result_code is not None:
        run.observe("l2tp.stopccn_result", event.result_code, SOURCE)


def _cdn(run: Run, event: l2tp.CdnReceived) -> None:
    run.observe("l2tp.cdn", _refusal(event.result_code, event.error_code, event.message), SOURCE)
    if event.result_code is not None:
        run.observe("l2tp.cdn_result", event.result_code, SOURCE)


def _silent(run: Run, event: l2tp.ControlSilent) -> None:
    if event.message == "SCCRQ":
        if run.log.latest("esp.received") is None:
            run.observe("esp.received", False, SOURCE)
        run.observe("l2tp.sccrp", False, SOURCE)
    elif event.message == "ICRQ":
        run.observe("l2tp.icrp", False, SOURCE)


def _acknowledged(run: Run, event: l2tp.ControlAcknowledgedOnly) -> None:
    if event.message == "SCCRQ":
        run.observe("l2tp.sccrp", False, SOURCE)
        run.observe("l2tp.zlb_only", True, SOURCE)
    elif event.message == "ICRQ":
        run.observe("l2tp.icrp", False, SOURCE)


def _lcp(run: Run, _event: ppp.LcpOpened) -> None:
    run.observe_once("ppp.lcp.reply", True, SOURCE)
    run.observe("ppp.lcp.opened", True, SOURCE)


def _auth_required(run: Run, event: ppp.AuthRequired) -> None:
    run.observe_once("ppp.lcp.reply", True, SOURCE)
    refused = tuple(_PPP_NAMES.get(name, name) for name in event.refused)
    agreed = _PPP_NAMES.get(event.protocol, event.protocol) if event.protocol else None
    first = refused[0] if refused else agreed or "none"
    run.observe("ppp.auth.required", first, SOURCE)
    if refused:
        run.observe("ppp.auth.refused", refused, SOURCE)
    if agreed is not None:
        run.observe("ppp.auth.protocol", agreed, SOURCE)


def _auth_succeeded(run: Run, event: ppp.AuthSucceeded) -> None:
    run.observe("ppp.auth.result", "success", SOURCE)
    if event.server_authentic is not None:
        run.observe("ppp.auth.server_authentic", event.server_authentic, SOURCE)


def _auth_failed(run: Run, event: ppp.AuthFailed) -> None:
    run.observe("ppp.auth.result", "failure", SOURCE)
    if event.error_code is not None:
        run.observe("ppp.auth.error", event.error_code, SOURCE)
    if event.message:
        run.observe("ppp.auth.message", event.message, SOURCE)


def _credentials_missing(run: Run, _event: ppp.CredentialsMissing) -> None:
    run.observe("ppp.auth.needs_credentials", True, SOURCE)


def _ipcp(run: Run, event: ppp.IpcpOpened) -> None:
    run.observe("ppp.ipcp.opened", True, SOURCE)
    run.observe("ppp.ipcp.address", str(event.local_address), SOURCE)
    run.observe("ppp.ipcp.dns", tuple(str(address) for address in event.dns), SOURCE)


def _ipcp_failed(run: Run, event: ppp.IpcpFailed) -> None:
    run.observe("ppp.ipcp.opened", False, SOURCE)
    run.observe("ppp.ipcp.rejected", event.reason, SOURCE)


def _ipv6cp(run: Run, _event: ppp.Ipv6cpOpened) -> None:
    run.observe("ppp.ipv6cp.opened", True, SOURCE)


def _terminated(run: Run, event: ppp.LinkTerminated) -> None:
    if event.phase == "establish":
        run.observe("ppp.lcp.opened", False, SOURCE)
    if event.by_peer:
        run.observe_once("ppp.lcp.reply", True, SOURCE)
        run.observe("ppp.terminated", event.phase, SOURCE)


def _link_silent(run: Run, event: ppp.LinkSilent) -> None:
    if event.phase == "establish":
        run.observe_once("ppp.lcp.reply", event.step != "lcp-first-answer", SOURCE)
        run.observe("ppp.lcp.opened", False, SOURCE)
    elif event.phase == "authenticate":
        run.observe("ppp.auth.result", "none", SOURCE)
    else:
        run.observe("ppp.ipcp.opened", False, SOURCE)
        run.observe("ppp.ipcp.rejected", "no-answer", SOURCE)


def _echo(run: Run, event: EchoOutcome) -> None:
    name = "tunnel.large_echo_reply" if event.large else "tunnel.echo_reply"
    run.observe(name, event.rtt is not None, SOURCE)
    if event.rtt is not None and not event.large:
        run.observe("tunnel.echo_rtt", round(event.rtt, 6), SOURCE)


def _connected(run: Run, _event: dial.Connected) -> None:
    run.observe("dial.connected", True, SOURCE)


def _failed(run: Run, _event: dial.Failed) -> None:
    run.observe("dial.connected", False, SOURCE)


def _closed(run: Run, event: dial.DialClosed) -> None:
    run.observe("dial.clean_teardown", event.clean, SOURCE)


TABLE: dict[type[Any], Callable[[Run, Any], None]] = {
    ike.ReplyReceived: _reply,
    ike.GaveUp: _gave_up,
    ike.TransformSelected: _selected,
    ike.VendorIds: _vendor_ids,
    ike.NatDetected: _nat,
    ike.Floated: _floated,
    ike.CredentialNeeded: _credential,
    ike.CertificateRequested: certificates.requested,
    ike.NotifyReceived: _notify,
    ike.DeleteReceived: _delete,
    ike.Undecryptable: _undecryptable,
    ike.PeerEstablished: _peer_established,
    ike.DuplicateReply: _duplicate,
    ike.AuthenticationFailed: _authentication,
    ike.MainModeEstablished: _established,
    ike.QuickModeEstablished: _quick,
    ike.VersionRefused: _version,
    dial.EspFirstReceived: _esp,
    dial.EspOfAnotherSa: _other_sa,
    l2tp.TunnelEstablished: _tunnel,
    l2tp.SessionEstablished: _session,
    l2tp.StopCcnReceived: _stopccn,
    l2tp.CdnReceived: _cdn,
    l2tp.ControlSilent: _silent,
    l2tp.ControlAcknowledgedOnly: _acknowledged,
    ppp.LcpOpened: _lcp,
    ppp.AuthRequired: _auth_required,
    ppp.AuthSucceeded: _auth_succeeded,
    ppp.AuthFailed: _auth_failed,
    ppp.CredentialsMissing: _credentials_missing,
    ppp.IpcpOpened: _ipcp,
    ppp.IpcpFailed: _ipcp_failed,
    ppp.Ipv6cpOpened: _ipv6cp,
    ppp.LinkTerminated: _terminated,
    ppp.LinkSilent: _link_silent,
    EchoOutcome: _echo,
    dial.Connected: _connected,
    dial.Failed: _failed,
    dial.DialClosed: _closed,
}


def observe(run: Run, event: dial.DialEvent) -> None:
    """Turns one event into the observations it stands for; an event without a row says nothing new."""
    handler = TABLE.get(type(event))
    if handler is not None:
        handler(run, event)
