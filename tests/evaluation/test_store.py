"""The cache of features: what it saves, what survives a kill, and what it must not mistake for the same."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from kinema.common.tensors import read_about
from kinema.config import ClipConfig, ModelConfig
from kinema.errors import DataError, OutputError
from kinema.evaluation import extract_features
from kinema.evaluation.shortcuts import Reordered
from kinema.evaluation.store import Facts, FeatureStore, Row, encoder_sha256
from kinema.models import random_encoder

CLIP = ClipConfig(frames=4, step=0.1, short_side=32, size=(24, 24))


class Grey(nn.Module):
    """The grey level of each frame, times a weight; counts the clips it has seen."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([scale]))
        self.seen = 0

    def forward(self, clips):
        self.seen += len(clips)
        return clips.mean((1, 3, 4)) * self.scale


@pytest.fixture(scope="module")
def videos(tmp_path_factory, counting_video):
    folder = tmp_path_factory.mktemp("videos")
    return [counting_video(folder / f"{n}.mp4", 8 + n, first=10 * n) for n in range(6)]


def extract(encoders, paths, cache, clip=CLIP, **settings):
    if isinstance(encoders, nn.Module):
        encoders = {"grey": encoders}
    settings = {"clips": 2, "workers": 0, "precision": "32", **settings}
    return extract_features(encoders, paths, clip, cache=cache, **settings)


def comparable(features):
    return features.duration, features.short, features.early, {n: v.tolist() for n, v in features.values.items()}


def test_what_is_stored_is_not_computed_again(videos, tmp_path):
    plain, first, again = Grey(), Grey(), Grey()
    expected = extract(plain, videos, None)
    made, found = extract(first, videos, tmp_path), extract(again, videos, tmp_path)
    assert (first.seen, made.read, again.seen, found.read) == (12, 6, 0, 0)
    assert comparable(expected) == comparable(made) == comparable(found)
    assert not found["grey"].is_inference() and found["grey"].dtype == torch.float32


def test_odd_videos_stay_odd(videos, tmp_path, counting_video):
    paths = [*videos[:2], counting_video(tmp_path / "short.mp4", 2, first=50)]
    made, found = (extract(Grey(), paths, tmp_path / "cache") for _ in range(2))
    assert found.short == made.short == (2,) and found.read == 0


def test_new_and_changed_videos_alone_are_read(videos, tmp_path, counting_video):
    paths = [shutil.copy(path, tmp_path) for path in videos[:3]]
    extract(Grey(), paths, tmp_path / "cache")
    counting_video(tmp_path / "1.mp4", 9, first=77)  # changed in place
    moved = shutil.move(paths[0], tmp_path / "moved.mp4")
    encoder = Grey()
    asked = [moved, *paths[1:], counting_video(tmp_path / "new.mp4", 12, first=5)]
    found = extract(encoder, asked, tmp_path / "cache")
    assert (encoder.seen, found.read) == (4, 2)
    assert comparable(found) == comparable(extract(Grey(), asked, None))


@pytest.mark.parametrize(
    "change",
    [
        {"clips": 3},
        {"clip": ClipConfig(frames=3, step=0.1, short_side=32, size=(24, 24))},
        {"encoders": Grey(2.0)},
        {"encoders": Reordered(Grey(), "reversed")},
        {"encoders": Reordered(Grey(), "shuffled", seed=1)},
    ],
    ids=["clips", "geometry", "weights", "reversed", "shuffled"],
)
def test_another_recipe_is_another_feature(videos, tmp_path, change):
    for before in (Grey(), Reordered(Grey(), "shuffled")):
        extract(before, videos, tmp_path)
    asked = {"encoders": Grey(), "paths": videos, **change}
    found = extract(cache=tmp_path, **asked)
    assert found.read == 6
    assert comparable(found) == comparable(extract(cache=None, **asked))


def test_encoders_that_are_complete_do_not_run_again(videos, tmp_path):
    extract(Grey(), videos, tmp_path)
    complete, new = Grey(), Grey(3.0)
    found = extract({"a": complete, "b": new}, videos, tmp_path)
    assert (complete.seen, new.seen) == (0, 12)
    assert torch.allclose(3 * found["a"], found["b"])


def test_the_hash_of_an_encoder_is_of_weights_settings_and_code(tmp_path, monkeypatch):
    model = ModelConfig(width=4)
    encoders = [
        random_encoder(model, 0),
        random_encoder(model, 1),
        random_encoder(ModelConfig(width=4, input="rgb"), 0),
    ]
    hashes = [encoder_sha256(encoder) for encoder in [*encoders, Grey(), Grey(2.0)]]
    assert len(set(hashes)) == 5
    assert encoder_sha256(random_encoder(model, 0)) == hashes[0]
    monkeypatch.syspath_prepend(tmp_path)
    for number in range(2):
        code = f"from torch import nn\nclass Mine(nn.Module):\n    def forward(self, x):\n        return x + {number}\n"
        (tmp_path / f"code{number}.py").write_text(code)
    first, second = (importlib.import_module(f"code{number}").Mine() for number in range(2))
    assert repr(first) == repr(second) and encoder_sha256(first) != encoder_sha256(second)


def test_a_damaged_part_is_made_again(videos, tmp_path):
    expected = extract(Grey(), videos, tmp_path)
    (part,) = tmp_path.glob("*/*.safetensors")
    whole = part.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"\xff" * 100):
        part.write_bytes(damaged)
        found = extract(Grey(), videos, tmp_path)
        assert found.read == 6 and comparable(found) == comparable(expected)
    assert part.read_bytes() == whole


def test_rows_come_back_as_they_went_in(tmp_path):
    recipe = {"encoder": "x", "clips": 2}
    rows = {
        "a": Row(torch.tensor([1.0, 2.5]), Facts(0.1, True, False)),
        "b": Row(torch.zeros(2), Facts(9.0, False, True)),
    }
    for name in rows:
        store = FeatureStore(tmp_path, recipe)
        store.add({name: rows[name]})
        assert dict(FeatureStore(tmp_path, recipe).read([name])) == {}
        store.flush()
    store.flush()  # nothing is left to write
    found = dict(FeatureStore(tmp_path, recipe).read(rows))
    assert list(dict(FeatureStore(tmp_path, recipe).read(["b", "c"]))) == ["b"]
    assert found.keys() == rows.keys()
    for name, row in rows.items():
        assert torch.equal(found[name].feature, row.feature) and found[name].facts == row.facts
    assert dict(FeatureStore(tmp_path, {**recipe, "clips": 3}).read(rows)) == {}
    assert recipe in [json.loads(path.read_text()) for path in tmp_path.glob("*/recipe.json")]


def test_features_that_are_not_finite_name_the_encoder_and_the_video_and_keep_the_rest(videos, tmp_path):
    class Broken(Grey):
        def forward(self, clips):
            values = super().forward(clips)
            return torch.where(values > 31 / 255, torch.nan, values)  # from the fourth video on

    for _ in range(2):
        with pytest.raises(DataError, match=r"the encoder mine gives .* not finite, the first for .*3\.mp4; its train"):
            extract({"mine": Broken()}, videos, tmp_path, batch_size=2)
    (part,) = tmp_path.glob("*/*.safetensors")
    assert len(json.loads(read_about(part)["videos"])) == 3


def test_an_unreadable_video_costs_nothing_of_the_others(videos, tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    with pytest.raises(DataError, match=r"1 of 7 videos cannot be used: bad\.mp4"):
        extract(Grey(), [*videos, tmp_path / "bad.mp4"], tmp_path / "cache")
    assert extract(Grey(), videos, tmp_path / "cache").read == 0


def test_a_cache_that_cannot_be_written_is_named(videos, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file"):
        extract(Grey(), videos, tmp_path / "file" / "cache")


CHILD = """
import sys, torch
from kinema.evaluation import store
from test_store import extract_slowly
torch.set_num_threads(1)
store.SECONDS = 0.0
extract_slowly(sys.argv[2:], sys.argv[1])
"""


def extract_slowly(paths, cache):
    encoder = random_encoder(ModelConfig(width=4), 0)
    return extract({"a": encoder, "b": Reordered(encoder, "reversed")}, paths, cache, batch_size=6, workers=1)


def test_a_kill_loses_nothing_and_changes_no_bit(tmp_path, counting_video):
    """Killed with SIGKILL after some parts, it ends as if it had never been killed."""
    paths = [counting_video(tmp_path / f"{n}.mp4", 10 + n % 7, first=n) for n in range(60)]
    cache, here = tmp_path / "cache", Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": f"{here}:{here.parents[1]}"}
    process = subprocess.Popen([sys.executable, "-c", CHILD, cache, *paths], env=environment)
    while len(list(cache.glob("*/*.safetensors"))) < 8:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found, whole = extract_slowly(paths, cache), extract_slowly(paths, None)
    finally:
        torch.set_num_threads(threads)
    assert found.read < whole.read == 60
    assert comparable(found) == comparable(whole)
