"""Pictures inside a page: they decode to what went in, and charts keep out of one another's way."""

from __future__ import annotations

import base64
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image, ImageSequence

from kinema.report.pictures import PALETTE, animation, colour_wheel, flow_view, still, themed
from kinema.report.plots import figure_svg


def opened(uri: str) -> Image.Image:
    header, data = uri.split(",", 1)
    assert header in ("data:image/webp;base64", "data:image/png;base64")
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def waves(count: int, height: int = 24, width: int = 32) -> np.ndarray:
    """Frames of a smooth pattern that drifts sideways, so that no two neighbours look alike."""
    phase = 2 * np.pi * (np.arange(width)[None] - 3 * np.arange(count)[:, None]) / width
    row = 128 + 100 * np.sin(phase)
    return np.broadcast_to(row[:, None, :, None], (count, height, width, 3)).astype(np.uint8)


@settings(max_examples=8, deadline=None)
@given(count=st.integers(1, 12), scale=st.integers(1, 3), fps=st.sampled_from([4, 8, 25]))
def test_animation_holds_every_frame_at_its_time(count: int, scale: int, fps: int) -> None:
    frames = waves(count)
    picture = opened(animation(frames, fps, scale))
    shown = [np.asarray(page.convert("RGB")) for page in ImageSequence.Iterator(picture)]
    assert len(shown) == count
    assert picture.size == (32 * scale, 24 * scale)
    for page, frame in zip(shown, frames, strict=True):
        small = np.asarray(Image.fromarray(page).resize((32, 24), Image.Resampling.BOX), dtype=float)
        assert np.abs(small - frame).mean() < 5
    if count > 1:
        assert picture.info["loop"] == 0
        assert picture.info["duration"] == pytest.approx(1000 / fps, abs=1)


def test_frames_that_look_alike_may_be_joined_but_last_as_long() -> None:
    picture = opened(animation(np.repeat(waves(2), 3, axis=0), fps=8))
    lasting = []
    for page in ImageSequence.Iterator(picture):
        page.load()
        lasting.append(page.info["duration"])
    assert len(lasting) < 6
    assert sum(lasting) == pytest.approx(6 * 125)


def test_still_is_one_frame() -> None:
    frame = waves(1)[0]
    picture = opened(still(frame, scale=2))
    assert picture.size == (64, 48)
    assert getattr(picture, "n_frames", 1) == 1


def test_flow_view_keeps_the_video_left_and_colours_what_moves() -> None:
    frames = np.full((4, 32, 32, 3), 128, np.uint8)
    flow = np.zeros((3, 2, 32, 32), np.float32)
    flow[:, 0, 8:24, 8:24] = 2.0
    shown = flow_view(frames, flow, scale=2)
    assert shown.shape == (3, 64, 128, 3)
    assert shown.dtype == np.uint8
    assert (shown[:, :, :64] == 128).all()
    right = shown[:, :, 64:].astype(int)
    assert (right[:, :10, :10] == 128).all(), "what stands still stays grey"
    middle = np.median(right[:, 20:44, 20:44].reshape(-1, 3), axis=0)
    assert middle[0] > middle[1] + 60, "rightwards is red"
    assert middle[0] > middle[2] + 60


def test_flow_view_shows_slow_fields_paler_than_fast_ones() -> None:
    frames = np.full((2, 32, 32, 3), 128, np.uint8)
    flow = np.zeros((2, 2, 32, 32), np.float32)
    flow[0, 0], flow[1, 0] = 1.0, 4.0
    slow, fast = flow_view(frames, flow, scale=1)[:, :, 32:].astype(int)
    assert np.median(fast[..., 0] - fast[..., 2]) > 2 * np.median(slow[..., 0] - slow[..., 2])


def test_noise_of_a_still_video_is_not_blown_up() -> None:
    frames = np.full((2, 32, 32, 3), 128, np.uint8)
    flow = np.random.default_rng(0).normal(0, 0.01, (2, 2, 32, 32)).astype(np.float32)
    right = flow_view(frames, flow, scale=1)[:, :, 32:].astype(int)
    assert np.abs(right - 128).max() < 20


def test_colour_wheel_agrees_with_the_overlay() -> None:
    disc = np.asarray(opened(colour_wheel(101)).convert("RGB")).astype(int)
    assert disc.shape == (101, 101, 3)
    assert (disc[0, 0] == 255).all()
    red, green, blue = disc[50, 95]
    assert red > 200
    assert max(green, blue) < 80


def chart(seed: int) -> Figure:
    figure = Figure(figsize=(3, 2))
    axes = figure.add_subplot()
    points = np.random.default_rng(seed).normal(size=(5, 2))
    axes.scatter(points[:, 0], points[:, 1], color=PALETTE["mscl"][0], clip_on=True)
    axes.set_title("a < b & c", color=PALETTE["ink"][0])
    return figure


def test_figures_share_no_names_and_refer_only_to_their_own() -> None:
    first, second = figure_svg(chart(0), "one"), figure_svg(chart(1), "two")
    names = [set(re.findall(r' id="([^"]+)"', svg)) for svg in (first, second)]
    assert names[0]
    assert not names[0] & names[1]
    for svg, own in zip((first, second), names, strict=True):
        used = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
        assert used == own


def test_figure_is_clean_and_follows_the_page() -> None:
    svg = figure_svg(chart(0), 'said "so" <b>')
    root = ElementTree.fromstring(svg)
    assert root.tag == "svg"
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'said "so" <b>'
    assert root.attrib["viewBox"] == "0 0 216 144"
    assert "http" not in svg
    assert not root.findall(".//metadata")
    assert not root.findall(".//style"), "a style sheet in one figure would restyle the whole page"
    assert "a < b & c" in [text.text for text in root.iter("text")]
    assert "var(--mscl)" in svg
    assert "var(--ink)" in svg
    assert PALETTE["mscl"][0] not in svg


def test_figures_are_reproducible() -> None:
    assert figure_svg(chart(0), "one") == figure_svg(chart(0), "one")


def test_palette_is_unambiguous_and_readable() -> None:
    lights = [light for light, _ in PALETTE.values()]
    assert len(set(lights)) == len(lights)
    for theme in (0, 1):
        for name in ("ink", "muted", "mscl", "same", "other"):
            assert contrast(PALETTE[name][theme], PALETTE["paper"][theme]) >= 4.5, (name, theme)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of the Web Content Accessibility Guidelines."""

    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_themed_replaces_only_the_palette() -> None:
    assert themed(f"fill: {PALETTE['moco'][0]}; stroke: #123456") == "fill: var(--moco); stroke: #123456"
