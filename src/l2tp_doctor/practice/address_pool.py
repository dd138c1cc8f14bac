"""The addresses a practice gateway hands out inside the tunnel."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address


class AddressPool:
    """Lends addresses by key; one key has at most one address."""

    def __init__(self, addresses: Sequence[IPv4Address]) -> None:
        self._free = list(addresses)
        self._lent: dict[object, IPv4Address] = {}

    @property
    def lent(self) -> int:
        """Addresses in use."""
        return len(self._lent)

    def take(self, key: object) -> IPv4Address | None:
        """Returns the address of ``key``, the same each time, or ``None`` when none is free."""
        if key not in self._lent and self._free:
            self._lent[key] = self._free.pop(0)
        return self._lent.get(key)

    def give_back(self, key: object) -> None:
        """Ends the loan of ``key``, if there is one; the address is lent again last."""
        address = self._lent.pop(key, None)
        if address is not None:
            self._free.append(address)
