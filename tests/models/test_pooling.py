"""Averages over the cells of a grid."""

from __future__ import annotations

import pytest
import torch

from kinema.models.backbone import average_to


@pytest.mark.parametrize("grid", [(4, 3, 2), (8, 6, 6), (3, 5, 7), (8, 12, 12)])
def test_what_is_exported_comes_to_the_same_grid(monkeypatch, grid):
    x = torch.randn(2, 3, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    found = average_to(x, grid)
    assert found.shape == (2, 3, *grid)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(average_to(x, grid), found)
