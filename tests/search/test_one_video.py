from __future__ import annotations

import numpy as np
import pytest
import torch

import kinema
from kinema.common.vectors import unit
from kinema.config import ReadoutConfig
from kinema.data.clips import clip_view
from kinema.errors import ConfigError, VideoError
from kinema.video import Video


def test_a_file_becomes_times_and_vectors(videos, encoder):
    path = sorted(videos.rglob("*.mp4"))[0]
    times, vectors = kinema.embed_video(path, encoder)
    assert times.shape == (len(vectors), 2) == (2, 2) and vectors.dtype == np.float32
    assert times.tolist() == [[0, pytest.approx(0.5)], [pytest.approx(0.25), pytest.approx(0.75)]]
    opened = kinema.open_encoder(encoder)
    with Video(path, view=clip_view(opened.clip)) as video:
        frames = video.at_times(times[1, 0] + 0.5 / 16 + 0.125 * np.arange(4)).frames
    clip = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255
    with torch.inference_mode():
        expected = unit(opened.module(clip).numpy())
    assert vectors[1] == pytest.approx(expected[0], abs=0.02)  # bfloat16 where that is quick


def test_strides_readouts_and_an_encoder_that_is_open(videos, encoder):
    path = sorted(videos.rglob("*.mp4"))[0]
    half, dense = kinema.embed_video(path, encoder), kinema.embed_video(path, encoder, stride=0.125, batch_size=2)
    assert len(dense.times) > len(half.times)
    place = np.flatnonzero(np.isin(dense.times[:, 0], half.times[:, 0]))
    assert dense.vectors[place] == pytest.approx(half.vectors, abs=1e-3)
    again = kinema.embed_video(path, kinema.open_encoder(encoder))
    assert np.array_equal(again.vectors, half.vectors)
    readout = ReadoutConfig("layer2", (2, 2, 2), root=True)
    long = kinema.embed_video(path, encoder, readout=readout)
    assert long.vectors.shape[1] == 8 * 8 and np.array_equal(long.times, half.times)
    with pytest.raises(ConfigError, match="has its readout"):
        kinema.embed_video(path, kinema.open_encoder(encoder), readout=readout)


def test_a_file_that_cannot_be_read_is_named(encoder, tmp_path):
    (tmp_path / "no.mp4").write_text("no video")
    with pytest.raises(VideoError, match=r"no\.mp4"):
        kinema.embed_video(tmp_path / "no.mp4", encoder)
