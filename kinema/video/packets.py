"""When the frames of a file come on screen, by its packets alone: for decoders that are asked for single frames."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import lru_cache
from typing import NamedTuple

import av
import numpy as np

from kinema.video.clock import Clock
from kinema.video.container import open_stream
from kinema.video.identity import size_and_time

KEPT = 4096  # files of whom the packets are remembered: about 40 bytes a frame


class Packets(NamedTuple):
    """The frames of a file, in display order.

    Attributes:
        ticks: (N,) int64, when they come on screen, in units of the stream's time base.
        mapping: the same as JSON, with durations, as ffprobe writes it for torchcodec; its one key frame is the first.
        last: ticks that the last frame stays on screen, 0 where the file does not say.
    """

    ticks: np.ndarray
    mapping: str
    last: int


def packets_of(path: str, by_dts: bool) -> Packets | str:
    """Look at all packets of a file, once in a process, without decoding.

    Args:
        path: the file.
        by_dts: whether times of decoding are those of the screen.

    Returns:
        The packets, or why they do not tell when frames come on screen.

    Raises:
        VideoError: the file changed or vanished.
    """
    return _packets(path, by_dts, size_and_time(path))


@lru_cache(maxsize=KEPT)
def _packets(path: str, by_dts: bool, _state: tuple[int, int]) -> Packets | str:
    with ExitStack() as opened:
        container, stream = open_stream(path, opened)
        clock, places, entries = Clock(container, stream), set(), []
        try:
            for packet in container.demux(stream):
                if packet.size == 0 and packet.dts is None and packet.pts is None:  # which PyAV puts at the end
                    continue
                if clock.mend(packet):
                    return "its clock jumps"
                if packet.is_discard:
                    continue
                ticks = packet.dts if by_dts else packet.pts
                if ticks is None or (by_dts and packet.pts not in (None, ticks)):
                    return "its packets do not say when they are shown"
                if packet.size == 0 or packet.is_corrupt or ticks in places:
                    return "some of its packets are no picture of their own"
                places.add(ticks)
                entries.append((ticks, packet.duration or 0))
        except (av.FFmpegError, IndexError):
            return "not all of it can be read"
    entries.sort()
    # Containers name key frames that are none, from which decoders make wrong pictures without a word: only the first
    # is told, so that decoding begins there.
    frames = [{"pts": at, "duration": lasts, "key_frame": int(at == entries[0][0])} for at, lasts in entries]
    shown = np.array([entry[0] for entry in entries], np.int64)
    return Packets(shown, json.dumps({"frames": frames}), entries[-1][1] if entries else 0)
