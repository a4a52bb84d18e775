"""The real torchcodec, where it loads: the same frames as PyAV's, of everything that it is let to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from video_samples import brightness, textured_frames

from kinema.errors import VideoError
from kinema.video import Video, View
from kinema.video.by_torchcodec import why_not_torchcodec
from kinema.video.decoders import DECODERS

pytestmark = pytest.mark.skipif(bool(why_not_torchcodec()), reason=why_not_torchcodec() or "it loads")
DATA = Path(__file__).parents[3] / "shared" / "data"
ODD = ("clock_jump", "clock_restart", "interlaced", "stream_choice", "theora_empty_packets", "extreme_aspect")
SCALED = View(size=(112, 112))
CUT = View(crop=(40, 40), size=(24, 24))
MOMENTS = (0.0, 0.2, 0.24, 0.5, 1.0, 3.1, 7.1, 12.75)


def away(path: Path, view: View) -> tuple[str, np.ndarray]:
    """What decodes a file if torchcodec may, and the levels by which its frames lie above PyAV's."""
    with Video(path, view, "pyav") as usual, Video(path, view, "torchcodec") as other:
        ours, theirs = usual.at_times(MOMENTS), other.at_times(MOMENTS)
        assert usual.info == other.info
        np.testing.assert_allclose(theirs.timestamps, ours.timestamps, atol=1e-9)
        return other.decoded_by, theirs.frames.astype(np.int16) - ours.frames


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("a.mp4", {}),
        ("a.mkv", {"times": [*np.arange(20) / 30, *(2 + np.arange(28) ** 1.1 / 10)]}),
        ("a.avi", {"codec": "mpeg4"}),
        ("a.mp4", {"rotation": (90, False)}),
        ("a.mp4", {"rotation": (180, False)}),
        ("a.mp4", {"rotation": (-90, False)}),
    ],
)
def test_frames_are_those_of_pyav(write_video, name, given) -> None:
    path = write_video(name, frames=textured_frames(48), **given)
    for view in (View(), CUT):
        by, levels = away(path, view)
        assert by == "torchcodec" and not levels.any()
    with Video(path, decoder="pyav") as usual, Video(path, decoder="torchcodec") as other:
        np.testing.assert_array_equal(other.read().frames, usual.read().frames)
        grid = [number / 9 for number in range(30)]
        for (time, frame), (wanted, same) in zip(other.follow(grid), usual.follow(grid), strict=True):
            assert time == pytest.approx(wanted) and (frame == same).all()


def test_a_gpu_that_is_not_there_leaves_the_file_to_pyav(write_video) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with Video(write_video(), decoder="torchcodec-cuda") as video:
        assert brightness(video.at_times([0.5]).frames) == [15]
        assert video.decoded_by.startswith("pyav (torchcodec: ")
    assert "torchcodec-cuda" in DECODERS.names()


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared/data")
def test_every_file_is_read_alike_whatever_decodes_it() -> None:
    """To the bit at the stored size and where a crop is scaled; whole frames scaled are a level darker:
    PyAV's are scaled before they become RGB, torchcodec's after.
    """
    paths = [*DATA.glob("assets/*"), *(path for kind in ODD for path in DATA.glob(f"faults/{kind}/*.*"))]
    paths += [next(DATA.glob("actions/ut_interaction/*/*.avi")), next(DATA.glob("actions/mouse/*/*"))]
    by_torchcodec = 0
    for path in paths:
        try:
            Video(path, decoder="pyav").close()
        except VideoError as error:
            with pytest.raises(VideoError, match=error.reason[:20]):
                Video(path, decoder="torchcodec")
            continue
        for view in (View(), CUT):
            by, levels = away(path, view)
            assert not levels.any(), f"{path.name} by {by}"
        by, levels = away(path, SCALED)
        assert abs(levels.mean()) < (1.5 if by == "torchcodec" else 1e-9), f"{path.name} by {by}"
        by_torchcodec += by == "torchcodec"
    assert by_torchcodec > len(paths) / 3
