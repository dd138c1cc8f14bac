"""What a path's shape may be, without making one."""

from __future__ import annotations

from typing import cast

import pytest

from lab.gateway import Site
from lab.topologies import MAX_HOPS, Shape, Topology


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [
        (Shape(hops=0), "hops"),
        (Shape(hops=MAX_HOPS + 1), "hops"),
        # One router has no link of its own: with an end of a gateway's wire made smaller, packets would
        # vanish there without a word, and that is a black hole, not a small MTU.
        (Shape(mtu=1400), "hops=2"),
    ],
)
def test_a_shape_that_no_path_can_have_is_refused(shape: Shape, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Topology(cast(Site, None), shape)
