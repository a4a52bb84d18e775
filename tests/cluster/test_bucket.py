"""Videos in a bucket, of which each node keeps copies of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kinema.common import storage
from kinema.common.cluster import team
from kinema.errors import ConfigError, DataError
from kinema.evaluation import evaluate
from kinema.search import Library
from kinema.video import scan_folder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def bucket(s3: tuple[Any, str], noise: Path) -> str:
    """The address of a bucket with the folder of noise."""
    system, name = s3
    system.put(str(noise), f"{name}/noise", recursive=True)
    return f"s3://{name}/noise"


def test_nodes_read_a_bucket_with_the_credentials_of_who_asks(
    nodes: str, bucket: str, noise: Path, caches: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    monkeypatch.setenv("KINEMA_CACHE", str(own))
    there = scan_folder(bucket, tmp_path / "m.parquet", cluster=nodes)
    assert [(e.path, e.status, e.frames) for e in there] == [(e.path, e.status, e.frames) for e in scan_folder(noise)]
    labels = tmp_path / "labels.csv"
    labels.write_text("file,label\n" + "".join(f"{n % 2}/{n}.mp4,{'ab'[n % 2]}\n" for n in range(8)))
    found = {}
    for where, data in ((None, noise), (nodes, bucket)):
        cache = tmp_path / f"features of {where is None}"
        found[where] = evaluate("knn", "motion", data, labels, clips=2, cluster=where, cache=cache)
    assert found[None].results["knn"].to_dict() == found[nodes].results["knn"].to_dict()
    assert list(own.rglob("*.mp4")) == [], "no video has come to this machine"
    added = Library(tmp_path / "index", "motion").add(bucket, cluster=nodes)
    assert (added.new, len(added.problems)) == (9, 1)
    for cache in caches:
        copies = [path.stat().st_size for path in (cache / "storage").glob("??/*.mp4")]
        assert 0 < sum(copies) <= 2**16, "each node has its own, within their bound"


def test_a_bucket_that_is_not_there(nodes: str, s3: tuple[Any, str]) -> None:
    with pytest.raises(DataError, match="s3://nowhere"):
        scan_folder("s3://nowhere", cluster=nodes)


def test_a_bucket_that_the_workers_may_not_read(
    nodes: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto import settings

    def forbidding() -> dict[str, str]:
        monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)  # from now on nobody may do anything
        return storage.settings()

    monkeypatch.setattr(team, "settings", forbidding)
    out, index = tmp_path / "m.parquet", tmp_path / "index"
    works = (
        lambda: scan_folder(bucket, out, cluster=nodes),
        lambda: Library(index, "motion").add(bucket, cluster=nodes),
    )
    for work in works:
        with pytest.raises((ConfigError, DataError), match=rf"{bucket}.* \(?the storage does not permit it"):
            work()
        monkeypatch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", float("inf"))
    monkeypatch.setattr(team, "settings", storage.settings)
    found, added = (work() for work in works)
    assert len(found) == added.new == 9
