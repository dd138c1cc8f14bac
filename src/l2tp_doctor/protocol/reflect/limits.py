"""Token buckets: how many answers a source, and all sources together, may have."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, and ``per_second`` in the long run."""

    per_second: float
    burst: float


class TokenBucket:
    """One bucket, full at first."""

    __slots__ = ("_filled", "_level", "_rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._level = rate.burst
        self._filled = now

    def take(self, now: float) -> bool:
        """Takes one token if there is one."""
        gained = max(0.0, now - self._filled) * self._rate.per_second
        self._level = min(self._rate.burst, self._level + gained)
        self._filled = max(self._filled, now)
        if self._level < 1:
            return False
        self._level -= 1
        return True


class AnswerLimit:
    """A bucket for each source and one for all.

    Args:
        per_source: for one IPv4 address or one IPv6 /64 (what one customer has at will).
        total: for all sources together; bounds what forgetting a source can yield.
        max_sources: sources remembered; the one silent for longest is forgotten first.
    """

    def __init__(self, per_source: Rate, total: Rate, max_sources: int, now: float) -> None:
        self._per_source = per_source
        self._max_sources = max_sources
        self._total = TokenBucket(total, now)
        self._sources: OrderedDict[bytes, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sources)

    def allows(self, address: bytes, now: float) -> bool:
        """Whether one more answer may go to ``address`` (4 or 16 bytes) now."""
        source = address[:8] if len(address) == 16 else address
        bucket = self._sources.pop(source, None) or TokenBucket(self._per_source, now)
        self._sources[source] = bucket
        while len(self._sources) > self._max_sources:
            self._sources.popitem(last=False)
        return bucket.take(now) and self._total.take(now)
