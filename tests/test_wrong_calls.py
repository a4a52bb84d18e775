"""What a wrong call is told: one sentence about the option, in words of its users."""

from __future__ import annotations

import pytest

from kinema.cli import main


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("search clip --index I --top 0", "--top must be a whole number above 0, not 0"),
        ("index videos --index I --length -1", "--length must be a number above 0, not -1"),
        ("index videos --index I --mirror maybe", "--mirror must be true or false, not maybe"),
        ("index videos --index I --batch-size x", "--batch-size must be a whole number above 0, not x"),
        ("serve --index I --port x", "--port must be a whole number from 0 on, not x"),
        ("search clip --index I --by colour", "--by must be one of motion, appearance, not colour"),
        ("serve --index I --names 3", "--names must be a list in brackets, such as [a, b], not 3"),
        (
            "evaluate few-label --data D --out O --per-class [0]",
            "--per-class must be a list in brackets, such as [4, 8], each a whole number above 0, not [0]",
        ),
        (
            "evaluate pairs --data D --out O --pairs [[a]]",
            "--pairs must be pairs in brackets, such as [[a, b]], not [['a']]",
        ),
        ("search", "CLIP and --index must be given"),
        ("search clip --index", "--index needs a value"),
        ("search clip --index I --own=3", "--own takes no value"),
        ("search clip --inde I", "there is no option --inde; did you mean --index?"),
        (
            "pretrain v --out o --trainer.keep 3",
            "there is no option --trainer.keep; did you mean --trainer.keep-every?",
        ),
        (
            "pretrain v --out o --augment foo",
            "--augment takes a YAML file of settings, and foo is none; one by one they are --augment.NAME VALUE",
        ),
        ("search a b --index I", "b is more than the command takes: put names with spaces in quotation marks"),
    ],
)
def test_a_wrong_call_is_told_what_is_wrong_with_it_and_no_types(call, sentence, capsys):
    assert main(call.split()) == 2
    command = call.split()[0]
    assert capsys.readouterr().err == f"kinema {command}: {sentence}; see kinema {command} --help\n"


def test_a_folder_that_is_deleted_is_no_place_to_work_in(capsys, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    here.rmdir()
    assert main(["index", str(tmp_path), "--index", str(tmp_path / "index")]) == 1
    said = "kinema index: the folder that this is called in has been deleted; go to another one (cd)\n"
    assert capsys.readouterr().err == said
    assert not list(tmp_path.iterdir())


def test_a_table_is_no_file_of_settings_and_is_not_recited(capsys, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,action\n" + "a.mp4,walk\n" * 500)
    assert main(["pretrain", "v", "--out", "o", "--config", str(table)]) == 2
    sentence = "kinema pretrain: --config takes a YAML file of settings, and the one that it names is none; see "
    assert capsys.readouterr().err == f"{sentence}kinema pretrain --help\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["index", "", "--index", "I"], "one of the names"),
        (["index", "v", "--index", ""], "--index"),
        (["pretrain", "v", "--out="], "--out"),
        (["evaluate", "knn", "--data", "v", "--out", "o", "--label_column", ""], "--label-column"),
    ],
)
def test_an_empty_value_is_no_folder_that_one_is_in(words, named, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    sentence = f"kinema {words[0]}: {named} is empty, as a shell's variable is that was not set; see kinema"
    assert capsys.readouterr().err.startswith(sentence)
    assert not list(tmp_path.iterdir())


def test_a_file_of_settings_that_is_not_there_is_named(capsys, tmp_path):
    assert main(["pretrain", "v", "--out", "o", "--config", str(tmp_path / "none.yaml")]) == 2
    assert f"--config: there is no file '{tmp_path / 'none.yaml'}'; see" in capsys.readouterr().err


def test_what_is_longer_than_any_path_is_not_printed_in_full(tmp_path, refused):
    table = tmp_path / "x.csv"
    table.write_text(f"file,start,end,label\n{'y' * 100_000}.mp4,0,1,go\n")
    other = tmp_path / "other.csv"
    other.write_text("file,start,end,label\na.mp4,0,1,go\n")
    sentence = refused("labels", "compare", table, other)
    assert len(sentence) < 10_000 and str(table) in sentence and "letters ...]" in sentence and "a.mp4" in sentence
