"""Decoders beside PyAV: how one is chosen, and what happens where torchcodec does not load or gives up.

torchcodec is stood in for by a class of the same interface over PyAV; test_torchcodec.py has the real one.
"""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType, SimpleNamespace

import av
import numpy as np
import pytest
import torch
from video_samples import brightness, flat_frames

from kinema.errors import ConfigError
from kinema.video import Video, View, by_torchcodec, decoders, register_decoder
from kinema.video.loading import root_cause, verdict
from kinema.video.source import Source


class StandIn:
    """What kinema uses of torchcodec's VideoDecoder; asked for the frame ``breaks_at`` it raises."""

    breaks_at: int | None = None
    late = 0
    devices: list[str] = []  # noqa: RUF012

    def __init__(self, source, *, stream_index, dimension_order, num_ffmpeg_threads, device, custom_frame_mappings):
        assert source.startswith("file:") and dimension_order == "NHWC" and num_ffmpeg_threads == 1
        StandIn.devices.append(device)
        self._ticks = [frame["pts"] for frame in json.loads(custom_frame_mappings)["frames"]]
        with av.open(source.removeprefix("file:")) as container:
            self._base = container.streams[stream_index].time_base
            self._frames = {f.pts: f.to_ndarray(format="rgb24") for f in container.decode(container.streams.video[0])}

    def get_frame_at(self, number: int) -> SimpleNamespace:
        if number == StandIn.breaks_at:
            raise RuntimeError("SingleStreamDecoder.cpp:1, Could not push packet to decoder: Invalid data")
        ticks = self._ticks[number + StandIn.late]
        return SimpleNamespace(data=torch.from_numpy(self._frames[ticks]), pts_seconds=float(ticks * self._base))


@pytest.fixture
def stand_in(monkeypatch) -> type[StandIn]:
    module, package = ModuleType("torchcodec.decoders"), ModuleType("torchcodec")
    module.VideoDecoder = StandIn
    monkeypatch.setitem(sys.modules, "torchcodec", package)
    monkeypatch.setitem(sys.modules, "torchcodec.decoders", module)
    monkeypatch.setattr(by_torchcodec, "why_not_torchcodec", lambda: "")
    monkeypatch.setattr(decoders, "why_not_torchcodec", lambda: "")
    monkeypatch.setattr(StandIn, "breaks_at", None)
    monkeypatch.setattr(StandIn, "late", 0)
    monkeypatch.setattr(StandIn, "devices", [])
    monkeypatch.setattr(by_torchcodec, "LEFT", {})
    return StandIn


# ------------------------------------------------------------------ choice


def test_the_environment_says_which_decoder_reads(write_video, stand_in, monkeypatch) -> None:
    path = write_video()
    for said, name in ((None, "pyav"), ("pyav", "pyav"), ("torchcodec", "torchcodec"), ("auto", "torchcodec")):
        monkeypatch.delenv("KINEMA_DECODER", raising=False)
        if said:
            monkeypatch.setenv("KINEMA_DECODER", said)
        with Video(path) as video:
            assert video.decoded_by == name
            assert brightness(video.at_times([0.0, 0.5]).frames) == [0, 15]
    monkeypatch.setattr(decoders, "why_not_torchcodec", lambda: "it lacks something")
    assert decoders.chosen_decoder() == "pyav"
    assert decoders.in_recipes() == {}


def test_features_by_another_decoder_are_kept_apart(monkeypatch) -> None:
    monkeypatch.setenv("KINEMA_DECODER", "torchcodec")
    assert decoders.in_recipes()["decoder"].startswith("torchcodec")


def test_an_unknown_decoder_is_refused_with_those_there_are(write_video, monkeypatch) -> None:
    monkeypatch.setenv("KINEMA_DECODER", "torchcodek")
    with pytest.raises(
        ConfigError, match="KINEMA_DECODER: unknown video decoder 'torchcodek': did you mean torchcodec"
    ):
        Video(write_video())


def test_a_decoder_that_does_not_load_is_told_by_its_cause(write_video, monkeypatch) -> None:
    monkeypatch.setattr(by_torchcodec, "why_not_torchcodec", lambda: "torchcodec 1.0 does not load: it lacks libx")
    with pytest.raises(ConfigError, match="it lacks libx"):
        Video(write_video(), decoder="torchcodec")


@pytest.mark.skipif(importlib.util.find_spec("torchcodec") is not None, reason="torchcodec is installed")
def test_what_is_not_installed_is_told_with_the_command(write_video) -> None:
    with pytest.raises(ConfigError, match=r"pip install \"kinema\[torchcodec\]\""):
        Video(write_video(), decoder="torchcodec")


def test_a_decoder_of_ones_own(write_video) -> None:
    @register_decoder("negative")
    class Negative(Source):
        def converter(self, view):
            usual = super().converter(view)
            return lambda frame: 255 - usual(frame)

    path = write_video()
    with Video(path) as usual, Video(path, decoder="negative") as negative:
        np.testing.assert_array_equal(negative.read().frames, 255 - usual.read().frames)
    with pytest.raises(ConfigError, match="derived from"):
        register_decoder("other")(dict)


# ------------------------------------------------------------------ reading


@pytest.mark.parametrize("view", [View(), View(short_side=24), View(crop=(32, 32), size=(16, 16))])
@pytest.mark.parametrize("breaks_at", [None, 0, 17])
def test_what_is_read_is_what_pyav_reads(write_video, stand_in, monkeypatch, view, breaks_at) -> None:
    monkeypatch.setattr(stand_in, "breaks_at", breaks_at)
    path = write_video(frames=40)
    asked = [1.1, 0.2, 0.56, 7.0]
    grid = [number / 10 for number in range(30)]
    for given in (path, f"{path}#t=0.3,1.1"):
        with Video(given, view) as usual:
            wanted, whole, numbered = usual.at_times(asked), usual.read(), usual.at_indices([5, 18])
            followed = list(usual.follow(grid))
            facts = usual.info, usual.shortfall
        for read in ("at_times", "read", "follow"):
            by_torchcodec.LEFT.clear()
            with Video(given, view, decoder="torchcodec") as video:
                assert (video.info, video.at_indices([5, 18]).timestamps.tolist()) == (
                    facts[0],
                    numbered.timestamps.tolist(),
                )
                if read == "follow":
                    found = list(video.follow(grid))
                    assert [time for time, _ in found] == pytest.approx([time for time, _ in followed])
                    assert all(
                        np.abs(a.astype(int) - b).max() <= 2 for (_, a), (_, b) in zip(found, followed, strict=True)
                    )
                else:
                    clip, same = (video.at_times(asked), wanted) if read == "at_times" else (video.read(), whole)
                    np.testing.assert_allclose(clip.timestamps, same.timestamps, atol=1e-9)
                    assert np.abs(clip.frames.astype(int) - same.frames).max() <= 2
                    assert clip.warning == same.warning
                assert video.shortfall == facts[1]


def test_a_file_that_torchcodec_stumbles_over_is_left_to_pyav_with_the_reason(
    write_video, stand_in, monkeypatch
) -> None:
    path = write_video()
    monkeypatch.setattr(stand_in, "breaks_at", 3)
    with Video(path, decoder="torchcodec") as video:
        assert brightness(video.at_times([0.0]).frames) == [0] and video.decoded_by == "torchcodec"
        assert brightness(video.at_times([0.1]).frames) == [3]
        assert video.decoded_by == "pyav (torchcodec: Could not push packet to decoder: Invalid data)"
    with Video(path, decoder="torchcodec") as again:
        assert again.decoded_by.startswith("pyav (")


def test_a_frame_that_is_another_is_never_taken(write_video, stand_in, monkeypatch) -> None:
    monkeypatch.setattr(stand_in, "late", 1)
    with Video(write_video(), decoder="torchcodec") as video:
        assert brightness(video.at_times([0.2, 0.5]).frames) == [6, 15]
        assert "for another" in video.decoded_by


def test_only_what_is_wanted_is_asked_for(write_video, stand_in, monkeypatch) -> None:
    asked, get = [], stand_in.get_frame_at
    monkeypatch.setattr(stand_in, "get_frame_at", lambda self, number: asked.append(number) or get(self, number))
    with Video(write_video(frames=flat_frames(90)), decoder="torchcodec") as video:
        video.at_times([0.5, 2.0, 0.5])
    assert asked == [15, 60]


def test_a_gpu_is_asked_for_by_name(write_video, stand_in) -> None:
    with Video(write_video(), decoder="torchcodec-cuda") as video:
        assert brightness(video.at_times([0.3]).frames) == [9]
    assert stand_in.devices == ["cuda"]


@pytest.mark.parametrize(
    ("name", "given", "reason"),
    [
        ("a.ts", {}, "not trusted with mpegts"),
        ("a.mp4", {"pixel_format": "yuv420p10le"}, "other colours of yuv420p10le"),
        ("a.mp4", {"rotation": (0, True)}, "mirrored"),
        ("a.mp4", {"times": [*np.arange(20) / 30, *(5000 + np.arange(10) / 30)]}, "its clock jumps"),
    ],
)
def test_what_torchcodec_reads_otherwise_is_left_to_pyav(write_video, stand_in, name, given, reason) -> None:
    with Video(write_video(name, **given), decoder="torchcodec") as video:
        assert reason in video.decoded_by
        assert len(video.read().frames) == 30
    assert stand_in.devices == []


# ------------------------------------------------------------------ loading


def test_the_cause_is_found_among_what_the_system_says() -> None:
    def lacking(name):
        return f"{name}: cannot open shared object file: No such file or directory"

    none = {4: lacking("libavutil.so.56"), 5: lacking("libavutil.so.57")}
    assert verdict(none).startswith(
        "no FFmpeg of version 4 to 5 is found (libavutil.so.57, libavutil.so.56 are missing)"
    )
    assert "another version of PyTorch" in verdict(none | {5: "/x/libtorchcodec_core5.so: undefined symbol: _ZN3c10"})
    assert "for FFmpeg 5" in verdict(none | {5: "/x/libtorchcodec_core5.so: undefined symbol: _ZN3c10"})
    assert "lacks libnvrtc.so.13 of CUDA" in verdict(dict.fromkeys((4, 5), lacking("libnvrtc.so.13")))
    assert "lacks libx264.so.9" in verdict(none | {5: lacking("libx264.so.9")})
    assert verdict({}) == ""


def test_libraries_are_asked_themselves(tmp_path, monkeypatch) -> None:
    package = tmp_path / "torchcodec"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('Could not load libtorchcodec')\n")
    suffix = {"darwin": "dylib", "win32": "dll"}.get(sys.platform, "so")
    (package / f"libtorchcodec_core7.{suffix}").write_bytes(b"no library")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchcodec", raising=False)
    said = root_cause(RuntimeError("Could not load libtorchcodec\npages"))
    assert said.startswith("for FFmpeg 7 the system says: ") and "\n" not in said
    (package / f"libtorchcodec_core7.{suffix}").unlink()
    assert root_cause(RuntimeError("Could not load libtorchcodec\npages")) == "Could not load libtorchcodec"
