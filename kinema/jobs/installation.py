"""What is installed here and what it can do: what a report of a fault has to say."""

from __future__ import annotations

import multiprocessing
import platform
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from kinema.common.extras import EXTRAS, remedy, unfit_torchvision
from kinema.common.processes import available_cores
from kinema.common.provenance import OPENCV, PACKAGES, installed

PACKAGE_OF = {"faiss": "faiss-cpu"}
"""Packages of another name than their module."""
CODECS = ("h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2video", "mjpeg", "prores", "dnxhd", "theora", "ffv1")
"""What videos mostly come in."""


@dataclass(frozen=True)
class Installation:
    """What is installed.

    Attributes:
        kinema: its version.
        python: version, and where it lies.
        system: name, version and processor.
        packages: versions of what kinema needs, and of OpenCV by its packages; more than one of those clash.
        ffmpeg: versions of the libraries that decode.
        torchcodec: why it does not load; empty where it does, or is not installed.
        torchvision: the same of torchvision; transformers fails with it, too.
        decoders: those of :data:`CODECS` that can be decoded.
        extras: versions of what each extra brings, by extra and package; None for what is missing.
        cores: that this process may use.
        instructions: the largest that PyTorch uses on this processor.
        bfloat16: whether the CPU has instructions for it.
        gpus: names by device.
        encoders: those that come with kinema.
        offered: what other packages offer: the package by group of entry points and name.
        start_method: how Python starts processes that read videos.
    """

    kinema: str
    python: str
    system: str
    packages: dict[str, str]
    ffmpeg: dict[str, str]
    torchcodec: str
    torchvision: str
    decoders: tuple[str, ...]
    extras: dict[str, dict[str, str | None]]
    cores: int
    instructions: str
    bfloat16: bool
    gpus: dict[str, str]
    encoders: tuple[str, ...]
    offered: dict[str, dict[str, str]]
    start_method: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)

    def summary(self) -> str:
        """Some lines for people, with the command that brings what is missing."""
        lines = [
            ("kinema", self.kinema),
            ("Python", self.python),
            ("system", self.system),
            ("packages", _listed(self.packages)),
            ("FFmpeg", _listed(self.ffmpeg)),
            ("decoders", " ".join(self.decoders)),
            ("cores", f"{self.cores}, {self.instructions}, bfloat16 {'quick' if self.bfloat16 else 'not quick'}"),
            ("GPUs", _listed(self.gpus) or "none"),
            ("encoders", " ".join(self.encoders)),
            *((group.partition(".")[2], _listed(found)) for group, found in self.offered.items() if found),
            ("processes", f"start by {self.start_method}"),
            *((f"[{extra}]", _listed(found, extra)) for extra, found in self.extras.items()),
        ]
        clash = [package for package in OPENCV if package in self.packages]
        lines += [("note", why) for why in (self.torchcodec, self.torchvision) if why]
        if len(clash) > 1:
            lines.append(("note", f"{' and '.join(clash)} write over each other: uninstall all, and install one again"))
        return "\n".join(f"{name:13}{value}" for name, value in lines)


def look_around() -> Installation:
    """What is installed here; takes as long as importing PyTorch, torchvision and PyAV."""
    import av
    import torch

    from kinema import __version__
    from kinema.common.precision import quick_bfloat16
    from kinema.flow.estimators import ESTIMATORS
    from kinema.methods.registry import METHODS
    from kinema.models.readout import READOUTS
    from kinema.models.registry import BACKBONES
    from kinema.models.weights import WITH_KINEMA
    from kinema.video.by_torchcodec import why_not_torchcodec
    from kinema.video.decoders import DECODERS

    gpus = {f"cuda:{number}": torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())}
    if torch.backends.mps.is_available():
        gpus["mps"] = platform.processor()
    packages = {extra: [PACKAGE_OF.get(name, name) for name in modules] for extra, modules in EXTRAS.items()}
    return Installation(
        kinema=__version__,
        python=f"{platform.python_version()} ({sys.executable})",
        system=platform.platform(),
        packages=installed((*PACKAGES, *OPENCV)),
        ffmpeg={name: ".".join(map(str, version)) for name, version in av.library_versions.items()},
        torchcodec=why_not_torchcodec() if installed(["torchcodec"]) else "",
        torchvision=_why_not_torchvision(),
        decoders=tuple(name for name in CODECS if _decodes(name)),
        extras={extra: {name: installed([name]).get(name) for name in names} for extra, names in packages.items()},
        cores=available_cores(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        bfloat16=quick_bfloat16(torch.device("cpu")),
        gpus=gpus,
        encoders=WITH_KINEMA,
        offered={
            registry.group: registry.offers() for registry in (BACKBONES, METHODS, ESTIMATORS, READOUTS, DECODERS)
        },
        start_method=multiprocessing.get_context().get_start_method(),
    )


def _why_not_torchvision() -> str:
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        unfit = unfit_torchvision(error)
        return f"[raft] and [hf] import torchvision, and {unfit}" if unfit else ""
    return ""


def _decodes(name: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        return Codec(name, "r") is not None
    except UnknownCodecError:
        return False


def _listed(versions: dict[str, str] | dict[str, str | None], extra: str = "") -> str:
    """Names with their versions, and what to do about those that have none."""
    missing = [name for name, version in versions.items() if version is None]
    told = [f"{name} {version}" for name, version in versions.items() if version is not None]
    if missing:
        told.append(f"missing {' '.join(missing)}: {remedy(EXTRAS[extra][0])}")
    return ", ".join(told)
