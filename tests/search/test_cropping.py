"""Windows cut around their subject, from the videos to the answers."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from a_server import IN_A_FOLDER

from kinema.cli import main
from kinema.config import ClipConfig
from kinema.config.windows import Windowing
from kinema.data.synthetic.files import write_video
from kinema.errors import ConfigError, DataError
from kinema.search import Library
from kinema.search.windows import WindowReader

CLIP = ClipConfig(frames=4, step=0.125, size=(32, 32), squeeze=True, crop="motion")
FRAMES = 24


def walkers(path, *starts, step=2, size=(200, 400), flat=False):
    """A video of 1.5 seconds: a textured square of 24 pixels walks rightwards from each of ``starts`` (x, y), over a
    textured ground or a flat one."""
    rng = np.random.default_rng(1)
    ground = np.repeat(rng.uniform(60, 90, (size[0] // 8, size[1] // 8)).repeat(8, 0).repeat(8, 1)[..., None], 3, 2)
    coat = np.repeat(rng.uniform(140, 250, (6, 6)).repeat(4, 0).repeat(4, 1)[..., None], 3, 2)
    ground = np.full_like(ground, 75) if flat else ground
    frames = []
    for number in range(FRAMES):
        frame = ground.copy()
        for x, y in starts:
            frame[y : y + 24, x + step * number : x + step * number + 24] = coat
        frames.append(frame.astype(np.uint8))
    path.parent.mkdir(exist_ok=True)
    write_video(path, frames, 16.0)
    return path


def boxes_file(path, **subjects):
    """Boxes of walk.mp4 by frame, of walkers as of :func:`walkers`, by name."""
    rows = [
        f"walk.mp4,{n},{x + 2 * n},{y},{x + 2 * n + 24},{y + 24},{name}"
        for n in range(FRAMES)
        for name, (x, y) in subjects.items()
    ]
    path.write_text("\n".join(["file,frame,x0,y0,x1,y1,subject", *rows]))
    return str(path)


# windows


def test_windows_are_cut_around_what_moves(tmp_path):
    path = walkers(tmp_path / "walk.mp4", (40, 60))
    windows = list(WindowReader(CLIP, Windowing()).read(path))
    whole = list(WindowReader(replace(CLIP, crop=None), Windowing()).read(path))
    assert [(w.start, w.end, w.short) for w in windows] == [(w.start, w.end, w.short) for w in whole]
    for number, window in enumerate(windows):
        assert window.clips.shape == (1, 4, 32, 32, 3)
        box, middle = window.place.box, (40 + 8 * number + 12 + 6) / 400
        assert box.left < middle < box.right and box.right - box.left < 0.5
        assert box.top * 200 <= 60 and box.bottom * 200 >= 84
        assert window.clips.mean() > whole[0].clips.mean() + 1  # the bright walker fills more of it


def test_a_walker_elsewhere_is_seen_alike(tmp_path):
    one, other = (
        next(WindowReader(CLIP, Windowing()).read(walkers(tmp_path / f"{x}.mp4", (x, 56), flat=True)))
        for x in (100, 175)
    )
    apart = np.abs(one.clips.astype(int) - other.clips).mean()
    whole = replace(CLIP, crop=None)
    one, other = (next(WindowReader(whole, Windowing()).read(tmp_path / f"{x}.mp4")) for x in (100, 175))
    assert apart < 0.5 * np.abs(one.clips.astype(int) - other.clips).mean()


def test_of_what_stands_still_the_whole_frame_is_shown(tmp_path):
    path = walkers(tmp_path / "still.mp4", (40, 60), step=0)
    window = next(WindowReader(CLIP, Windowing()).read(path))
    whole = next(WindowReader(replace(CLIP, crop=None), Windowing()).read(path))
    assert window.place.box.whole and np.abs(window.clips.astype(int) - whole.clips).mean() < 3


def test_each_subject_of_a_file_has_windows_of_its_own(tmp_path):
    path = walkers(tmp_path / "walk.mp4", (20, 10), (120, 80))
    clip = replace(CLIP, crop=boxes_file(tmp_path / "boxes.csv", ann=(20, 10), bea=(120, 80)))
    windows = list(WindowReader(clip, Windowing()).read(path))
    assert [w.place.subject for w in windows] == ["ann", "bea"] * (len(windows) // 2)
    assert windows[0].start == windows[1].start and windows[0].place.box.right < windows[1].place.box.right


def test_encoders_without_squeezing_see_boxes_too(tmp_path):
    clip = replace(CLIP, squeeze=False, short_side=40)
    window = next(WindowReader(clip, Windowing()).read(walkers(tmp_path / "walk.mp4", (40, 60))))
    box = window.place.box
    assert window.clips.shape == (1, 4, 32, 32, 3)
    assert (box.right - box.left) * 400 == pytest.approx((box.bottom - box.top) * 200, rel=0.05)


# an index


@pytest.fixture
def cropped(tmp_path, encoder):
    """A folder with a video of two walkers and one of one, the boxes of the first, and an index by them."""
    walkers(tmp_path / "v" / "walk.mp4", (20, 10), (120, 80))
    boxes = boxes_file(tmp_path / "boxes.csv", ann=(20, 10), bea=(120, 80))
    library = Library(tmp_path / "index", encoder, crop=boxes)
    return library, library.add(tmp_path / "v"), boxes


def test_an_index_keeps_whose_box_a_window_is(cropped, tmp_path):
    library, added, boxes = cropped
    windows = library.windows()
    places = library.places([window.id for window in windows])
    assert added.windows == len(windows) == len(places)
    assert [places[number].subject for number in sorted(places)] == ["ann"] * (len(places) // 2) + ["bea"] * (
        len(places) // 2
    )
    again = Library(tmp_path / "index")
    assert again.crop == boxes and again.add(tmp_path / "v").unchanged == 1


def test_an_index_keeps_to_its_crop(cropped, tmp_path, encoder):
    with pytest.raises(ConfigError, match="cut around"):
        Library(tmp_path / "index", encoder, crop="motion")
    with sqlite3.connect(tmp_path / "index" / "windows.sqlite") as db:
        assert db.execute("SELECT value FROM about WHERE name = 'format'").fetchone() == ("3",)


def test_queries_are_cut_alike_and_around_what_moves_where_there_are_no_boxes_of_them(cropped, tmp_path):
    library, _, _ = cropped
    known = library.embed(tmp_path / "v" / "walk.mp4", 0.0, 0.5)
    kept = library.vectors([w.id for w in library.windows() if w.start == 0.0])
    np.testing.assert_allclose(np.sort(known.vectors["motion"][:2], 0), np.sort(kept, 0), atol=1e-5)
    elsewhere = walkers(tmp_path / "query.mp4", (60, 40))
    assert library.search(elsewhere).hits


def test_videos_without_boxes_are_named(cropped, tmp_path):
    library, _, boxes = cropped
    walkers(tmp_path / "v" / "run.mp4", (60, 40))
    (problem,) = library.add(tmp_path / "v").problems
    assert problem.path.endswith("run.mp4") and f"{boxes} has no boxes of it" in problem.error


def test_an_index_by_motion(tmp_path, encoder):
    walkers(tmp_path / "v" / "walk.mp4", (40, 60))
    library = Library(tmp_path / "index", encoder, crop="motion")
    library.add(tmp_path / "v")
    assert Library(tmp_path / "index").crop == "motion"
    assert all(not place.box.whole for place in library.places([w.id for w in library.windows()]).values())


@IN_A_FOLDER
def test_an_index_of_whole_frames_is_as_it_was(indexed):
    with sqlite3.connect(indexed.path / "windows.sqlite") as db:
        assert db.execute("SELECT value FROM about WHERE name = 'format'").fetchone() == ("2",)
        assert not db.execute("SELECT name FROM sqlite_master WHERE name LIKE '%boxes%'").fetchall()
    assert indexed.crop is None and indexed.places([1, 2]) == {}


def test_a_file_of_boxes_that_is_none_is_named_before_anything_is_made(tmp_path, encoder):
    walkers(tmp_path / "v" / "walk.mp4", (40, 60))
    with pytest.raises(DataError, match=r"none\.csv"):
        Library(tmp_path / "index", encoder, crop=str(tmp_path / "none.csv")).add(tmp_path / "v")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("run.mp4,0,1,1,20,20", "has boxes of run.mp4, and of none of the 1 videos in"),
        ("walk.mp4,500,1,1,20,20", "frame 500, and it has 24 frames: are they of another video?"),
        ("walk.mp4,0,900,1,920,20", "a box of it (900, 1, 920, 20) beside its picture of 400x200 pixels"),
        ("walk.mp4,0,20,20,1,1", "row 2 is no box: x0 must be below x1"),
    ],
)
def test_boxes_of_other_videos_frames_or_pictures_end_in_a_sentence(tmp_path, encoder, capsys, row, said):
    walkers(tmp_path / "v" / "walk.mp4", (40, 60))
    (tmp_path / "boxes.csv").write_text(f"file,frame,x0,y0,x1,y1\n{row}\n")
    words = ["index", tmp_path / "v", "--index", tmp_path / "i", "--encoder", encoder, "--crop", tmp_path / "boxes.csv"]
    assert main([str(word) for word in words]) == 1
    output, errors = capsys.readouterr()
    assert said in output + errors and errors.splitlines()[-1].startswith("kinema index: ")
    assert ("none of the 1 videos in" in errors) != ("row 2" in errors)
    assert (tmp_path / "i").exists() == ("can be used" in errors)
