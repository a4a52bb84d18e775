"""The palette of classes: to be told from a light page, from a dark one, and from each other by all eyes."""

from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest

from kinema.search.label_classes import PALETTE, next_colour

PAGES = {"light": "#fdfdfc", "dark": "#16181b"}
EYES = {  # Machado, Oliveira and Fernandes 2009, full severity, on linear RGB
    "all cones": np.eye(3),
    "no red cones": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green cones": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
}


def linear(colour: str) -> np.ndarray:
    share = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def luminance(colour: str) -> float:
    return float(linear(colour) @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", PALETTE)
def test_a_colour_stands_out_of_the_page(colour, page):
    bright, dim = sorted((luminance(colour), luminance(PAGES[page])), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= 3


@pytest.mark.parametrize("eyes", EYES)
def test_colours_are_told_apart(eyes):
    seen = np.clip([linear(colour) @ np.transpose(EYES[eyes]) for colour in PALETTE], 0, 1).astype(np.float32)
    encoded = np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055).astype(np.float32)
    lab = cv2.cvtColor(encoded[None], cv2.COLOR_RGB2LAB)[0]
    assert min(np.linalg.norm(a - b) for a, b in combinations(lab, 2)) > 12


def test_the_next_colour_is_one_that_is_used_least():
    used: list[str] = []
    for _ in range(2 * len(PALETTE)):
        used.append(next_colour(used))
    assert used == [*PALETTE, *PALETTE]
    assert next_colour(["#000000", *PALETTE[1:]]) == PALETTE[0]
