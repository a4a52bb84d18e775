from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.methods import KeyQueue


def numbered(first: int, count: int) -> Tensor:
    """Keys that can be told apart by their first entry."""
    return torch.stack((torch.arange(first, first + count).float(), torch.ones(count)), dim=1)


def test_it_starts_with_random_directions():
    torch.manual_seed(0)
    queue = KeyQueue(50, 16)
    torch.testing.assert_close(queue.keys.norm(dim=1), torch.ones(50))
    assert queue.keys.mean(dim=0).abs().max() < 0.2
    assert (queue.keys @ queue.keys.T).fill_diagonal_(0).abs().max() < 0.95


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(0, 12), min_size=1, max_size=8))
def test_first_in_first_out_whatever_the_sizes(size, batches):
    queue = KeyQueue(size, 2, age_decay=0.5)
    history: list[tuple[float, int]] = []  # key and the batch it came in
    for number, count in enumerate(batches):
        keys = numbered(len(history), count)
        history += [(key, number) for key in keys[:, 0].tolist()]
        queue.enqueue(keys)
    kept = history[-size:]
    ages = dict(zip(queue.keys[:, 0].tolist(), queue.age.tolist(), strict=True))
    for key, number in kept:
        assert ages[key] == len(batches) - number  # steps from the one that it came in, until the next is done
    order = (int(queue.pointer) + torch.arange(size)) % size
    assert queue.keys[order, 0].tolist()[size - len(kept) :] == [key for key, _ in kept]


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 9), st.lists(st.integers(1, 12), min_size=1, max_size=5))
def test_negatives_after_keys_are_those_that_enqueuing_leaves(size, batches):
    queue = KeyQueue(size, 2, age_decay=0.5)
    for count in batches:
        before = [value.clone() for value in queue.state_dict().values()]
        foreseen = queue.negatives_after(numbered(0, count))
        assert all(torch.equal(*pair) for pair in zip(before, queue.state_dict().values(), strict=True))
        queue.enqueue(numbered(0, count))
        assert torch.equal(foreseen.keys, queue.negatives.keys)
        assert torch.equal(foreseen.damping, queue.negatives.damping)
    assert len(KeyQueue(0, 2).negatives_after(numbered(0, 3)).keys) == 0


def test_the_oldest_give_way_and_the_pointer_wraps():
    queue = KeyQueue(5, 2)
    for first in (0, 3, 6):
        queue.enqueue(numbered(first, 3))
    assert sorted(queue.keys[:, 0].tolist()) == [4, 5, 6, 7, 8]
    assert queue.keys[:, 0].tolist() == [5, 6, 7, 8, 4]
    assert queue.pointer == 4


def test_damping_by_age():
    queue = KeyQueue(4, 2, age_decay=0.9)
    assert queue.damping.tolist() == [1, 1, 1, 1]
    queue.enqueue(numbered(0, 2))
    queue.enqueue(numbered(2, 2))
    assert queue.damping.tolist() == pytest.approx([0.81, 0.81, 0.9, 0.9])
    assert KeyQueue(4, 2).damping.tolist() == [1, 1, 1, 1]


def test_all_of_it_is_state():
    queue, copy = KeyQueue(5, 2, 0.5), KeyQueue(5, 2, 0.5)
    queue.enqueue(numbered(0, 3))
    copy.load_state_dict(queue.state_dict())
    for each in (queue, copy):
        each.enqueue(numbered(3, 4))
    for name, value in queue.state_dict().items():
        assert torch.equal(value, copy.state_dict()[name]), name
    assert not list(queue.parameters())


def test_no_queue():
    queue = KeyQueue(0, 2, 0.5)
    queue.enqueue(numbered(0, 3))
    assert queue.keys.shape == (0, 2)
    assert queue.damping.shape == (0,)


def test_the_queue_holds_copies_without_gradient():
    queue, keys = KeyQueue(4, 2), numbered(0, 2).requires_grad_()
    queue.enqueue(keys)
    with torch.no_grad():
        keys.zero_()
    assert queue.keys[:2, 0].tolist() == [0, 1]
    assert not queue.keys.requires_grad
