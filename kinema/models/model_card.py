"""The words that go with an encoder to the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kinema.config import POOLED

HEAD = """---
library_name: kinema
tags:
{tags}
---

# {name}

A video encoder: clips (B, 3, T, H, W) with values from 0 to 1 to features (B, {features}). {origin}

## Load it

```python
import kinema

encoder = kinema.from_pretrained("{name}")
features = encoder(clips)
```

Nothing in the file is executed on loading. {clips} {readout}

## How it was made

| | |
|---|---|
{rows}

## Limits

{limits}
"""


def model_card(card: Mapping[str, Any], name: str, features: int, sha256: str) -> str:
    """A README in Markdown for an encoder; it says what the encoder's card says, and no more.

    Args:
        card: the encoder's.
        name: the repository, or whatever ``from_pretrained`` takes.
        features: D.
        sha256: of the file of weights.
    """
    model = card.get("model", {})
    method = card.get("method") or card.get("source")
    data, training = card.get("data", {}), card.get("training", {})
    versions = card.get("versions", {})
    rows = {
        "method": card.get("method"),
        "weights from": card.get("source"),
        "began with": _words(card.get("began_with") or {}, ("name", "sha256")),
        "preset": card.get("preset"),
        "seed": card.get("seed"),
        "backbone": _words(model, ("backbone", "width", "patch", "input", "keep_time", "pyramid", "parameters")),
        "motion hierarchy": _words(card.get("hcml") or {}, ("levels", "prime", "fusion", "chain")),
        "training videos": data.get("videos"),
        "hours of video": _rounded(data.get("hours")),
        "fingerprint of the data (SHA-256)": data.get("sha256"),
        "steps": training.get("steps"),
        "clips seen": training.get("clips_seen"),
        "versions": ", ".join(f"{package} {version}" for package, version in versions.items()),
        "SHA-256 of encoder.safetensors": sha256,
    }
    text = HEAD.format(
        name=name,
        tags="\n".join(f"- {tag}" for tag in ("video", "feature-extraction", "self-supervised-learning", "motion")),
        features=features,
        origin=f"Its weights come from {method}." if method else "Its card does not say where its weights come from.",
        clips=_clips(card.get("clip") or {}),
        readout=_readout(card.get("readout") or {}),
        rows="\n".join(f"| {what} | {value} |" for what, value in rows.items() if value not in (None, "")),
        limits="\n".join(f"* {limit}" for limit in _limits(card)),
    )
    settings = card.get("config")
    if settings:
        text += f"\n## All settings\n\n```json\n{json.dumps(settings, indent=2, ensure_ascii=False)}\n```\n"
    return text


def _clips(clip: Mapping[str, Any]) -> str:
    if not clip:
        return "Its card does not say which clips it was made for."
    step = f"{clip['step']:.4g} s" if clip.get("step") else f"{clip.get('step_frames')} frames of the file"
    height, width = clip["size"]
    short = f" cut from frames whose shorter side has {clip['short_side']}" if clip.get("short_side") else ""
    short = " to which whole frames are squeezed" if clip.get("squeeze") else short
    return f"It was made for clips of {clip['frames']} frames, {step} apart, of {height}x{width} pixels{short}."


def _readout(readout: Mapping[str, Any]) -> str:
    """Which features a clip has, in words."""
    if readout.get("stage", POOLED) == POOLED:
        words = "Its features are the means of the last stage over time and place."
    else:
        time, height, width = readout["grid"]
        kept = "the moments over time" if readout["moments"] else f"the means of {time} parts of the time"
        words = f"Its features are {kept} by {height}x{width} places (height x width) of the stage {readout['stage']}"
        words += ", as square roots with their signs" if readout["root"] else ""
        words += {"none": ".", "time": ", each of length 1.", "clip": ", together of length 1."}[readout["unit"]]
    others = {"frames": readout.get("frames"), "s apart": readout.get("step")}
    found = ", ".join(f"{value:.4g} {what}" for what, value in others.items() if value is not None)
    return f"{words} It reads clips of {found} instead." if found else words


def _limits(card: Mapping[str, Any]) -> list[str]:
    data = card.get("data")
    seen = "Its card does not say on which videos it was trained"
    if data:
        seen = f"It has seen {data['videos']} videos ({_rounded(data['hours'])} h), and may know little of others"
    short = card.get("training", {}).get("too_short")
    return [
        *([f"Its training was short: {short}."] if short else []),
        f"{seen}; measure before you rely on it.",
        "Clips of another length, pace or size than above are clips that it was not made for.",
        "No figure of quality is part of its card: `kinema evaluate` makes them, on labelled videos of yours.",
        "The rights to use it depend on the videos and weights that it was made of, which its card does not settle.",
    ]


def _words(settings: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return ", ".join(f"{name} {settings[name]}" for name in names if settings.get(name) not in (None, False))


def _rounded(hours: float | None) -> str | None:
    return None if hours is None else f"{hours:.3g}"
