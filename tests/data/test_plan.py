"""How a training goes over its videos."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.config import PretrainConfig, SamplingConfig, TrainerConfig
from kinema.data.plan import EPOCH_STEPS, Plan, make_plan
from kinema.errors import DataError


def planned(videos: int, batch: int, clips: int = 1, processes: int = 1, **length: int) -> Plan:
    trainer, sampling = TrainerConfig(batch_size=batch), SamplingConfig(clips_per_video=clips)
    return make_plan(PretrainConfig(**length, trainer=trainer, sampling=sampling), videos, processes)


@pytest.mark.parametrize(
    ("batch", "clips", "processes", "expected", "steps"),
    [(2, 1, 1, 2, 1), (2, 4, 1, 2, 6), (64, 4, 1, 12, 1), (5, 4, 2, 5, 1), (64, 4, 2, 6, 1), (64, 4, 6, 2, 1)],
)
def test_batches_are_as_configured_or_as_large_as_the_folder_allows(batch, clips, processes, expected, steps):
    plan = planned(3, batch, clips, processes, epochs=5)
    assert (plan.batch_size, plan.steps_per_epoch, plan.steps) == (expected, steps, 5 * steps)
    assert (plan.clips_per_video, plan.unit) == (clips, steps)
    assert planned(3, batch, clips, processes, steps=7).batch_size == expected


@pytest.mark.parametrize("length", ["steps", "epochs"])
@pytest.mark.parametrize("processes", [2, 3, 4])  # a batch of one clip has no statistics
def test_too_few_videos_for_so_many_processes(processes, length):
    with pytest.raises(DataError, match=f"3 clips is too short for {processes} processes with batches of 2"):
        planned(3, 2, processes=processes, **{length: 9})


def test_the_recorded_trainings_are_what_they_were():
    """1,200 videos for 14 epochs, and for as many steps: an epoch of either is the same."""
    by_epochs, by_steps = planned(1200, 32, epochs=14), planned(1200, 32, steps=518)
    assert by_epochs.steps == by_steps.steps == 518
    assert by_epochs.steps_per_epoch == by_steps.steps_per_epoch == 37
    assert by_epochs.clips_per_video == by_steps.clips_per_video == 1


def test_a_small_folder_draws_more_clips_of_each_video():
    plan = planned(158, 32, steps=518)
    assert (plan.clips_per_video, plan.steps_per_epoch, plan.steps) == (7, 34, 518)
    assert planned(158, 32, epochs=14).steps == 56
    assert planned(158, 32, clips=3, steps=518).clips_per_video == 9


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 4000), st.integers(2, 64), st.integers(1, 3), st.integers(1, 1000))
def test_steps_are_exact_and_epochs_no_longer_than_they_must_be(videos, batch, clips, steps):
    plan = planned(videos, batch, clips, steps=steps)
    assert (plan.steps, plan.unit) == (steps, 1)
    assert plan.steps_per_epoch >= EPOCH_STEPS
    assert plan.clips_per_video % clips == 0
    fewer = videos * (plan.clips_per_video - clips) // plan.batch_size
    assert plan.clips_per_video == clips or fewer < EPOCH_STEPS
