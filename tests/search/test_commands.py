from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from kinema.cli import main
from kinema.common.clock import clock, seconds_of
from kinema.errors import DataError
from kinema.search import Classifier, Library
from kinema.search.classifier import fit_classifier


def run(*words: object) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def classifier(indexed, tmp_path):
    """A file of a classifier that was trained on a few windows."""
    windows = indexed.windows()
    labels = {window.id: ("one", "two")[n % 2] for n, window in enumerate(windows[:8])}
    return indexed.train_classifier(labels).save(tmp_path / "classifier.safetensors")


# search


def test_a_search_prints_a_table_and_writes_a_page_with_both_columns(indexed, tmp_path, capsys):
    out, clip = tmp_path / "found.html", indexed.videos()[0].path
    assert run("search", clip, "--index", indexed.path, "--top", 3, "--out", out) == 0
    said = capsys.readouterr().out.splitlines()
    notes, lines = [line for line in said if line.startswith("note: ")], [x for x in said if not x.startswith("note: ")]
    answer, alike = indexed.search_all(clip, top=3)
    assert answer.outstanding(answer.hits[0]) < 2  # the encoder has learned nothing
    doubt = "nothing stands out of the library by motion: these are the nearest, and may be unlike the query"
    assert notes == [f"note: {doubt}"] and doubt in out.read_text()
    assert alike.outstanding(alike.hits[0]) > 2 and alike.notes == ()
    assert lines[0].split() == ["cosine", "from", "to", "strength", "video"] and lines[-1] == str(out)
    assert [line.split()[0] for line in lines[1:4]] == ["1.", "2.", "3."]
    page = out.read_text()
    assert page.index("By motion") < page.index("By appearance")
    assert len(re.findall(r'<img src="data:image/webp', page)) == 7 and clip in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_a_hit_whose_video_is_gone_keeps_its_still_picture(videos, encoder, tmp_path, capsys):
    folder = shutil.copytree(videos, tmp_path / "videos")
    library = Library(tmp_path / "index", encoder)
    library.add(folder)
    query = shutil.copy(folder / "00000.mp4", tmp_path / "query.mp4")
    shutil.rmtree(folder)
    assert run("search", query, "--index", library.path, "--top", 2, "--out", tmp_path / "found.html") == 0
    assert "note: " in capsys.readouterr().out
    assert "data:image/jpeg" in (tmp_path / "found.html").read_text()


def test_what_a_search_refuses(refused, indexed, videos, tmp_path):
    clip, out = indexed.videos()[0].path, tmp_path / "o.html"
    assert "there is no index at" in refused("search", clip, "--index", tmp_path / "none", "--out", out)
    words = tmp_path / "words.mp4"
    words.write_text("no video")
    sentence = refused("search", words, "--index", indexed.path, "--out", out)
    assert "it is not a video, or its header is damaged" in sentence
    for length, said in ((0.1, "shorter than the encoder's clip"), (1e9, "longer than a day: lower the length")):
        assert said in refused(
            "index", videos, "--index", tmp_path / "new", "--encoder", indexed.embedder.source, "--length", length
        )
    assert not out.exists()


def test_other_places_in_the_clips_own_video(encoder, moving_texture, tmp_path, refused, capsys):
    (tmp_path / "videos").mkdir()
    clip, index, out = (
        moving_texture(tmp_path / "videos/long.mp4", 0.5, seconds=4.0),
        tmp_path / "index",
        tmp_path / "o",
    )
    assert run("index", tmp_path / "videos", "--index", index, "--encoder", encoder) == 0
    words = ["search", clip, "--index", index, "--out", out]
    assert run(words[0], f"{clip}#t=0,1", *words[2:], "--own") == 0
    assert capsys.readouterr().out
    sentence = refused(*words, "--own")
    assert "--own finds other places in the clip's own video: say by --start and --end which part you mean" in sentence
    assert "--start: '1.2.3' is no time; write seconds (90.5) or minutes and" in refused(*words, "--start", "1.2.3")
    assert run(*words, "--start", "0:01.0", "--end", "0:01.5") == 0
    said = capsys.readouterr().out
    assert f"note: {clip} itself, and copies of it, are all that the search allows; ask for a part of it" in said
    assert run(*words, "--start", "0:01.0", "--end", "0:01.5", "--own", "--top", 3) == 0
    lines = capsys.readouterr().out.splitlines()
    hits = [line.split() for line in lines if line.lstrip()[:2] in ("1.", "2.", "3.")]
    assert len(hits) == 3 and {hit[-1] for hit in hits} == {str(clip)}
    spans = [(seconds_of(hit[2]), seconds_of(hit[3])) for hit in hits]
    assert all(end <= 1.0 + 0.06 or start >= 1.5 - 0.06 for start, end in spans)


def test_the_folder_of_a_training_is_no_index(refused, videos, encoder, tmp_path):
    shutil.copy(encoder, tmp_path / "encoder.safetensors")
    sentence = refused("search", videos / "00000.mp4", "--index", tmp_path, "--out", tmp_path / "o.html")
    assert f"make one with `kinema index VIDEOS --encoder {tmp_path} --index INDEX`" in sentence


# embed


def test_embedding_writes_parquet_and_goes_on(videos, encoder, tmp_path, capsys):
    import pyarrow.parquet as pq

    folder, out = shutil.copytree(videos, tmp_path / "videos"), tmp_path / "windows.parquet"
    assert run("embed", folder, "--encoder", encoder, "--out", out, "--thumbnails", "true") == 0
    table = pq.read_table(out)
    assert table.column_names == ["path", "start", "end", "strength", "vector", "appearance", "thumbnail"]
    assert len(table) == 24 and table["thumbnail"][0].as_py().startswith(b"\xff\xd8")
    library = Library(tmp_path / "windows.parquet.index")
    assert table["path"].to_pylist() == [window.path for window in library.windows()]
    vectors = np.stack(table["vector"].to_numpy())
    np.testing.assert_array_equal(vectors, library.vectors([window.id for window in library.windows()]))
    assert json.loads(table.schema.metadata[b"kinema"])["fingerprint"] == library.embedder.fingerprint
    (folder / "00000.mp4").unlink()
    capsys.readouterr()
    assert run("embed", folder, "--encoder", encoder, "--out", out) == 0
    assert "0 new, 0 changed, 0 moved, 1 deleted, 11 unchanged; 0 windows embedded" in capsys.readouterr().out
    assert pq.read_table(out).num_rows == 22


# classifiers


def test_a_classifier_tells_apart_what_it_was_shown_and_comes_back_from_its_file(tmp_path):
    rng = np.random.default_rng(0)
    for count in (2, 3):
        centres = np.linalg.qr(rng.standard_normal((16, 16)))[0][:count]
        labels = rng.integers(count, size=60)
        vectors = centres[labels] + 0.05 * rng.standard_normal((60, 16))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        trained = fit_classifier(vectors[:20], [f"class{label}" for label in labels[:20]], "encoder")
        shares = trained.predict(vectors)
        assert shares.shape == (60, count) and np.allclose(shares.sum(1), 1, atol=1e-6)
        assert [trained.classes[n] for n in shares.argmax(1)] == [f"class{label}" for label in labels]
        back = Classifier.load(trained.save(tmp_path / "c.safetensors"))
        assert (back.classes, back.fingerprint) == (trained.classes, "encoder")
        np.testing.assert_array_equal(back.predict(vectors), shares)


def test_classifiers_that_will_not_do(indexed, tmp_path):
    with pytest.raises(DataError, match=r"needs windows of at least two labels, got \['a'\]"):
        indexed.train_classifier({indexed.windows()[0].id: "a"})
    with pytest.raises(DataError, match="has no window 9999, or no longer"):
        indexed.train_classifier({indexed.windows()[0].id: "a", 9999: "b"})
    with pytest.raises(DataError, match="cannot read the classifier"):
        Classifier.load(tmp_path / "none")
    with pytest.raises(DataError, match=r"is no classifier of this version of kinema \(it lacks 'classifier'\)"):
        Classifier.load(indexed.embedder.source)


# watch


def test_watching_a_file_labels_its_windows_as_the_library_has_them(indexed, classifier, capsys):
    window = indexed.windows()[0]
    assert run("watch", window.path, "--index", indexed.path, "--classifier", classifier) == 0
    lines = capsys.readouterr().out.splitlines()
    expected = Classifier.load(classifier).predict(indexed.vectors([w.id for w in indexed.windows()[:2]]))
    for line, shares, start in zip(lines[:2], expected, (0.0, 0.25), strict=True):
        words = line.split()
        assert words[0] == clock(start) and words[3] in ("one", "two") and words[5] == "latency"
        assert float(words[4]) == pytest.approx(shares.max(), abs=0.02)
    assert re.fullmatch(r"2 windows; latency \d+ ms \(median\)", lines[2])


def test_watching_with_what_finetune_wrote(videos, tmp_path, capsys, refused):
    names = sorted(path.name for path in videos.iterdir())
    rows = [f"{name},{'ab'[n % 2]},{'train' if n < 8 else 'test'}\n" for n, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("file,label,split\n" + "".join(rows))
    (tmp_path / "settings.yaml").write_text(
        "steps: 2\nclip: {frames: 4, short_side: 32, size: [32, 32]}\nmodel: {width: 4}\n"
        "trainer: {batch_size: 4, workers: 0, threads: 1, precision: '32', accelerator: cpu}\n"
    )
    words = ["finetune", videos, "--labels", tmp_path / "labels.csv", "--out", tmp_path / "trained"]
    assert run(*words, "--config", tmp_path / "settings.yaml") == 0
    capsys.readouterr()
    shown = []
    for classifier in (tmp_path / "trained", tmp_path / "trained/classifier.safetensors"):
        assert run("watch", videos / names[0], "--classifier", classifier) == 0
        lines = capsys.readouterr().out.splitlines()
        shown.append([line.split()[:5] for line in lines[:-1]])
    assert shown[0] == shown[1] and len(shown[0]) == 2
    assert all(label in ("a", "b") and 0.5 <= float(share) <= 1 for *_, label, share in shown[0])
    sentence = refused("watch", videos / names[0], "--classifier", tmp_path / "trained", "--index", tmp_path / "index")
    assert "is a network by itself: leave out --index and --encoder" in sentence
    sentence = refused("watch", videos / names[0], "--classifier", tmp_path)
    assert f"there is no classifier at {tmp_path / 'classifier.safetensors'}; train one with" in sentence
    sentence = refused("watch", videos / names[0], "--classifier", tmp_path / "labels.csv")
    assert "is no folder that `kinema finetune` wrote; for a classifier's file, name the index" in sentence


@pytest.mark.parametrize(
    ("command", "option", "name"), [("index", "--index", "made"), ("embed", "--out", "made.parquet")]
)
def test_a_folder_of_which_no_video_can_be_used_is_an_error(command, option, name, encoder, tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "broken.mp4").write_text("no video")
    words = [command, tmp_path / "videos", option, tmp_path / name, "--encoder", encoder]
    for _ in range(2):  # also where an earlier call has seen it
        assert run(*words) == 1
        output, errors = capsys.readouterr()
        assert f"unreadable: {tmp_path / 'videos' / 'broken.mp4'}: " in output
        assert f": none of the 1 videos in {tmp_path / 'videos'} can be used: mend what is said of each" in errors
    assert not (tmp_path / "made.parquet").exists()


def test_watching_a_stream(indexed, classifier):
    """A process sends a video over a socket at its own pace."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    sender = (
        "import av, sys\n"
        "with av.open(sys.argv[1]) as source, av.open(sys.argv[2], 'w', format='mpegts') as out:\n"
        "    stream = out.add_stream_from_template(source.streams.video[0])\n"
        "    for packet in source.demux(video=0):\n"
        "        if packet.dts is not None:\n"
        "            packet.stream = stream\n"
        "            out.mux(packet)\n"
    )
    address = f"tcp://127.0.0.1:{port}"
    path = indexed.windows()[0].path
    process = subprocess.Popen([sys.executable, "-c", sender, path, f"{address}?listen=1&listen_timeout=60000"])
    try:
        import time

        from kinema.errors import VideoError

        for _ in range(300):  # until the sender listens
            try:
                seen = list(indexed.watch(address, Classifier.load(classifier)))
                break
            except VideoError:
                time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    assert seen and all(label.label in ("one", "two") and label.latency > 0 for label in seen)
    assert len(seen) + sum(label.dropped for label in seen) == 2


def test_a_stream_that_is_not_there_and_a_classifier_of_another_encoder(refused, indexed, classifier, tmp_path):
    words = ["--index", indexed.path, "--classifier", classifier]
    sentence = refused("watch", "rtsp://name:secret@127.0.0.1:9/x", *words)
    assert "cannot read rtsp://127.0.0.1:9/x: " in sentence and "secret" not in sentence
    assert "no such file" in refused("watch", tmp_path / "none.mp4", *words)
    other = fit_classifier(np.eye(2, 32, dtype=np.float32), ["a", "b"], "other").save(tmp_path / "other")
    sentence = refused("watch", indexed.windows()[0].path, "--index", indexed.path, "--classifier", other)
    assert "the classifier was trained with another encoder" in sentence
