"""Pictures that live inside a page: still, moving and flow overlays, each as one string."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

PALETTE: dict[str, tuple[str, str]] = {
    "ink": ("#1c2024", "#e8e6e3"),
    "muted": ("#60646c", "#a5a3a0"),
    "rule": ("#d9d9de", "#3a3d42"),
    "paper": ("#fdfdfc", "#16181b"),
    "panel": ("#f3f3f1", "#202327"),
    "random": ("#8b8d98", "#8c8f99"),
    "moco": ("#c4500a", "#f0883e"),
    "mscl": ("#0b68b8", "#58a6f0"),
    "motion": ("#7b46b5", "#b78af0"),
    "same": ("#1a7f37", "#3fb950"),
    "other": ("#c93038", "#f06a64"),
}
"""Names of colours and their values on light and on dark paper; the style sheet defines one variable for each."""

QUALITY = 55
"""Of pictures inside a page."""
ARROW_COLOUR = (20, 20, 20)
ARROW_SPACING = 8
"""Pixels of the original frame between two arrows of a flow overlay."""


def animation(frames: np.ndarray, fps: float, scale: int = 2) -> str:
    """Return ``frames`` as an endless animated WebP in a data URI.

    Consecutive frames that look alike may be stored as one longer frame.

    Args:
        frames: (T, H, W, 3) uint8, RGB.
        fps: frames shown per second.
        scale: enlargement of width and height.
    """
    return _data_uri(animated_webp(frames, fps, scale), "image/webp")


def animated_webp(frames: np.ndarray, fps: float, scale: int = 2, quality: int = QUALITY) -> bytes:
    """The file that :func:`animation` puts into a data URI; ``quality`` of the lossy compression goes from 0 to 100."""
    first, *rest = [_enlarged(frame, scale) for frame in frames]
    moving = {"save_all": True, "append_images": rest, "duration": round(1000 / fps), "loop": 0}
    return encoded(first, "WEBP", quality=quality, **moving)


def still(frame: np.ndarray, scale: int = 2) -> str:
    """Return one (H, W, 3) uint8 frame as a WebP in a data URI."""
    return _data_uri(encoded(_enlarged(frame, scale), "WEBP", quality=QUALITY), "image/webp")


def encoded(picture: Image.Image, format: str, **settings: Any) -> bytes:
    """A picture as the bytes of a file of a format, with settings of Pillow's."""
    buffer = io.BytesIO()
    picture.save(buffer, format=format, **settings)
    return buffer.getvalue()


def flow_view(frames: np.ndarray, flow: np.ndarray, scale: int = 2) -> np.ndarray:
    """Show a video and, to its right, the same video under its optical flow, in one picture so that they keep step.

    Colour tells the direction; its strength and the length of the arrows tell the speed.

    Args:
        frames: (T, H, W, 3) uint8; frames beyond the last flow field are left out.
        flow: (F, 2, H, W) float32, pixels per step, F <= T.
        scale: enlargement of width and height.

    Returns:
        (F, scale * H, 2 * scale * W, 3) uint8.
    """
    left = [np.asarray(_enlarged(frame, scale)) for frame in frames[: len(flow)]]
    return np.concatenate([np.stack(left), flow_overlay(frames, flow, scale)], axis=2)


def flow_overlay(frames: np.ndarray, flow: np.ndarray, scale: int = 2) -> np.ndarray:
    """Lay a video's optical flow over it: the right half of :func:`flow_view`.

    Args:
        frames: as there.
        flow: as there.
        scale: as there.

    Returns:
        (F, scale * H, scale * W, 3) uint8.
    """
    import torch

    from kinema.flow import flow_to_wheel

    speed, fastest = np.hypot(flow[:, 0], flow[:, 1]), full_speed(flow)
    motion = flow / np.maximum(speed, fastest)[:, None]
    strength = 200 * np.minimum(speed / fastest, 1)
    colours = 255 * flow_to_wheel(torch.from_numpy(motion), max_magnitude=1.0).permute(0, 2, 3, 1).numpy()
    shown: list[np.ndarray] = []
    for frame, field, colour, mask in zip(frames, motion, colours, strength, strict=False):
        grey = Image.fromarray(frame).convert("L").convert("RGB")
        laid = Image.composite(Image.fromarray(colour.astype(np.uint8)), grey, Image.fromarray(mask.astype(np.uint8)))
        overlay = _enlarged(np.asarray(laid), scale)
        draw_arrows(overlay, field, scale)
        shown.append(np.asarray(overlay))
    return np.stack(shown)


def full_speed(flow: np.ndarray) -> float:
    """The speed of (F, 2, H, W) fields that is to look fast, pixels: one vector in a hundred is faster."""
    speed = np.hypot(flow[:, 0], flow[:, 1])
    return max(float(np.quantile(speed, 0.99)), 0.25)  # floor: do not blow the noise of a still video up


def draw_arrows(picture: Image.Image, field: np.ndarray, scale: int = 1, spacing: int = ARROW_SPACING) -> None:
    """Draw a (2, H, W) field, of length 1 where fastest, as arrows onto a picture.

    Args:
        picture: changed.
        field: arrows are as long as the spacing where its vectors have length 1.
        scale: how much larger the picture is than the field.
        spacing: pixels of the field between two arrows.
    """
    draw = ImageDraw.Draw(picture)
    grid = slice(spacing // 2, None, spacing)
    rows, columns = np.mgrid[: field.shape[1], : field.shape[2]][:, grid, grid] * scale
    steps = field[:, grid, grid] * spacing * scale
    visible = np.hypot(*steps) > 0.2 * spacing * scale
    for x, y, u, v in np.stack([columns, rows, *steps])[:, visible].T.tolist():
        tip = (x + u, y + v)
        left = (x + 0.65 * u - 0.22 * v, y + 0.65 * v + 0.22 * u)
        right = (x + 0.65 * u + 0.22 * v, y + 0.65 * v - 0.22 * u)
        draw.line([(x, y), tip], fill=ARROW_COLOUR)
        draw.line([left, tip, right], fill=ARROW_COLOUR)


def colour_wheel(size: int = 160) -> str:
    """Return the legend of a flow overlay, a disc of all directions and speeds on white, as a PNG in a data URI."""
    from kinema.flow import wheel_legend

    disc = (255 * wheel_legend(size).permute(1, 2, 0).numpy()).astype(np.uint8)
    return _data_uri(encoded(Image.fromarray(disc), "PNG", optimize=True), "image/png")


def themed(text: str) -> str:
    """Replace the light colours of :data:`PALETTE` by the variables of the page's style sheet."""
    for name, (light, _) in PALETTE.items():
        text = text.replace(light, f"var(--{name})")
    return text


def _enlarged(frame: np.ndarray, scale: int) -> Image.Image:
    picture = Image.fromarray(frame)
    if scale == 1:
        return picture
    return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.BICUBIC)


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
