"""CCP, in order to refuse it: IPsec encrypts already, so neither MPPE nor compression is wanted (RFC 1962).

Every option of the peer is rejected, which leaves it an empty, harmless CCP or the choice to end the link.
Our own request is empty on the client.  Windows asks for :data:`WINDOWS_REQUEST`; that would allow the
peer to send MPPC, which nobody here can expand, so it is not the default and a peer that accepts it is told
at once that CCP is closed again.
"""

from __future__ import annotations

from collections.abc import Mapping

from l2tp_doctor.protocol.engine import RetransmissionPolicy
from l2tp_doctor.protocol.ppp.control_protocol import ControlProtocol, Listener, NegotiationLimits
from l2tp_doctor.protocol.ppp.frame import PppProtocol
from l2tp_doctor.protocol.ppp.options import CCP_OPTIONS, CcpOption, Option, describe
from l2tp_doctor.protocol.ppp.outlet import Outlet

WINDOWS_REQUEST: tuple[Option, ...] = (Option(CcpOption.MPPE, b"\x01\x00\x00\x01"),)
"""Stateless MPPC without encryption: what Windows sends over L2TP/IPsec."""

MPPE_128: tuple[Option, ...] = (Option(CcpOption.MPPE, b"\x01\x00\x00\x40"),)
"""What a gateway that requires MPPE demands (RFC 3078 §2.1)."""


class Ccp(ControlProtocol):
    """Refuses whatever the peer demands and remembers it."""

    protocol = PppProtocol.CCP
    table = CCP_OPTIONS

    def __init__(
        self,
        outlet: Outlet,
        policy: RetransmissionPolicy,
        listener: Listener,
        limits: NegotiationLimits,
        request: tuple[Option, ...] = (),
    ) -> None:
        super().__init__(outlet, policy, listener, limits)
        self.demanded: tuple[Option, ...] = ()
        """Options of the peer that we rejected."""
        self.our_request_refused = False
        """The peer rejected an option of ours."""
        self._wanted = list(request)

    @property
    def demanded_fields(self) -> Mapping[str, object]:
        """What the peer demanded, by name."""
        return describe(self.demanded, self.table)

    def wanted_options(self) -> tuple[Option, ...]:
        """Returns what is left of our request."""
        return tuple(self._wanted)

    def judge(self, option: Option) -> Option | None:
        """Rejects everything."""
        if option not in self.demanded:
            # A peer could vary its demand for ever; the newest value of each kind is enough.
            self.demanded = (*(known for known in self.demanded if known.type != option.type), option)
        return None

    def learn_nak(self, option: Option) -> None:
        """A changed offer is a demand of the peer's: it is not taken, our option is withdrawn."""
        self.judge(option)
        self.learn_reject(option)

    def learn_reject(self, option: Option) -> None:
        """Withdraws an option."""
        self.our_request_refused = True
        self._wanted = [wanted for wanted in self._wanted if wanted.type != option.type]
