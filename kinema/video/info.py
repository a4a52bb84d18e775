"""What the header of a video says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class VideoInfo:
    """What the header of a file says; only decoding tells what is true of ``duration`` and ``frames``.

    Attributes:
        path: the file, or a part of it.
        duration: seconds, 0 if the header does not say.
        frames: number of frames, 0 if the header does not say.
        fps: frames a second on average, 0 if the header does not say.
        width: pixels, as displayed: after rotation.
        height: pixels, as displayed.
        rotation: degrees counter-clockwise by which the stored frames are turned for display, from -180 to 180.
        codec: name of the decoder.
        pixel_format: libav's name of the stored pixel format.
        start: seconds on the file's own clock of the first displayed frame, or of a part's beginning, which is time 0
            everywhere in kinema.
    """

    path: str
    duration: float
    frames: int
    fps: float
    width: int
    height: int
    rotation: int
    codec: str
    pixel_format: str
    start: float
