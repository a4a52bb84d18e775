from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from kinema.config import AugmentConfig, ClipConfig, FlowConfig, PretrainConfig, SamplingConfig
from kinema.data.clips import MISSING, clip_view
from kinema.data.crops import Cropping, cropping, described, reading_side, shown_size
from kinema.data.fields import ClipReader
from kinema.data.nuisance import nuisance_views
from kinema.data.pairs import ClipPairs
from kinema.data.sampler import Draw
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError, DataError
from kinema.evaluation.features import extract_features
from kinema.search.embedder import Embedder
from kinema.training.checks import check_pretraining
from kinema.training.resuming import deciding
from kinema.video import Video, View
from kinema.video.scan import scan_file

CLIP = ClipConfig(frames=4, step=0.125, size=(32, 32), squeeze=True)
CROPPED = replace(CLIP, crop="motion")


@pytest.fixture
def folder(tmp_path):
    """A video of 2 seconds in which a bright square of 20 pixels walks along the lower border of 120 x 240 pixels."""
    ground = np.random.default_rng(0).uniform(50, 80, (15, 30, 1)).repeat(8, 0).repeat(8, 1).repeat(3, 2)
    frames = []
    for number in range(32):
        frame = ground.copy()
        frame[90:110, 40 + 2 * number : 60 + 2 * number] = 220
        frames.append(frame.astype(np.uint8))
    (tmp_path / "videos").mkdir()
    write_video(tmp_path / "videos" / "walk.mp4", frames, 16.0)
    return tmp_path / "videos"


class Mean(torch.nn.Module):
    """How bright a clip is, by place and time."""

    def forward(self, clips):
        return torch.nn.functional.adaptive_avg_pool3d(clips, (1, 4, 4)).flatten(1)


def boxes(folder, rows):
    path = folder.parent / "boxes.csv"
    path.write_text("file,frame,x0,y0,x1,y1,subject\n" + "\n".join(rows))
    return str(path)


# what is the same as ever


def test_without_a_crop_nothing_says_that_there_could_be_one():
    assert described(CLIP) == {name: value for name, value in asdict(CLIP).items() if name != "crop"}
    assert clip_view(CLIP) == View(size=(32, 32)) and cropping(CLIP) is None
    usual = PretrainConfig()
    flat = deciding(asdict(usual), PretrainConfig, hierarchical=False)
    assert "clip.crop" not in flat
    cropped = asdict(replace(usual, clip=replace(usual.clip, crop="motion")))
    assert deciding(cropped, PretrainConfig, hierarchical=False)["clip.crop"] == "motion"


def test_an_encoder_without_a_crop_has_the_fingerprint_that_it_had():
    about = Embedder(Mean(), CLIP, "mean", "cpu").fingerprint
    others = {
        Embedder(Mean(), replace(CLIP, crop=crop), "mean", "cpu").fingerprint for crop in ("motion", "b.csv", "c")
    }
    assert about not in others and len(others) == 2  # files of boxes may grow


# sizes


def test_what_is_shown_has_the_size_of_what_is_shown_of_whole_frames():
    assert shown_size(CLIP) == (32, 32)
    assert shown_size(replace(CLIP, squeeze=False, short_side=40, size=(32, 48))) == (40, 60)
    assert shown_size(replace(CLIP, squeeze=False, short_side=None)) == (32, 32)
    assert reading_side(CROPPED) >= 32 and clip_view(CROPPED).short_side == reading_side(CROPPED)


def test_small_videos_are_not_scaled_up_to_be_cut():
    assert View(short_side=80, enlarge=False).scaled(60, 40) == (60, 40)
    assert View(short_side=80, enlarge=False).scaled(200, 100) == (160, 80)
    assert View(short_side=80).scaled(60, 40) == (120, 80)


def test_clips_of_frames_that_are_missing_stay_so():
    frames = np.random.default_rng(0).integers(0, 255, (5, 40, 60, 3), dtype=np.uint8)
    rows = np.array([[0, 1, 2, 3], [1, 1, 4, MISSING]])
    cut, shown, owners = Cropping(CROPPED).clips(frames, np.arange(5.0), rows, every=True)
    assert cut.shape[1:] == (32, 32, 3) and owners.tolist() == [0, 1]
    assert (shown[1] == MISSING).tolist() == [False, False, False, True] and shown[1, 0] == shown[1, 1]


# features


def test_features_are_of_what_moves(folder):
    paths = [folder / "walk.mp4"]
    whole, cut = (extract_features({"e": Mean()}, paths, clip, clips=2, workers=0)["e"] for clip in (CLIP, CROPPED))
    assert cut.mean() > whole.mean() + 0.008


def test_features_of_several_subjects_are_averaged(folder):
    rows = [
        f"walk,{n},{x},{y},{x + 30},{y + 30},{name}"
        for n in range(32)
        for name, x, y in (("a", 10, 10), ("b", 200, 85))
    ]
    both, one = (
        extract_features(
            {"e": Mean()}, [folder / "walk.mp4"], replace(CLIP, crop=boxes(folder, chosen)), clips=1, workers=0
        )["e"]
        for chosen in (rows, rows[::2])
    )
    other = extract_features(
        {"e": Mean()}, [folder / "walk.mp4"], replace(CLIP, crop=boxes(folder, rows[1::2])), clips=1, workers=0
    )["e"]
    torch.testing.assert_close(both, (one + other) / 2)


def test_boxes_of_a_part_are_those_of_its_time(folder):
    rows = [f"walk,{n},{x},60,{x + 40},120," for n, x in [(n, 0 if n < 16 else 180) for n in range(32)]]
    clip = replace(CLIP, crop=boxes(folder, rows))
    for part, left in (("#t=0,0.9", True), ("#t=1.1,2", False)):
        path = f"{folder / 'walk.mp4'}{part}"
        with Video(path) as video:
            found = cropping(clip, path, video.info)
        assert found is not None and found.boxes is not None
        (box,) = found.boxes.between(0.1, 0.6).values()
        assert (box.left < 0.2) == left == (box.right < 0.8)


def test_kept_features_belong_to_the_boxes(folder):
    rows = ["walk,0,10,10,40,40,", "walk,31,10,10,40,40,"]
    keep = {"clips": 1, "workers": 0, "cache": folder.parent / "cache"}

    def read(clip):
        return extract_features({"e": Mean()}, [folder / "walk.mp4"], clip, **keep).read

    clip = replace(CLIP, crop=boxes(folder, rows))
    assert [read(CLIP), read(clip), read(clip), read(CLIP)] == [1, 1, 0, 0]
    boxes(folder, ["walk,0,100,10,140,40,", "walk,31,10,10,40,40,"])
    assert read(clip) == 1


def test_copies_for_whitening_are_of_what_moves(folder):
    def views(clip):
        with Video(folder / "walk.mp4", view=clip_view(clip)) as video:
            return nuisance_views(video, [0.5], clip, 2, strength=0.0)[0]

    assert views(CROPPED).shape == (2, 4, 32, 32, 3) and views(CROPPED).mean() > views(CLIP).mean() + 2


# training


def test_training_sees_what_moves_and_its_flow(folder):
    entries, examples = [scan_file(folder / "walk.mp4", folder)], {}
    for name, clip in (("whole", CLIP), ("cut", CROPPED)):
        pairs = ClipPairs(
            entries, ClipReader(folder, clip, FlowConfig()), SamplingConfig(), AugmentConfig(min_area=1.0), True
        )
        examples[name] = pairs[Draw(0, (0, 0, 0))]
    cut, whole = examples["cut"], examples["whole"]
    assert {k: v.shape for k, v in cut.items()} == {k: v.shape for k, v in whole.items()}
    assert cut["query"].float().mean() > whole["query"].float().mean() + 2
    assert cut["query_flow"].float().abs().max() > whole["query_flow"].float().abs().max()


def test_flow_of_a_store_is_of_whole_frames():
    config = PretrainConfig(clip=CROPPED, flow=FlowConfig(cache="store"))
    with pytest.raises(ConfigError, match=r"flow\.cache"):
        check_pretraining(config)


# what cannot be


def test_bad_boxes_are_told(folder):
    clip = replace(CLIP, crop=boxes(folder, ["run,0,10,10,40,40,"]))
    with pytest.raises(DataError, match="has no boxes of it"):
        extract_features({"e": Mean()}, [folder / "walk.mp4"], clip, clips=1, workers=0)
    clip = replace(CLIP, crop=boxes(folder, ["walk,600,10,10,40,40,"]))
    with pytest.raises(DataError, match="frame 600, and it has 32 frames"):
        extract_features({"e": Mean()}, [folder / "walk.mp4"], clip, clips=1, workers=0)
    entry = scan_file(folder / "walk.mp4", folder)
    with pytest.raises(DataError, match=r"none\.csv"):
        cropping(replace(CLIP, crop=str(folder / "none.csv")), "walk.mp4", entry)
