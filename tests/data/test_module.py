from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from kinema.config import ClipConfig, PretrainConfig, SamplingConfig, TrainerConfig
from kinema.data.module import ClipPairsModule
from kinema.errors import DataError


@pytest.fixture
def module(folder, entries):
    """Make a module of the known videos that is told of a trainer of so many processes."""

    def make(batch=2, clips=1, processes=1, step=0, videos=3) -> ClipPairsModule:
        config = PretrainConfig(
            clip=ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32)),
            sampling=SamplingConfig(clips_per_video=clips),
            trainer=TrainerConfig(batch_size=batch, workers=0),
        )
        module = ClipPairsModule(folder, list(entries.values())[:videos], config, with_flow=False)
        module.trainer = SimpleNamespace(world_size=processes, global_rank=0, global_step=step)
        return module

    return make


@pytest.mark.parametrize(
    ("batch", "clips", "processes", "expected", "steps"),
    [(2, 1, 1, 2, 1), (2, 4, 1, 2, 6), (64, 4, 1, 12, 1), (5, 4, 2, 5, 1), (64, 4, 2, 6, 1), (64, 4, 6, 2, 1)],
)
def test_batches_are_as_configured_or_as_large_as_the_folder_allows(module, batch, clips, processes, expected, steps):
    data = module(batch, clips, processes)
    data.setup("fit")
    assert data.batch_size(processes) == expected
    assert data.steps_per_epoch == steps


def test_too_few_videos():
    with pytest.raises(DataError, match="holds 1 usable video; contrast needs at least 2: add videos"):
        ClipPairsModule("somewhere", [None], PretrainConfig(), with_flow=False)


@pytest.mark.parametrize("processes", [2, 3, 4])  # a batch of one clip has no statistics
def test_too_few_videos_for_so_many_processes(module, processes):
    with pytest.raises(DataError, match=f"too short for {processes} processes"):
        module(processes=processes).setup("fit")


def test_the_loader_goes_on_in_the_middle_of_an_epoch(module):
    def batches(step: int) -> list[list[int]]:
        data = module(2, 2, step=step)
        data.setup("fit")
        return [batch["video"].tolist() for batch in data.train_dataloader()]

    whole = batches(0)
    assert len(whole) == 3
    assert batches(1) == whole[1:]
    assert batches(3) != whole
    assert batches(4) == batches(3)[1:]


def test_names(module, folder):
    data = module()
    assert data.names(torch.tensor([2, 0])) == [str(folder / data.entries[i].path) for i in (2, 0)]
