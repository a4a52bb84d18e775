from __future__ import annotations

import pytest
import torch

from kinema.config import ClipConfig, FlowConfig, MSCLConfig, PretrainConfig, SamplingConfig, TrainerConfig
from kinema.data.mds import Kept
from kinema.data.plan import make_plan
from kinema.data.training_data import TrainingData
from kinema.errors import DataError
from kinema.flow.store import stored_names
from kinema.video import read_manifest

MSCL = MSCLConfig()


@pytest.fixture
def module(folder, entries, tmp_path):
    """Make the data of a training on the known videos."""

    def make(batch=2, clips=1, videos=3, mds=None, mscl=MSCL, **flow) -> TrainingData:
        config = PretrainConfig(
            epochs=1,
            clip=ClipConfig(frames=4, step=0.125, short_side=32, size=(32, 32)),
            flow=FlowConfig(**flow),
            sampling=SamplingConfig(clips_per_video=clips, mds=mds),
            mscl=mscl,
            trainer=TrainerConfig(batch_size=batch, workers=0),
        )
        out = tmp_path / "run"
        chosen, plan = list(entries.values())[:videos], make_plan(config, videos)
        return TrainingData(folder, chosen, config, plan, out, with_flow=mscl.uses_flow)

    return make


def test_the_loader_goes_on_in_the_middle_of_an_epoch(module):
    def batches(step: int) -> list[list[int]]:
        at, seen = [step], []
        for batch in module(2, 2).batches(lambda: at[0]):
            seen.append(batch["video"].tolist())
            at[0] += 1
            if at[0] == 6:
                return seen

    whole = batches(0)
    assert len(whole) == 6 and whole[3:] != whole[:3]
    assert [batches(step) for step in (1, 3, 4)] == [whole[1:], whole[3:], whole[4:]]


def test_names(module, folder):
    data = module()
    assert data.names(torch.tensor([2, 0])) == [str(folder / data.entries[i].path) for i in (2, 0)]


# what is made before training


def test_the_store_is_completed_and_the_scores_lie_in_it(module, tmp_path):
    store = tmp_path / "store"
    module(videos=2, cache=str(store)).prepare()
    assert len(stored_names(store)) == 2
    first = {path.name: path.stat().st_mtime_ns for path in store.glob("*.flow")}
    data = module(cache=str(store), mds="vectors")
    data.prepare()
    assert len(stored_names(store)) == len(read_manifest(store / "manifest.parquet")) == 3
    assert {name: (store / name).stat().st_mtime_ns for name in first} == first
    assert (store / "mds-vectors.parquet").exists() and not (tmp_path / "run").exists()
    assert [entry.path for entry in data.entries[:1]] == ["back.mp4"]
    kept = Kept(data.reader, data.entries, data._scores())
    assert len(kept[0]) < data.reader.starts(data.entries[0])
    module(videos=2, cache=str(store)).prepare()
    assert len(read_manifest(store / "manifest.parquet")) == 3  # what others added stays listed


def test_without_a_store_the_scores_lie_in_the_run(module, tmp_path):
    module(mds="sobel").prepare()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mds-sobel.parquet"]


def test_flow_is_extracted_if_something_wants_it(module, tmp_path):
    """MoCo's loss does not, unless clips are sampled by motion."""
    store, moco = tmp_path / "store", MSCL.rgb_only()
    module(cache=str(store), mscl=moco).prepare()
    assert stored_names(store) == []
    module(cache=str(store), mscl=moco, mds="sobel").prepare()
    assert len(stored_names(store)) == 3


def test_flow_that_cannot_be_extracted_stops_the_training_before_it_begins(module, tmp_path, monkeypatch):
    data = module(cache=str(tmp_path / "store"))
    estimate = type(data.reader.estimator)._estimate

    def poisoned(self, first, second):
        plain = float(second.float().flatten(1).std(1).max()) < 1
        return estimate(self, first, second) * (float("nan") if plain else 1)

    monkeypatch.setattr(type(data.reader.estimator), "_estimate", poisoned)  # the video of one brightness a frame
    with pytest.raises(DataError, match=r"the flow of 1 videos cannot be extracted \(first count\.mp4: .*not finite"):
        data.prepare()
    assert stored_names(tmp_path / "store") == ["back.mp4", "slide.mp4"]
    assert "count.mp4" in (tmp_path / "store" / "failures.csv").read_text()
    monkeypatch.undo()
    data.prepare()
    assert not (tmp_path / "store" / "failures.csv").exists()
