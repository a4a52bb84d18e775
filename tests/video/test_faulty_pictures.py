"""Folders of pictures with what lies beside and between them, and pixel formats."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from video_samples import brightness, flat_frames

from kinema.video import Video, find_videos, scan_folder
from kinema.video.scan import scan_file


def row(path: Path):
    return scan_file(path, path.parent)


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    from PIL import Image

    folder = tmp_path / "set" / "clip"
    folder.mkdir(parents=True)
    (tmp_path / "set" / "fps.txt").write_text("10")
    for number, pixels in enumerate(flat_frames(20), 1):
        Image.fromarray(pixels).save(folder / f"{number:05}.jpg", quality=95)
    return folder


@pytest.mark.parametrize("left", ["Thumbs.db", "desktop.ini", ".DS_Store", "fps.txt"])
def test_what_systems_leave_beside_pictures_does_not_hide_them(unpacked: Path, left: str) -> None:
    (unpacked / left).write_text("10")
    (entry,) = scan_folder(unpacked.parent, progress=False)
    assert (entry.path, entry.status, entry.frames) == ("clip", "ok", 20)


@pytest.mark.parametrize("pixel_format", ["rgb4", "gray16be", "yuv444p16le"])
def test_pixel_formats_are_read_or_named(tmp_path: Path, pixel_format: str) -> None:
    path = tmp_path / "raw.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, pixel_format
        for pixels in flat_frames(6, 32, 32):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    if pixel_format == "rgb4":  # libswscale writes it, and does not read it
        assert row(path).error == "nothing here turns its pixel format rgb4 into RGB"
        return
    assert row(path).status == "ok"
    with Video(path) as video:
        assert brightness(video.read().frames) == list(range(6))


def test_endings_in_capitals(unpacked: Path) -> None:
    for path in unpacked.iterdir():
        path.rename(path.with_suffix(".JPG"))
    assert find_videos(unpacked.parent)[0] == [unpacked]
    with Video(unpacked) as video:
        assert brightness(video.read().frames) == list(range(20))


@pytest.mark.parametrize("missing", [1, 5, 20])
def test_links_to_nothing_are_named(unpacked: Path, missing: int) -> None:
    (unpacked / f"{missing:05}.jpg").unlink()
    (unpacked / f"{missing:05}.jpg").symlink_to("nowhere")
    (entry,) = scan_folder(unpacked.parent, progress=False)
    assert entry.status == "unreadable"
    assert f"picture {missing} is missing" in entry.error


def test_a_damaged_picture_in_the_middle_costs_itself(unpacked: Path) -> None:
    (unpacked / "00007.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (entry,) = scan_folder(unpacked.parent, progress=False)
    assert (entry.status, entry.frames, entry.duration) == ("partial", 19, 2.0)
    assert entry.error.startswith("corrupt at 0.600 s")
