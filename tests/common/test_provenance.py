from __future__ import annotations

import hashlib

from kinema.common.provenance import config_sha256, file_sha256, ids_sha256, software_versions


def test_hashes(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"abc" * 100_000)
    assert file_sha256(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert ids_sha256(["b", "a"]) == ids_sha256(["a", "b"]) == hashlib.sha256(b"a\nb\n").hexdigest()
    assert ids_sha256(["ab"]) != ids_sha256(["a", "b"])
    assert ids_sha256(["\udcff.mp4"]) == hashlib.sha256(b"\xff.mp4\n").hexdigest()  # a name of other bytes than UTF-8's
    assert config_sha256({"a": 1, "b": (2,)}) == config_sha256({"b": [2], "a": 1}) != config_sha256({"a": 1, "b": [3]})


def test_versions_are_of_what_is_installed():
    import torch

    versions = software_versions()
    assert {"kinema", "python", "torch", "numpy", "av", "scikit-learn"} <= set(versions)
    assert versions["torch"].split("+")[0] == torch.__version__.split("+")[0]
