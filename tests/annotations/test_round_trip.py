"""Whatever is written is read again: every interval within a frame, every name as it was."""

from __future__ import annotations

import importlib.util
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from kinema.annotations import FORMATS, Interval, LabelledVideos, read_intervals, write_intervals
from kinema.annotations.interval import frames_of, lanes, posix
from kinema.data.synthetic.files import write_video

RATES = [1.0, 12.5, 24000 / 1001, 25.0, 30000 / 1001, 60.0, 240.0]
HAVE_PYNWB = importlib.util.find_spec("pynwb") is not None
NEEDS_PYNWB = pytest.mark.skipif(not HAVE_PYNWB, reason="needs PyNWB: pip install kinema[nwb]")
NAMES = [pytest.param(name, marks=NEEDS_PYNWB if name == "nwb" else ()) for name in FORMATS]

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1)
labels = texts.map(str.strip).filter(bool)
files = labels.map(lambda text: f"{text}.mp4").filter(lambda text: posix(text) == text and "://" not in text)
times = st.floats(0, 36000) | st.sampled_from([0.0, 0.04, 0.5, 1.0, 1.001, 2.0, 59.9999])


@st.composite
def interval_lists(draw):
    names = draw(st.lists(labels, min_size=1, max_size=3)), draw(st.lists(files, min_size=1, max_size=2))
    subjects = draw(st.lists(labels | st.none(), min_size=1, max_size=2))
    found = []
    for _ in range(draw(st.integers(1, 8))):
        start, end = sorted((draw(times), draw(times)))
        who, sure = draw(st.sampled_from(subjects)), draw(st.none() | st.floats(0, 1))
        label, file = (draw(st.sampled_from(one)) for one in names)
        found.append(Interval(file, start, draw(st.sampled_from([start, end])), label, who, sure))
    return found


def grouped(intervals, subjects):
    groups = defaultdict(list)
    for one in intervals:
        who = one.subject if subjects and one.subject != "No focal subject" else None
        groups[one.file, one.label, who].append(one)
    return groups


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_every_interval_and_name_comes_back(name, data):
    format = FORMATS[name]
    intervals = data.draw(interval_lists())
    fps = data.draw(st.sampled_from(RATES))
    if format.single:
        intervals = [replace(one, file=intervals[0].file) for one in intervals]
    videos = LabelledVideos(fps=fps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / (format.suffix if format.suffix[0] != "." else f"labels{format.suffix}")
        assert write_intervals(path, intervals, name, videos) == [path]
        found, read = read_intervals(path, videos=LabelledVideos(fps=fps))
    assert found is format
    before, after = grouped(intervals, format.subjects), grouped(read, format.subjects)
    assert {key: len(group) for key, group in after.items()} == {key: len(group) for key, group in before.items()}
    for key, group in before.items():
        spans = (np.array([(one.start, one.end) for one in each]) for each in (group, after[key]))
        moved = np.abs(next(spans)[:, None] - next(spans)[None]).max(2) > 1 / fps + 1e-6
        assert not moved[linear_sum_assignment(moved)].any(), "each interval is one of those that were read"
        if format.confidence:
            sure = (sorted(one.confidence or 0 for one in each) for each in (group, after[key]))
            assert [round(one, 5) for one in next(sure)] == pytest.approx(next(sure), abs=1e-5)
    if not format.point:
        points = (sum(one.start == one.end for one in each) for each in (intervals, read))
        assert next(points) <= next(points)  # what is shorter than a format's decimals becomes one
    said = " ".join(videos.notes)
    assert ("no subjects" in said) == (not format.subjects and any(one.subject for one in intervals))
    assert ("no confidence" in said) == (not format.confidence and any(one.confidence is not None for one in intervals))
    assert ("no points" in said) == (bool(format.point) and any(one.start == one.end for one in intervals))


ODD = [
    *(
        "a,b",
        'say "hi"',
        "a;b|c",
        "NULL",
        "nan",
        "-1",
        "=1+2",
        "<b>&amp;</b>",
        "]]>",
        "C:\\x",
        "../x",
        "100%25",
        "sep=;",
    ),
    *(
        "label",
        "STATE",
        "e\u0301",
        "\u00e9",
        "x\u2028y",
        "x\u00a0y",
        "\u05e9\u05dc\u05d5\u05dd, a",
        "\U0001f469\u200d\U0001f467 2",
    ),
]
LIKE = [
    "a.mp4",
    "barn/a.mp4",
    "yard/a.mp4",
    "ya rd/\u00fc'x,y;z&<>.mp4",
    "\u65e5\u672c/100%25.mp4",
    'say "hi"/a#t=1.mp4',
]


@pytest.fixture(scope="module")
def ntsc(tmp_path_factory):
    """Videos of 1.001 s at 29.97 frames a second, several of one name in folders of all kinds."""
    root = tmp_path_factory.mktemp("ntsc")
    for name in LIKE:
        (root / name).parent.mkdir(exist_ok=True)
        write_video(root / name, np.zeros((30, 16, 16, 3), np.uint8), 30000 / 1001)
    return root


@pytest.mark.parametrize("name", NAMES)
def test_single_frames_ends_of_videos_and_odd_names_come_back_in_videos_of_one_name(name, ntsc, tmp_path):
    format, frame = FORMATS[name], 1001 / 30000
    spans = [(0, 1), (29, 30), (0, 30), (7, 8), (15, 15)]
    intervals = []
    for number, text in enumerate(ODD):
        start, end = (place * frame for place in spans[number % len(spans)])
        intervals.append(Interval(LIKE[number % len(LIKE)], start, end, text, ODD[number - 1] if number % 2 else None))
    out = tmp_path / (format.suffix if format.suffix[0] != "." else f"labels{'' if format.single else format.suffix}")
    write_intervals(out, intervals, name, LabelledVideos(ntsc))
    read = read_intervals(out, videos=LabelledVideos(ntsc))[1]
    assert len(read) == len(intervals)
    found = {(one.file, one.label): one for one in read}
    for one in intervals:
        other = found[one.file, one.label]
        assert (other.start, other.end) == pytest.approx((one.start, one.end), abs=frame + 1e-6)
        assert other.subject == (one.subject if format.subjects else None)


@given(times, times, st.sampled_from(RATES))
def test_frames_lie_within_one_of_the_times_and_are_read_as_themselves(one, other, fps):
    start, end = sorted((one, other))
    first, stop = frames_of(start, end, fps)
    assert 0 <= first < stop
    assert abs(first - start * fps) <= 1 + 1e-5 and abs(stop - end * fps) <= 1 + 1e-5
    assert frames_of(first / fps, stop / fps, fps) == (first, stop)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(0, 5))))
def test_lanes_hold_no_overlaps_and_are_as_few_as_overlap_at_once(drawn):
    intervals = sorted(((key, start, start + length) for key, start, length in drawn), key=lambda one: one[1:])
    chosen = lanes(intervals)
    for key in "ab":
        of_key = [(start, end, lane) for (k, start, end), lane in zip(intervals, chosen, strict=True) if k == key]
        for place, (start, _, lane) in enumerate(of_key):
            assert all(until <= start for _, until, other in of_key[:place] if other == lane)
        most = max((sum(a <= t < b or a == b == t for a, b, _ in of_key) for t, _, _ in of_key), default=0)
        assert len({lane for *_, lane in of_key}) <= most


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_and_numpys_are_times_too(name, tmp_path):
    one = Interval("a.mp4", 1, np.float32(2.5), "walk", None, np.float32(0.5))
    assert [type(value) for value in (one.start, one.end, one.confidence)] == [float] * 3
    (path,) = write_intervals(
        tmp_path / f"labels{Path(FORMATS[name].suffix).suffix}", [one], name, LabelledVideos(fps=25)
    )
    _, (read,) = read_intervals(path, name, LabelledVideos(fps=25))
    assert (read.start, read.end, read.label) == (1.0, pytest.approx(2.5, abs=0.04), "walk")
