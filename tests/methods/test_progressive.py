from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.config import HCMLConfig
from kinema.errors import ConfigError
from kinema.methods import ProgressiveSchedule

few = settings(max_examples=50, deadline=None)


def names(schedule: ProgressiveSchedule, epochs: int) -> list[str]:
    return [schedule.phases[schedule.number(epoch)].name for epoch in range(epochs)]


def test_levels_learn_one_after_another_and_then_all():
    schedule = ProgressiveSchedule(HCMLConfig(levels=2), 20)
    assert names(schedule, 20) == ["prime"] * 6 + ["level 1"] * 3 + ["level 2"] * 3 + ["all"] * 8
    assert [(phase.levels, phase.frozen) for phase in schedule.phases] == [
        ((0,), True),
        ((1,), True),
        ((2,), True),
        ((0, 1, 2), False),
    ]
    assert schedule.number(99) == 3


def test_all_at_once_is_one_phase():
    schedule = ProgressiveSchedule(HCMLConfig(levels=2, progressive=False), 3)
    assert names(schedule, 3) == ["all"] * 3
    assert (schedule.phases[0].levels, schedule.phases[0].frozen) == ((0, 1, 2), False)
    assert ProgressiveSchedule(HCMLConfig(prime=False, progressive=False), 1).phases[0].levels == (1, 2, 3)


def test_shares_are_of_the_epochs():
    schedule = ProgressiveSchedule(HCMLConfig(levels=1, shares=(0.5, 0.2, 0.3)), 10)
    assert names(schedule, 10) == ["prime"] * 5 + ["level 1"] * 2 + ["all"] * 3


def test_phases_have_whole_epochs_where_the_training_has():
    schedule = ProgressiveSchedule(HCMLConfig(levels=1), 10, unit=7)
    assert [phase.steps for phase in schedule.phases] == [range(21), range(21, 42), range(42, 70)]
    assert [schedule.number(step) for step in (20, 21, 41, 42, 999)] == [0, 1, 1, 2, 2]


@few
@given(st.integers(0, 4), st.integers(20, 300))
def test_phases_follow_one_another_without_a_gap(levels, epochs):
    phases = ProgressiveSchedule(HCMLConfig(levels=levels), epochs).phases
    assert [epoch for phase in phases for epoch in phase.steps] == list(range(epochs))
    assert len(phases) == levels + 2
    lengths = [len(phase.steps) for phase in phases]
    assert abs(lengths[0] - (0.3 if levels else 0.5) * epochs) <= 1
    assert abs(lengths[-1] - (0.4 if levels else 0.5) * epochs) <= 1
    assert max(lengths[1:-1], default=1) - min(lengths[1:-1], default=1) <= 1


@pytest.mark.parametrize(
    ("settings", "epochs", "sentence"),
    [
        ({"shares": (0.5, 0.5)}, 9, "each phase (prime, level 1, level 2, level 3, all) and add up to 1"),
        ({"shares": (0.2, 0.2, 0.2, 0.2, 0.3)}, 9, "add up to 1, not be 0.2, 0.2, 0.2, 0.2, 0.3"),
        ({"levels": 1, "shares": (1.0, 0.5, -0.5)}, 9, "for each phase (prime, level 1, all)"),
        ({"levels": 1, "shares": ()}, 9, "add up to 1, not be empty"),
        ({"progressive": False, "shares": (0.5, 0.5)}, 9, "for each phase (all)"),
        ({}, 3, "the phase 'level 1' gets nothing of a training of 3: train longer"),
        ({"prime": False}, 9, "hcml.progressive needs hcml.prime"),
        ({"photometric": 0.0}, 9, "hcml.progressive needs hcml.prime, and hcml.photometric"),
        ({"contrast": 0.0}, 9, "and hcml.contrast above 0"),
    ],
)
def test_schedules_that_cannot_work_are_refused(settings, epochs, sentence):
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        ProgressiveSchedule(HCMLConfig(**settings), epochs)
