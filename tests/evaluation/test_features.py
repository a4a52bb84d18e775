from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kinema.config import ClipConfig
from kinema.errors import ConfigError, DataError
from kinema.evaluation import extract_features

CLIP = ClipConfig(frames=4, step=0.1, short_side=32, size=(24, 24))


class Grey(nn.Module):
    """The grey level (0 to 255) of a clip's first and last frame."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm3d(3)  # untrained: does nothing in evaluation mode, and all in training mode
        self.seen: list[tuple[int, ...]] = []

    def forward(self, clips):
        assert clips.dtype == torch.float32
        assert 0 <= clips.min() <= clips.max() <= 1
        self.seen.append(tuple(clips.shape))
        return self.norm(clips).mean((1, 3, 4))[:, [0, -1]] * 255


def extract(paths, encoder=None, clip=CLIP, **settings):
    settings = {"workers": 0, "precision": "32", **settings}
    return extract_features({"grey": encoder or Grey()}, paths, clip, **settings)


def test_features_are_the_mean_over_uniform_clips(tmp_path, counting_video):
    paths = [counting_video(tmp_path / "a.mp4", 20), counting_video(tmp_path / "b.mp4", 13, first=100)]
    features = extract(paths, clips=3)
    expected = []
    for first, count in ((0, 20), (100, 13)):
        latest = count - 4  # the first frame of the last clip
        starts = [first + int(latest * share + 0.5 + 1e-9) for share in (0, 0.5, 1)]
        expected.append([np.mean(starts), np.mean(starts) + 3])
    assert features["grey"].tolist() == [pytest.approx(row, abs=0.01) for row in expected]
    assert features["grey"].dtype == torch.float32
    assert not features["grey"].requires_grad
    assert features.duration == pytest.approx(3.3, abs=0.01)
    assert features.short == features.early == ()


def test_batches_and_workers_change_nothing_but_the_time(tmp_path, counting_video):
    paths = [counting_video(tmp_path / f"{n}.mp4", 8 + n, first=10 * n) for n in range(5)]
    encoder, threads = Grey(), torch.get_num_threads()
    torch.set_num_threads(1)  # more of them share out a batch
    try:
        one = extract(paths, encoder, clips=2, batch_size=4)
    finally:
        torch.set_num_threads(threads)
    assert encoder.seen == [(4, 3, 4, 24, 24), (4, 3, 4, 24, 24), (2, 3, 4, 24, 24)]
    two = extract(paths, clips=2, batch_size=100, workers=2)
    assert torch.allclose(one["grey"], two["grey"], atol=1e-4)
    assert one.spec() == two.spec()


def test_each_file_is_opened_once_for_all_encoders(tmp_path, counting_video, monkeypatch):
    import kinema.video

    opened = []

    class Watched(kinema.video.Video):
        def __init__(self, path, view=None):
            opened.append(path)
            super().__init__(path, view)

    monkeypatch.setattr(kinema.video, "Video", Watched)
    paths = [counting_video(tmp_path / f"{n}.mp4", 12, first=n) for n in range(3)]
    first, second = Grey(), Grey()
    features = extract_features({"a": first, "b": second}, paths, CLIP, workers=0, precision="32")
    assert opened == [str(path) for path in paths]
    assert torch.equal(features["a"], features["b"])
    assert first.seen == second.seen


def test_modes_gradients_and_random_state_are_left_as_they_were(tmp_path, counting_video):
    path = counting_video(tmp_path / "a.mp4", 12)
    encoder = nn.Sequential(Grey(), nn.Dropout(0.5)).train()
    encoder[0].norm.eval()
    before = torch.get_rng_state()
    statistics = encoder[0].norm.running_mean.clone()
    values = extract([path] * 3, encoder)["grey"]
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(encoder[0].norm.running_mean.cpu(), statistics)
    assert (encoder.training, encoder[0].training, encoder[0].norm.training) == (True, True, False)
    assert torch.equal(values[0], values[1])
    assert not values.is_inference()


def test_a_video_shorter_than_a_clip_holds_its_last_frame_and_is_counted(tmp_path, counting_video):
    paths = [counting_video(tmp_path / "long.mp4", 20), counting_video(tmp_path / "short.mp4", 2, first=50)]
    paths.append(counting_video(tmp_path / "one.mp4", 1, first=90))
    features = extract(paths)
    assert features.short == (1, 2)
    assert features["grey"][1:].tolist() == [pytest.approx([50, 51], abs=0.01), pytest.approx([90, 90], abs=0.01)]


def test_a_header_that_promises_too_much_is_noticed(tmp_path, counting_video, monkeypatch):
    """Clips lie in what there is, not in what the header says."""
    import kinema.video

    class Boasting(kinema.video.Video):
        @property
        def info(self):
            from dataclasses import replace

            return replace(super().info, duration=10.0)

    path = counting_video(tmp_path / "a.mp4", 20)
    honest = extract([path])
    monkeypatch.setattr(kinema.video, "Video", Boasting)
    found = extract([path])
    assert found.early == (0,)
    assert torch.allclose(found["grey"], honest["grey"])
    assert found.duration == pytest.approx(2.0)


def test_the_crop_is_central_and_of_the_scaled_frame(tmp_path, write_video):
    frames = np.zeros((8, 64, 96, 3), np.uint8)
    frames[:, 8:56, 24:72] = 200  # what the central 24x24 of the frame at half size shows
    path = write_video(tmp_path / "a.mp4", frames)
    assert extract([path])["grey"].flatten().tolist() == pytest.approx([200, 200], abs=1)
    native = ClipConfig(frames=4, step=0.1, short_side=48, size=(48, 48), center_crop=(48, 48))
    assert extract([path], clip=native)["grey"].flatten().tolist() == pytest.approx([200, 200], abs=1)


def test_unreadable_videos_are_all_named_at_the_end(tmp_path, counting_video):
    paths = [counting_video(tmp_path / "good.mp4", 12)]
    for name in "abcde":
        paths.append(tmp_path / f"{name}.mp4")
        paths[-1].write_text("no video")
    for workers in (0, 1):
        with pytest.raises(DataError) as caught:
            extract(paths, workers=workers)
        message = str(caught.value)
        assert message.startswith("5 of 6 videos cannot be used: a.mp4, b.mp4, c.mp4 and 2 more (5 in all)")
        assert f"cannot read {paths[1]}" in message
        assert "\n" not in message


def test_a_frame_smaller_than_the_clip_names_the_file(tmp_path, counting_video):
    path = counting_video(tmp_path / "a.mp4", 12)
    with pytest.raises(DataError, match=r"a\.mp4: a frame scaled to 16x24 is smaller than .* 24x24"):
        extract([path], clip=ClipConfig(frames=4, step=0.1, short_side=16, size=(24, 24)), workers=1)


def test_settings_that_cannot_be_met(tmp_path, counting_video):
    path = counting_video(tmp_path / "a.mp4", 12)
    with pytest.raises(ConfigError, match="at least one clip"):
        extract([path], clips=0)
    with pytest.raises(ConfigError, match="no device 'cuda:77' here"):
        extract([path], device="cuda:77")
    with pytest.raises(ConfigError, match="no device 'abacus' here"):
        extract([path], device="abacus")


def test_nothing_to_do_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="at least one"):
        extract([])


def test_awkward_real_files(shared_data):
    """One packet of 50 is corrupt; four frames in a GIF; rotated; ten bits; an unreadable one would raise."""
    names = ["decord_corrupted.mp4", "tc_animated.gif", "tc_nasa_13013_rotated.mp4", "tc_h264_10bits.mp4"]
    clip = ClipConfig(frames=5, step=0.1, short_side=32, size=(24, 24))
    features = extract([shared_data / "assets" / name for name in names], clip=clip, clips=3, workers=1)
    assert features.early == (), "a bad packet costs its own frame and no more"
    assert features.short == (1,)
    assert torch.isfinite(features["grey"]).all()
    with pytest.raises(DataError, match=r"made_empty\.mp4.*the file is empty"):
        extract([shared_data / "assets" / name for name in ("tc_animated.gif", "made_empty.mp4")])
