"""What modules give is changed within a block, in its own thread, and nowhere else."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from torch import nn

from kinema.models.adapted import add_tap, tapped

ONES = torch.ones(1)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Identity(), nn.Identity())


def test_a_tap_acts_within_the_block_alone():
    net = network()
    add_tap(net[0])
    with tapped({net[0]: lambda x: 3 * x, net[1]: lambda x: 5 * x}):  # the second has no tap
        assert net(ONES) == 3
    assert net(ONES) == 1


def test_however_often_it_is_put_there_it_acts_once():
    net = network()
    for _ in range(3):
        add_tap(net[0])
    with tapped({net[0]: lambda x: 2 * x}):
        assert net(ONES) == 2


def test_blocks_inside_one_another_act_from_the_outermost():
    net = network()
    add_tap(net[0])
    with tapped({net[0]: lambda x: x + 1}):
        with tapped({net[0]: lambda x: 10 * x}):
            assert net(ONES) == 20
        assert net(ONES) == 2


def test_it_ends_when_the_block_fails():
    net = network()
    add_tap(net[0])
    with pytest.raises(ZeroDivisionError), tapped({net[0]: lambda x: 0 * x}):
        raise ZeroDivisionError
    assert net(ONES) == 1


def test_another_thread_does_not_see_it():
    net, found = network(), []
    add_tap(net[0])
    with tapped({net[0]: lambda x: 2 * x}):
        other = threading.Thread(target=lambda: found.append(net(ONES)))
        other.start()
        other.join()
        assert net(ONES) == 2
    assert found == [1]


def test_a_copy_has_the_tap_and_is_another_module():
    net = network()
    add_tap(net[0])
    twin = copy.deepcopy(net)
    with tapped({net[0]: lambda x: 2 * x}):
        assert twin(ONES) == 1
    with tapped({twin[0]: lambda x: 2 * x}):
        assert twin(ONES) == 2 and net(ONES) == 1
