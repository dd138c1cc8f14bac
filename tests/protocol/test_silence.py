"""When a silence is believed: the bound computed by hand, and what it means at 20 % loss each way."""

from __future__ import annotations

import math
import random

import pytest

from l2tp_doctor.protocol.silence import CHANCE, failure_rate, hopelessness, packets_of, transmissions_needed


@pytest.mark.parametrize(
    ("answered", "sent", "rate"),
    [(0, 0, 1.5 / 2.15), (1, 1, 1.5 / 3.15), (4, 4, 1.5 / 6.15), (4, 6, 3.5 / 8.15), (5, 3, 1.5 / 7.15)],
)
def test_the_rate(answered: int, sent: int, rate: float) -> None:
    assert failure_rate(answered, sent) == pytest.approx(rate)


# 0.7^19 = 1.1e-3, 0.7^20 = 8.0e-4; 0.36^6 = 2.2e-3, 0.36^7 = 7.8e-4.
@pytest.mark.parametrize(("rate", "needed"), [(0.7, 20), (0.36, 7), (0.5, 10), (0.0, 1), (0.0005, 1)])
def test_transmissions(rate: float, needed: int) -> None:
    assert transmissions_needed(rate) == needed


def test_a_hopeless_rate_still_has_an_answer() -> None:
    assert 300 < transmissions_needed(1.0) < 400


def test_two_fragments_each_way_are_four_packets() -> None:
    """20 % each way: all four arrive with 0.8⁴ = 0.41; 0.59^13 = 1.05e-3, 0.59^14 = 6.2e-4."""
    assert transmissions_needed(0.36, out=2, back=2) == 14


def test_loss_seen_asks_for_more() -> None:
    clean, lossy = failure_rate(4, 4), failure_rate(4, 8)
    assert transmissions_needed(clean) < transmissions_needed(lossy)
    assert transmissions_needed(failure_rate(2, 2)) > transmissions_needed(clean)


@pytest.mark.parametrize(("size", "packets"), [(0, 1), (408, 1), (1472, 1), (1473, 2), (2944, 2), (4000, 3)])
def test_packets(size: int, packets: int) -> None:
    assert packets_of(size) == packets


@pytest.mark.parametrize("loss", [0.05, 0.1, 0.2])
def test_a_healthy_gateway_is_seldom_called_silent(loss: float) -> None:
    """Four requests until each is answered, then one whose silence is judged: by chance alone."""
    dice = random.Random(7)
    failing = 1.0 - (1.0 - loss) ** 2
    wrong, runs = 0, 20_000
    for _ in range(runs):
        sent = 0
        for _request in range(4):
            sent += 1
            while dice.random() < failing:
                sent += 1
        needed = transmissions_needed(failure_rate(4, sent))
        wrong += all(dice.random() < failing for _ in range(needed))
    assert wrong / runs < 3 * CHANCE


def test_hopelessness_is_the_ratio_of_two_binomial_likelihoods() -> None:
    """30 % each way leave 51 % of all questions unanswered, 65 % leave 87.75 %."""
    ratio = (0.1225**3 * 0.8775**17) / (0.49**3 * 0.51**17)
    assert hopelessness(3, 20) == pytest.approx(math.log(ratio))
    assert hopelessness(0, 0) == 0.0
    assert hopelessness(5, 3) < 0.0  # answers to what nobody counted


@pytest.mark.parametrize(("loss", "least", "most"), [(0.3, 0.0, 0.01), (0.65, 0.9, 1.0)])
def test_forty_questions_tell_a_hopeless_path_from_a_poor_one(loss: float, least: float, most: float) -> None:
    source = random.Random(1)
    paths = 2000
    hopeless = 0
    for _ in range(paths):
        answered = sum(source.random() > loss and source.random() > loss for _ in range(40))
        hopeless += hopelessness(answered, 40) > math.log(200)
    assert least <= hopeless / paths <= most
