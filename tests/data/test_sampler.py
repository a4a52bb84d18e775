from __future__ import annotations

from collections import Counter

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kinema.data.plan import Plan
from kinema.data.sampler import Draw, EpochSampler

few = settings(max_examples=40, deadline=None)
sizes = {
    "videos": st.integers(1, 30),
    "clips": st.integers(1, 3),
    "batch": st.integers(1, 5),
    "processes": st.integers(1, 3),
}


def make(videos: int, clips: int, batch: int, seed: int, rank: int = 0, processes: int = 1) -> EpochSampler:
    """A sampler whose epochs have so many videos and clips of each."""
    return EpochSampler(Plan(videos, clips, batch, processes, 1, 1), seed, rank)


def epochs(sampler: EpochSampler, count: int = 1, start: int = 0) -> list[Draw]:
    """All draws of the epoch in which the step ``start`` is, from there on, and of those that follow."""
    draws: list[Draw] = []
    sampler.at = lambda: draws[-1].step + 1 if draws else start
    for _ in range(count):
        draws += list(sampler)
    return draws


@few
@given(**sizes)
def test_processes_share_an_epoch_without_gap_or_overlap(videos, clips, batch, processes):
    steps = videos * clips // (batch * processes)
    assume(steps > 0)
    samplers = [make(videos, clips, batch, 0, rank, processes) for rank in range(processes)]
    draws = [list(sampler) for sampler in samplers]
    assert all(len(part) == len(sampler) == steps * batch for part, sampler in zip(draws, samplers, strict=True))
    everything = [draw for part in draws for draw in part]
    assert sorted(draw.seed[2] for draw in everything) == list(range(steps * batch * processes))
    assert max(Counter(draw.video for draw in everything).values(), default=0) <= clips
    # The global batch of a step does not depend on how many processes share it.
    alone = list(make(videos, clips, batch * processes, 0))
    for step in range(steps):
        shared = [draw for part in draws for draw in part[step * batch : (step + 1) * batch]]
        assert shared == alone[step * batch * processes : (step + 1) * batch * processes]


@few
@given(**sizes, data=st.data())
def test_it_starts_anywhere_and_goes_on_as_if_never_stopped(videos, clips, batch, processes, data):
    rank = data.draw(st.integers(0, processes - 1))
    assume(videos * clips >= batch * processes)
    new = make(videos, clips, batch, 7, rank, processes)
    whole = epochs(new, 3)
    step = data.draw(st.integers(0, 3 * new.plan.steps_per_epoch - 1))
    left = 3 - step // new.plan.steps_per_epoch
    other = make(videos, clips, batch, 7, rank, processes)
    assert epochs(other, left, step) == whole[step * batch :]


def test_a_pure_function_of_seed_and_epoch():
    assert epochs(make(20, 1, 4, 3), 2) == epochs(make(20, 1, 4, 3), 2)
    first, second = epochs(make(20, 1, 4, 3)), epochs(make(20, 1, 4, 3), 1, start=5)
    other = epochs(make(20, 1, 4, 4))
    orders = {tuple(draw.video for draw in draws) for draws in (first, second, other)}
    assert len(orders) == 3
    assert all(sorted(order) == list(range(20)) for order in orders)


def test_no_two_examples_of_a_run_share_a_seed():
    draws = epochs(make(6, 2, 3, 9), 4)
    assert len({draw.seed for draw in draws}) == len(draws) == 48
    assert {draw.seed[0] for draw in draws} == {9}
    assert [draw.seed[1] for draw in draws] == [epoch for epoch in range(4) for _ in range(12)]
    assert [draw.step for draw in draws] == [step for step in range(16) for _ in range(3)]


def test_a_video_comes_again_only_after_all_others_came():
    videos = [draw.video for draw in make(10, 3, 5, 0)]
    rounds = [videos[start : start + 10] for start in (0, 10, 20)]
    assert all(sorted(each) == list(range(10)) for each in rounds)
    assert rounds[0] != rounds[1]


def test_an_incomplete_batch_is_left_out():
    sampler = make(11, 1, 4, 0)
    assert (sampler.plan.steps_per_epoch, len(sampler), len(list(sampler))) == (2, 8, 8)


# what is left out


@few
@given(**sizes, data=st.data())
def test_others_take_the_places_of_what_is_left_out_and_nothing_else_changes(videos, clips, batch, processes, data):
    assume(videos * clips >= batch * processes)
    out = data.draw(st.sets(st.integers(0, videos - 1), max_size=videos - 1))
    samplers = [make(videos, clips, batch, 7, rank, processes) for rank in range(processes)]
    step = data.draw(st.integers(0, 3 * samplers[0].plan.steps_per_epoch - 1))
    before = [draw for sampler in samplers for draw in sampler.draws(step)]
    for video in data.draw(st.permutations(sorted(out))):  # in whatever order it is found out
        for sampler in samplers:
            sampler.leave_out(video)
    after = [draw for sampler in samplers for draw in sampler.draws(step)]
    for old, new in zip(before, after, strict=True):
        assert new.seed == old.seed and new.video not in out
        assert new == old or old.video in out
    if videos - len(out) >= batch * processes and clips == 1:
        assert len({draw.video for draw in after}) == len(after)
    fresh = make(videos, clips, batch, 7, 0, processes)
    for video in out:
        fresh.leave_out(video)
    fresh.at = lambda: step
    assert [next(draws := iter(fresh)), *(next(draws) for _ in range(batch - 1))] == after[:batch]


def test_those_who_stand_in_are_drawn_evenly():
    sampler = make(10, 1, 5, 0)
    sampler.leave_out(3)
    counts = Counter(draw.video for draw in epochs(sampler, 400))
    assert 3 not in counts and len(counts) == 9
    assert all(abs(count - 4000 / 9) < 40 for count in counts.values())
