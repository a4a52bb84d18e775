"""A video's windows as columns, and as they are compared: what is read window by window, in whatever parts."""

from __future__ import annotations

import numpy as np
import pytest

from kinema.search import Library, values, video_windows
from kinema.search.comparing import comparison
from kinema.search.connection import snapshot
from kinema.search.store import Damage


@pytest.mark.parametrize("at_a_time", [1, 2, 1000])
def test_columns_and_compared_vectors_are_those_of_the_windows(indexed: Library, monkeypatch, at_a_time):
    monkeypatch.setattr(video_windows, "AT_A_TIME", at_a_time)
    path = indexed.windows()[0].path
    windows, columns = indexed.windows_of(path), indexed.video_windows(path)
    assert len(columns) == len(windows) >= 2
    for name, column in (("id", "ids"), ("start", "starts"), ("end", "ends"), ("strength", "strengths")):
        assert getattr(columns, column).tolist() == pytest.approx([getattr(one, name) for one in windows])
    video = indexed.compared_video(path)
    with snapshot(indexed.path) as db:
        expected = comparison(db)("motion", indexed.vectors(columns.ids.tolist()))
    assert video.windows.ids.tolist() == columns.ids.tolist()
    assert np.allclose(video.vectors, expected, atol=1e-6) and len(set(video.runs.tolist())) == 1


def test_how_a_video_stands_out_is_what_a_search_says(indexed: Library):
    asked, other = indexed.windows()[0], indexed.windows()[-1]
    query = indexed.embed(asked)
    answer = indexed.search(query, top=60, exact=True)
    video = indexed.compared_video(other.path)
    found = dict(zip(video.windows.ids.tolist(), indexed.outstanding(query, video).tolist(), strict=True))
    hits = [hit for hit in answer.hits if hit.window.path == other.path]
    assert hits
    for hit in hits:
        assert found[hit.window.id] == pytest.approx(answer.outstanding(hit), abs=1e-3)


@pytest.mark.parametrize("row", [(1, 0.0, None, 0.1), (1, 2.0, 1.0, 0.1), (1, 0.0, 1.0, "much"), (1, 0.0, 1e300, 0.1)])
def test_columns_of_a_damaged_index_are_refused(row):
    with pytest.raises(Damage, match="it holds"):
        values.columns([(0, 0.0, 1.0, 0.5), row])
