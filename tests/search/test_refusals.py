"""What is no index, is of another encoder, or holds what cannot be."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from a_server import IN_A_FOLDER

from kinema.errors import ConfigError, DataError
from kinema.search import Library, Windowing
from kinema.search.about import recorded
from kinema.search.store import Damage


def test_no_index_an_empty_one_and_too_few_hits(tmp_path, encoder, folder):
    with pytest.raises(DataError, match=r"there is no index at .*none; make one with `kinema index`"):
        Library(tmp_path / "none")
    with pytest.raises(DataError, match=r"there is no index at .*none; make one with `kinema index`"):
        Library(tmp_path / "none", encoder).search(folder / "00000.mp4")


@IN_A_FOLDER
def test_an_index_belongs_to_its_encoder_windows_and_format(library, folder, encoder, tmp_path):
    from kinema.models import random_encoder, save_encoder

    another = random_encoder(seed=5)
    other = save_encoder(another, tmp_path / "other.safetensors", another.card)
    with pytest.raises(DataError, match=r"was made with another encoder than .*other.safetensors; name the one"):
        Library(library.path, other).add(folder)
    with pytest.raises(ConfigError, match="there is no device 'abacus' here"):
        _ = Library(library.path, device="abacus").embedder
    with pytest.raises(ConfigError, match="keeps to windows of"):
        Library(library.path, windowing=Windowing(1.0))
    assert Library(library.path).search(folder / "00000.mp4").hits == library.search(folder / "00000.mp4").hits
    with sqlite3.connect(library.path / "windows.sqlite") as db:
        db.execute("UPDATE about SET value = '99' WHERE name = 'format'")
    with pytest.raises(DataError, match="is an index of format 99, this version of kinema reads 2; delete it and run"):
        Library(library.path)
    with sqlite3.connect(library.path / "windows.sqlite") as db:
        db.execute("UPDATE about SET value = '2' WHERE name = 'format'")
        db.execute("PRAGMA writable_schema = 1")
        db.execute("UPDATE sqlite_master SET sql = replace(sql, 'start REAL', 'start\n\" REAL') WHERE name = 'windows'")
    with pytest.raises(DataError, match="is damaged or no index") as caught:
        Library(library.path).windows()
    assert "\n" not in str(caught.value)
    (library.path / "windows.sqlite").write_bytes(b"something else entirely" * 100)
    with pytest.raises(DataError, match="is damaged or no index"):
        Library(library.path)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE vectors SET motion = x'00000000' WHERE id = 2",
        "UPDATE vectors SET motion = x'0000'",
        "UPDATE vectors SET motion = 'text' WHERE id = 2",
        "UPDATE windows SET start = 'text' WHERE id = 2",
        "UPDATE windows SET start = CAST(x'ff' AS TEXT) WHERE id = 2",
        "UPDATE maps SET content = 'text'",
        "UPDATE about SET value = '{' WHERE name = 'windowing'",
        """UPDATE about SET value = '{"pace": 1}' WHERE name = 'windowing'""",
        "UPDATE maps SET content = x'00' WHERE name = 'whitening'",
        "UPDATE maps SET content = x'00' WHERE name = 'basis'",
        "UPDATE maps SET content = (SELECT content FROM maps WHERE name = 'whitening') WHERE name = 'basis'",
        """UPDATE about SET value = '["x"]' WHERE name = 'centre'""",
        """UPDATE about SET value = '[0.5, 1.5]' WHERE name = 'centre'""",
        """UPDATE about SET value = '{"length": -1, "stride": 1}' WHERE name = 'windowing'""",
        """INSERT OR REPLACE INTO about VALUES ('segments', '[{"last": "b"}]')""",
        "UPDATE about SET value = 'null' WHERE name = 'encoder'",
        "UPDATE about SET value = '[3]' WHERE name = 'encoder'",
        "UPDATE about SET value = '[3]' WHERE name = 'roots'",
        "UPDATE about SET value = '5' WHERE name = 'roots'",
        "UPDATE vectors SET motion = x'0000000000000000'",
        "UPDATE vectors SET appearance = x'0000000000000000'",
        "UPDATE windows SET start = 1e300",
        'UPDATE windows SET "end" = 9e999',
        "DROP TABLE maps",
    ],
)
@IN_A_FOLDER
def test_values_that_cannot_be_are_damage(indexed, damage, tmp_path):
    folder = shutil.copytree(indexed.path, tmp_path / "index")
    with sqlite3.connect(folder / "windows.sqlite") as db:
        db.execute(damage)

    indexed_query = indexed.embed(indexed.windows()[0])

    def use() -> None:
        damaged = Library(folder)
        damaged.search_all(indexed_query)
        damaged.search(damaged.windows()[0])
        assert damaged.roots

    with pytest.raises(DataError, match=r"windows\.sqlite is damaged or no index"):
        use()


def test_what_an_index_says_of_its_windows_is_read_as_it_was_written():
    assert recorded({"length": 2, "stride": 0.5}, "windowing", Windowing) == Windowing(2.0, 0.5)
    for wrong in ({"length": "2"}, {"stride": -0.5}, {"pace": 1}):
        with pytest.raises(Damage):
            recorded(wrong, "windowing", Windowing)
