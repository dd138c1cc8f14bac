"""Callback Control Protocol, just enough to say "no callback" to a gateway that accepted the LCP option.

Microsoft's draft-ietf-pppext-callback-cp-02: after authentication the gateway sends Callback-Request
(code 1) with the types it allows, the client answers Callback-Response (2), the gateway ends with
Callback-Ack (3).  A gateway such as Windows Server waits for this before the network phase.
"""

from __future__ import annotations

from l2tp_doctor.protocol.ppp.control_packet import ControlPacket, decode_control_packet
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.outlet import Outlet
from l2tp_doctor.protocol.wire import WireError

REQUEST, RESPONSE, ACK = 1, 2, 3
NO_CALLBACK = b"\x01\x02"
"""Type 1 "No callback", length 2."""


def answer_callback(payload: bytes, outlet: Outlet, now: float) -> bool:
    """Answers one CBCP packet; returns whether it was the Ack that ends CBCP."""
    size = len(payload)
    try:
        packet = decode_control_packet(payload)
    except WireError as error:
        outlet.dropped(PppProtocol.CBCP, size, now, f"CBCP: {error}", "malformed")
        return False
    if packet.code == REQUEST:
        outlet.received(PppProtocol.CBCP, size, now, "CBCP Callback-Request")
        answer = ControlPacket(RESPONSE, packet.identifier, NO_CALLBACK)
        outlet.send(PppProtocol.CBCP, answer.encode(), now, "CBCP Callback-Response: no callback")
        return False
    if packet.code == ACK:
        outlet.received(PppProtocol.CBCP, size, now, "CBCP Callback-Ack")
        return True
    outlet.dropped(PppProtocol.CBCP, size, now, f"CBCP code {packet.code}", "unexpected")
    return False
