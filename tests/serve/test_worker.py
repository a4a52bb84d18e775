from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest

from kinema.data.synthetic.files import write_video
from kinema.errors import CheckpointError, ConfigError, DataError, VideoError
from kinema.search import Library
from kinema.serve import media, worker
from kinema.serve.worker import Guarded, Worker


@pytest.fixture(scope="module")
def guarded(library: Library) -> Iterator[Guarded]:
    process = Guarded(library.path)
    yield process
    process.close()


def test_embeds_as_the_library_does_and_tells_how_far_it_is(guarded: Guarded, library: Library) -> None:
    clip = library.windows()[0].path
    steps = guarded.follow("embed", clip, 0.1, 0.6)
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as stop:
            embedded = stop.value
            break
    expected = library.embed(clip, 0.1, 0.6)
    assert embedded.query == expected.query
    assert told == [0.1, expected.query.end]
    for way, vector in expected.vectors.items():
        np.testing.assert_allclose(embedded.vectors[way], vector, atol=1e-5)


def test_pictures_are_those_of_this_process(guarded: Guarded, library: Library) -> None:
    clip = library.windows()[0].path
    assert guarded.ask("strip", clip, 0.1, 0.5) == media.strip(clip, 0.1, 0.5)
    assert guarded.ask("probe", clip) == media.footage(clip)


def test_a_file_that_is_no_video_is_named_and_the_process_lives(guarded: Guarded, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    before = guarded._process
    with pytest.raises(VideoError, match="it is not a video"):
        guarded.ask("probe", str(tmp_path / "text.mp4"))
    with pytest.raises(ConfigError, match="is empty"):
        guarded.ask("embed", "x.mp4", 2.0, 1.0)
    assert guarded._process is before and before is not None and before.is_alive()


def test_a_decoder_that_hangs_costs_one_answer(library: Library) -> None:
    guarded = Guarded(library.path)
    clip = library.windows()[0].path
    try:
        assert guarded.ask("probe", clip).duration > 0
        assert guarded._process is not None and guarded._process.pid is not None
        os.kill(guarded._process.pid, signal.SIGSTOP)
        guarded._patience = 1
        with pytest.raises(VideoError, match="nothing came of it in 1 s"):
            guarded.ask("probe", clip)
        guarded._patience = 60
        assert guarded.ask("probe", clip).duration > 0
    finally:
        guarded.close()


def test_a_crash_in_the_middle_is_one_sentence(
    library: Library, tmp_path: Path, moving_picture: Callable[[Path], Path]
) -> None:
    clip = moving_picture(tmp_path / "long.mp4")
    guarded = Guarded(library.path)
    try:
        guarded.ask("warm")
        steps = guarded.follow("embed", str(clip), 0.0, 1e9)
        next(steps), next(steps)  # the first windows have been read
        assert guarded._process is not None and guarded._process.pid is not None
        os.kill(guarded._process.pid, signal.SIGKILL)
        with pytest.raises(VideoError, match="the decoder broke down over it"):
            list(steps)
    finally:
        guarded.close()


def test_who_stops_following_ends_the_work_and_not_the_process(
    library: Library, tmp_path: Path, moving_picture: Callable[[Path], Path]
) -> None:
    clip = moving_picture(tmp_path / "long.mp4")
    guarded = Guarded(library.path)
    try:
        guarded.ask("warm")
        for _ in range(3):
            steps = guarded.follow("embed", str(clip), 0.0, 1e9)
            next(steps), next(steps)
            before = guarded._process
            steps.close()
            assert guarded.ask("probe", str(clip)).duration > 10
            assert guarded._process is before and before is not None, "the encoder need not be loaded again"
    finally:
        guarded.close()


@pytest.fixture
def moving_picture() -> Callable[[Path], Path]:
    """Writes a video that is long enough for several batches of windows."""

    def make(path: Path) -> Path:
        rng = np.random.default_rng(0)
        write_video(path, (rng.integers(0, 255, (32, 32, 3), np.uint8) for _ in range(1200)), fps=16.0)
        return path

    return make


def test_too_many_pixels_and_too_long_are_refused(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, clip = Worker(library), library.windows()[0].path
    monkeypatch.setattr(worker, "MAX_PIXELS", 32 * 32 - 1)
    with pytest.raises(VideoError, match="frames of 32x32 are too large; scale it"):
        inside.probe(print, clip)
    monkeypatch.setattr(worker, "MAX_PIXELS", 32 * 32)
    monkeypatch.setattr(worker, "MAX_SECONDS", 0.7)
    with pytest.raises(VideoError, match=r"longer than .* minutes; cut the part"):
        inside.probe(print, clip)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.ffconcat", "ffconcat version 1.0\nfile '{clip}'\n"),
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{clip}\n#EXT-X-ENDLIST\n"),
        ("list.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("subtitles.srt", "1\n00:00:00,000 --> 00:00:02,000\nwords\n"),
        ("scene.svg", "<svg xmlns='http://www.w3.org/2000/svg'><image href='{clip}'/></svg>"),
    ],
)
def test_what_names_other_files_is_refused_and_they_stay_closed(
    library: Library, tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_text(text.format(clip=library.windows()[0].path))
    shutil.copy(tmp_path / name, tmp_path / "upload")
    for path in (tmp_path / name, tmp_path / "upload"):
        with pytest.raises(VideoError):
            Worker(library).probe(print, str(path))


def test_a_play_list_that_libav_would_open_is_named(library: Library, tmp_path: Path) -> None:
    clip = shutil.copy(library.windows()[0].path, tmp_path / "clip.mp4")
    (tmp_path / "list").write_text("ffconcat version 1.0\nfile 'clip.mp4'\n")
    assert media.footage(tmp_path / "list").duration > 0, "what is in it would be shown"
    with pytest.raises(VideoError, match="it is a play list, a picture or of a format that is not taken"):
        Worker(library).probe(print, str(tmp_path / "list"))
    assert Worker(library).probe(print, str(clip)).duration > 0


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mkv", "ffv1"), ("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9"), ("a.mov", "mpeg4"), ("a.ts", "mpeg2video"),
     ("a.mpg", "mpeg2video"), ("a.ogv", "libtheora"), ("a.flv", "flv"), ("a.gif", "gif"), ("a.mxf", "mpeg2video")],
)  # fmt: skip
def test_what_people_have_is_taken(library: Library, tmp_path: Path, name: str, codec: str) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"needs {codec}")
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 64, 48
        stream.pix_fmt = {"gif": "rgb8", "ffv1": "bgr0"}.get(codec, "yuv420p")
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * number, np.uint8), format="rgb24")
            container.mux(stream.encode(frame.reformat(format=stream.pix_fmt)))
        container.mux(stream.encode())
    (tmp_path / name).rename(tmp_path / "token")
    assert Worker(library).probe(print, str(tmp_path / "token")).width == 64


def test_opening_a_file_cannot_take_all_memory() -> None:
    with pytest.raises(MemoryError), worker._bounded_memory():
        np.empty(worker.HEADROOM + (1 << 28), np.uint8)
    assert np.empty(worker.HEADROOM + (1 << 28), np.uint8).nbytes > worker.HEADROOM, "afterwards it may again"


def test_a_missing_encoder_is_named(library: Library, tmp_path: Path) -> None:
    guarded = Guarded(library.path, str(tmp_path / "none"))
    try:
        with pytest.raises(CheckpointError, match="there is no encoder at"):
            guarded.ask("warm")
    finally:
        guarded.close()


def test_what_is_closed_starts_no_process_any_more(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = Guarded(library.path)
    closed.close()
    monkeypatch.setattr(worker, "multiprocessing", None)
    with pytest.raises(VideoError):
        closed.ask("ready")


def test_where_no_process_can_be_started_it_is_said_each_time(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    from multiprocessing.process import BaseProcess

    def crowded(process: BaseProcess) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    process = Guarded(library.path)
    with monkeypatch.context() as patched:
        patched.setattr(BaseProcess, "start", crowded)
        for _ in range(2):
            with pytest.raises(DataError, match="no process can be started that reads clips: resource temporarily"):
                process.ask("ready")
    process.close()
