"""A training that reads flow from a store: what it completes, and what it refuses in a sentence."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import pytest

from kinema.cli import main
from kinema.flow.store import stored_names


@pytest.fixture
def words(videos, quick_settings, tmp_path) -> list[object]:
    """A short run with a store."""
    return [
        "pretrain",
        videos,
        "--out",
        tmp_path / "run",
        "--config",
        quick_settings,
        "--flow.cache",
        tmp_path / "store",
    ]


@pytest.fixture
def store(words, tmp_path, videos) -> Path:
    """A store of the videos, extracted beforehand as the run wants it."""
    options = ["--estimator", "dis", "--step", 0.125, "--short_side", 32, "--workers", 0]
    assert main([str(w) for w in ("flow", "extract", videos, "--out", tmp_path / "store", *options)]) == 0
    return tmp_path / "store"


def files(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.rglob("*") if path.is_file() and path.name[0] != "."}


def test_what_was_extracted_is_read_and_what_is_missing_added(words, store):
    whole = files(store)
    (store / "00003.mp4.flow").unlink()
    assert main([str(word) for word in words]) == 0
    assert files(store) == whole


def test_other_settings_are_refused_and_nothing_is_touched(words, store, refused):
    before = files(store)
    sentence = refused(*words, "--flow.step_ratio", 0.5)
    assert f"the flow store {store} was made otherwise (step_ratio was 1.0, is 0.5); use the same settings" in sentence
    assert files(store) == before


def test_a_newer_store_is_refused_and_a_newer_or_damaged_file_is_named(words, store, refused, capsys):
    path = store / "00003.mp4.flow"
    whole = path.read_bytes()
    prefix = struct.pack("<8sH", b"KINEFLOW", 99)
    newer = prefix + struct.pack("<I", zlib.crc32(prefix)) + whole[14:]
    for data, sentence in ((newer, "has format 99 of flow files"), (whole[:-9], f"{path} is damaged")):
        path.unlink()
        path.write_bytes(data)
        assert main([str(word) for word in words]) == 0
        assert sentence in capsys.readouterr().err  # its video is left out, as one that breaks is
        assert path.read_bytes() == data
        shutil.rmtree(words[words.index("--out") + 1])
    (store / "store.json").write_text((store / "store.json").read_text().replace('"format": 2', '"format": 99'))
    assert "has format 99 of flow stores, this kinema reads 2: update kinema" in refused(*words)


def test_a_folder_that_is_no_store(words, tmp_path, refused):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "thesis.tex").write_text("mine")
    assert "is neither empty nor a flow store: choose another folder" in refused(*words)
    assert stored_names(tmp_path / "store") == []
