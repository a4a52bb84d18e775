from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kinema.errors import DataError, OutputError
from kinema.video import ManifestEntry, read_manifest, usable, write_manifest

GOOD = ManifestEntry("a/b.mp4", "ok", 2.5, 75, 30.0, 64, 48, -90, "h264", False, 0.5, 1234)
CUT = replace(GOOD, path="cut.mp4", status="partial", duration=0.5, error="ends early, after 0.500 of 2.500 s")
BAD = ManifestEntry("bad, worse.mp4", "unreadable", error='it is "not" a video,\nor damaged')

text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
entries = st.builds(
    ManifestEntry,
    path=text,
    status=st.sampled_from(["ok", "partial", "unreadable"]),
    duration=st.floats(0, 1e6),
    frames=st.integers(0, 10**9),
    rotation=st.integers(-180, 180),
    variable_rate=st.booleans(),
    start=st.floats(-1e6, 1e6),
    bytes=st.integers(0, 2**62),
    error=text,
    modified=st.integers(0, 2**62),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries, max_size=4))
def test_law_what_is_written_is_read_back(tmp_path: Path, written: list[ManifestEntry]) -> None:
    for name in ("manifest.csv", "manifest.parquet"):
        assert read_manifest(write_manifest(written, tmp_path / name)) == written


def test_odd_names_survive(tmp_path: Path) -> None:
    names = ("a\rb.mp4", "a\r\nb.mp4", "a\nb.mp4", b"caf\xe9.mp4".decode("utf-8", "surrogateescape"))
    written = [replace(GOOD, path=name) for name in names]
    for name in ("manifest.csv", "manifest.parquet"):
        assert read_manifest(write_manifest(written, tmp_path / name)) == written


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "no manifest"),
        (lambda text: text.replace("duration", "length"), "no manifest, whose columns are path, status, duration"),
        (lambda text: text.replace("2.5", "long"), "line 2: not a row"),
        (lambda text: text.replace("False", "maybe"), "line 2: not a row"),
        (lambda text: text.replace(",ok,", ",fine,"), "line 2: the status should be one of ok, partial, unreadable"),
        (lambda text: text + "lonely.mp4,ok\n", "line 3: not a row"),
        (lambda text: text.replace("\n", ",extra\n").replace("modified,extra", "modified"), "line 2: not a row"),
    ],
)
def test_what_is_no_manifest_is_named(tmp_path: Path, change, message: str) -> None:
    path = write_manifest([GOOD], tmp_path / "manifest.csv")
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)


def test_a_missing_manifest_and_an_unwritable_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv"):
        read_manifest(tmp_path / "none.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_manifest([GOOD], tmp_path / "file" / "manifest.csv")


def test_usable_leaves_out_and_says_what_and_why() -> None:
    chosen, summary = usable([GOOD, CUT, BAD], max_bad_share=0.5)
    assert chosen == [GOOD, CUT]
    first, *rest = summary.split("\n", 1)
    assert first == "2 of 3 videos are used"
    assert f"left out, unreadable: {BAD.path}: {BAD.error}" in rest[0]
    assert "used as far as it goes: cut.mp4: ends early" in rest[0]


def test_usable_leaves_out_what_is_shorter_than_a_clip() -> None:
    slow = replace(GOOD, path="slow.mp4", fps=5.0)
    chosen, summary = usable([GOOD, slow, CUT], min_duration=lambda fps: 30 / fps)
    assert chosen == [GOOD]
    assert summary.splitlines() == [
        "1 of 3 videos are used",
        "left out, shorter than a clip: slow.mp4: 2.500 s of 6 s",
        "left out, shorter than a clip: cut.mp4: 0.500 s of 1 s",
    ]


def test_the_summary_of_many_bad_files_stays_short() -> None:
    summary = usable([GOOD] * 100 + [BAD] * 99, max_bad_share=0.5)[1]
    assert summary.count("bad, worse.mp4") == 20
    assert summary.splitlines()[-1] == "left out, unreadable: 79 more"


def test_usable_stops_when_too_many_are_bad() -> None:
    assert len(usable([GOOD] * 9 + [BAD], max_bad_share=0.1)[0]) == 9
    with pytest.raises(DataError, match=r"2 of 10 videos cannot be read.*0\.1.*bad, worse\.mp4"):
        usable([GOOD] * 8 + [BAD] * 2, max_bad_share=0.1)


@pytest.mark.parametrize("entries", [[], [CUT], [CUT, BAD]])
def test_usable_stops_when_nothing_is_left(entries: list[ManifestEntry]) -> None:
    with pytest.raises(DataError, match=f"none of {len(entries)} videos"):
        usable(entries, max_bad_share=1.0, min_duration=lambda fps: 2.0)
