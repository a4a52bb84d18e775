"""How people look: build, clothes and marks on them, and what a view shows of them in a pose."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.figures.bodies import Array, Colour, Part, View, capsule, disc, patches, turned
from kinema.data.synthetic.figures.curves import Rng
from kinema.data.synthetic.figures.palettes import Palette, darker, skin
from kinema.data.synthetic.figures.skeleton import Pose, skeleton


@dataclass(frozen=True)
class Person:
    """How someone looks: build, clothes, and marks on them.

    Attributes:
        girth: factor on all widths.
        head: radius of the head.
        colours: of skin, hair, top, sleeves, trousers, shins, shoes, and marks.
        places: (M, 2) of the marks on trunk and limbs, see ``patches``.
        sizes: (M, 2) of them.
        skirt: whether a skirt hides the thighs.
    """

    girth: float
    head: float
    colours: dict[str, Colour]
    places: Array
    sizes: Array
    skirt: bool

    @classmethod
    def draw(cls, rng: Rng, palette: Palette) -> Person:
        """Someone at random."""
        bare = skin(rng)
        top, trousers = palette.colour(rng), palette.colour(rng)
        sleeves = bare if rng.random() < 0.35 else top
        shins = bare if rng.random() < 0.25 else trousers
        hair = darker(palette.colour(rng), 0.35) if rng.random() < 0.7 else palette.colour(rng)
        colours = {
            "skin": bare,
            "hair": hair,
            "top": top,
            "sleeves": sleeves,
            "trousers": trousers,
            "shins": shins,
            "shoes": darker(palette.colour(rng), 0.6),
            "marks": palette.colour(rng),
            "low marks": darker(trousers, rng.uniform(0.6, 1.5)),
        }
        places, sizes = _marks(rng)
        return cls(rng.uniform(0.75, 1.35), rng.uniform(0.058, 0.078), colours, places, sizes, rng.random() < 0.12)

    def parts(self, pose: Pose, view: View) -> list[Part]:
        """What is seen of this person in that pose; ``view.yaw`` is where they face at first."""
        joints = turned(skeleton(pose), pose.turn, pose.forward, pose.aside)
        seen = {name: view.project(joint[:, None]) for name, joint in joints.items()}
        at = {name: points[:, 0] for name, (points, _) in seen.items()}
        depth = {name: d[:, 0] for name, (_, d) in seen.items()}
        yaw = view.yaw - pose.turn
        unit, colours = view.scale * self.girth, self.colours
        broad = np.sqrt((0.95 * np.sin(yaw)) ** 2 + (0.55 * np.cos(yaw)) ** 2)
        parts: list[Part] = []

        def limb(a: str, b: str, ra: Array | float, rb: Array | float, colour: str, marks: str = "", near: float = 0.0):
            part = Part(capsule(at[a], at[b], unit * ra, unit * rb), colours[colour], (depth[a] + depth[b]) / 2 - near)
            if marks and len(self.places):
                radius = unit * (np.asarray(ra) + rb) / 2
                drawn = patches(at[a], at[b], radius, self.places, self.sizes, yaw)
                part.marks.append((drawn, colours[marks]))
            parts.append(part)

        for k in (0, 1):
            limb(f"hip{k}", f"knee{k}", 0.055, 0.04, "trousers", "low marks")
            limb(f"knee{k}", f"foot{k}", 0.04, 0.026, "shins", near=0.002)
            toe = np.stack([at[f"foot{k}"][:, 0] + view.scale * 0.055 * np.cos(yaw), at[f"foot{k}"][:, 1]], -1)
            parts.append(
                Part(capsule(at[f"foot{k}"], toe, unit * 0.026, unit * 0.02), colours["shoes"], depth[f"foot{k}"])
            )
            limb(f"shoulder{k}", f"elbow{k}", 0.036, 0.028, "top", near=0.002)
            limb(f"elbow{k}", f"hand{k}", 0.028, 0.02, "sleeves", "marks", near=0.004)
            parts.append(Part(disc(at[f"hand{k}"], unit * 0.026), colours["skin"], depth[f"hand{k}"] - 0.006))
        if self.skirt:
            knees = (at["knee0"] + at["knee1"]) / 2
            spread = np.abs(at["knee0"] - at["knee1"]).max(axis=1) / 2 / view.scale + 0.05
            hem = capsule(at["hip"], 0.3 * at["hip"] + 0.7 * knees, unit * 0.07, view.scale * spread)
            parts.append(Part(hem, colours["trousers"], depth["hip"] - 0.06))
        limb("neck", "head", 0.03, 0.03, "skin")
        limb("hip", "chest", 0.085 * broad, 0.115 * broad, "top", "marks")
        shoulders = capsule(at["shoulder0"], at["shoulder1"], unit * 0.045, unit * 0.045)
        parts.append(Part(shoulders, colours["top"], depth["chest"]))
        upright = np.arctan2(*(at["head"] - at["neck"]).T[::-1])
        parts.append(Part(disc(at["head"], view.scale * self.head, 1.2, upright), colours["skin"], depth["head"]))
        back = np.stack([-0.5 * np.cos(yaw), np.full_like(yaw, -0.35)], -1) * view.scale * self.head
        facing = np.where(np.sin(yaw) > -0.3, 0.75, 1.05)
        parts.append(
            Part(disc(at["head"] + back, view.scale * self.head * facing), colours["hair"], depth["head"] - 0.001)
        )
        return parts


def _marks(rng: Rng) -> tuple[Array, Array]:
    """Places and sizes of marks: none, stripes across, a stripe along, or spots."""
    style = rng.choice(["none", "across", "along", "spots"], p=[0.25, 0.3, 0.15, 0.3])
    if style == "none":
        return np.zeros((0, 2)), np.zeros((0, 2))
    if style == "across":
        count, angles = int(rng.integers(2, 5)), np.arange(4) * math.pi / 2
        along = (np.arange(count) + 0.5) / count
        places = np.stack(np.meshgrid(along, angles, indexing="ij"), -1).reshape(-1, 2)
        return places, np.tile([0.22 / count, 0.75], (len(places), 1))
    if style == "along":
        places = np.stack([np.full(3, 0.5), rng.uniform(0, 6) + np.arange(3) * 2.1], -1)
        return places, np.tile([0.5, 0.3], (3, 1))
    count = int(rng.integers(5, 12))
    return rng.uniform((0, 0), (1, 2 * math.pi), (count, 2)), rng.uniform(0.05, (0.14, 0.45), (count, 2))
