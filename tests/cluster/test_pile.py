"""The order in which items are taken, and how well that shares them out."""

from __future__ import annotations

import heapq
import random

import pytest

from kinema.common.cluster import pile as piles
from kinema.common.cluster.pile import SHARE, Pile


def order(weights: list[int], workers: int) -> list[int]:
    pile, taken = Pile(weights, float, workers), []
    while len(pile):
        (number,) = pile.take().numbers
        taken.append(pile.done(number))
    return taken


def test_items_keep_their_order_but_for_large_ones():
    some = [3, 1, 2] * 40
    assert order([*some, 40, *some, 30], 2)[:6] == [40, 30, 3, 1, 2, 3]
    assert sorted(order(some, 2)) == sorted(some) and order(some, 2)[:80] == some[:80]
    assert order([], 3) == []


def test_only_so_many_are_taken_ahead(monkeypatch):
    monkeypatch.setattr(piles, "AHEAD", 5)
    seen: list[int] = []
    pile = Pile((seen.append(number) or number for number in range(100)), float, 1)
    assert len(pile) == 5 and seen == [0, 1, 2, 3, 4]
    pile.take()
    assert len(pile) == 5 and len(seen) == 6


def test_what_is_put_back_comes_next():
    pile = Pile(["a", "b", "c"], lambda item: 1.0, 1)
    (first,) = pile.take().numbers
    pile.put_back(first)
    assert len(pile) == 3 and pile.take(100.0).numbers == (first,)
    assert pile.done(first) == "a" and len(pile) == 2


def test_small_ones_are_handed_out_together_but_for_the_last():
    pile = Pile([1] * 1000 + [500] + [1] * 1000, float, 2)
    assert pile.large and pile.take(8.0).numbers == (1000,) and not pile.large
    bundles = []
    while len(pile):
        bundles.append(len(pile.take(8.0).numbers))
    assert bundles[:200] == [8] * 200 and bundles[-5:] == [1] * 5 and sum(bundles) == 2000
    many = Pile([1] * 100_000, float, 1)
    assert len(many.take(1e9).numbers) == piles.MOST


@pytest.mark.parametrize("seed", range(20))
def test_no_worker_waits_for_longer_than_a_tenth_unless_one_item_is_longer_than_its_share(seed):
    """Workers take what comes next as they become free; items are as uneven as videos are."""
    draw = random.Random(seed)
    workers = draw.choice([2, 5, 16])
    weights = [min(draw.paretovariate(1.1), 60.0) for _ in range(2000)]
    assert max(weights) < sum(weights) / workers
    free = [0.0] * workers
    for weight in order(weights, workers):
        heapq.heappush(free, heapq.heappop(free) + weight)
    assert max(free) - min(free) < max(free) / SHARE
