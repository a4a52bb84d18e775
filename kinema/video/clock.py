"""Clocks of files that jump: recordings that were joined, broadcasts whose clock was set, damaged times.

What follows a jump is taken to follow at once, so that times stay those of frames on screen, as ffmpeg has it.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from kinema.video.container import open_stream
from kinema.video.identity import size_and_time

BACK = 0.1
"""Seconds that a clock may go back without being taken to jump: some files are untidy by a frame."""
PAUSE = 600.0
"""Seconds for which a picture may stay on screen; a longer time is a jump of the clock."""
BROADCAST_PAUSE = 10.0
"""And in containers whose clocks are allowed to jump (MPEG streams, Ogg); the limit that ffmpeg has for them."""
MAY_JUMP = 0x0200  # AVFMT_TS_DISCONT
COUNTED = {"avi", "gif", "apng", "image2"}
"""Containers that store no times, but how long frames last."""


class Clock:
    """Follows the times of a stream's packets, and mends those after a jump.

    Attributes:
        first: seconds by which the first jump went, ahead or back.
        even: whether decoding times have only grown so far.
    """

    def __init__(self, container: InputContainer, stream: VideoStream):
        base = stream.time_base or Fraction(1, av.time_base)
        self.first, self.even = 0.0, True
        self._base = float(base)
        self._ahead = longest_pause(container) / self._base
        self._back = -BACK / self._base
        self._step = max(1, round(1 / (base * (stream.average_rate or 25))))
        self._offset = 0  # ticks that are added to the packets' own times
        self._decoded: int | None = None  # the latest decoding time
        self._latest: int | None = None  # the latest time of all

    def mend(self, packet: Packet) -> bool:
        """Put a packet's times where they belong; tell whether its clock has jumped."""
        decoded, shown = packet.dts, packet.pts  # each asked for once: this is done for every packet of every file
        jumped = decoded is not None and self._jumps(decoded + self._offset)
        latest = decoded if shown is None else shown
        if jumped and latest is not None and self._latest is not None:
            self._offset = self._latest + self._step - latest
        if decoded is not None:
            self._decoded = decoded + self._offset
        if latest is not None and (self._latest is None or latest + self._offset > self._latest):
            self._latest = latest + self._offset
        if self._offset:
            packet.pts = None if shown is None else shown + self._offset
            packet.dts = None if decoded is None else decoded + self._offset
        return jumped

    def _jumps(self, ticks: int) -> bool:
        """Whether a decoding time cannot come after the one before."""
        if self._decoded is None:
            return False
        step = ticks - self._decoded
        self.even &= step >= 0
        if self._back <= step <= self._ahead:
            self._step = step if step > 0 else self._step
            return False
        self.first = self.first or step * self._base
        return True


def longest_pause(container: InputContainer) -> float:
    """Seconds for which a picture may stay on screen."""
    if container.format.name == "image2":  # whose clock the user has set
        return float("inf")
    return BROADCAST_PAUSE if container.format.flags & MAY_JUMP else PAUSE


def is_steady(path: str, container: InputContainer, stream: VideoStream) -> bool:
    """Whether the clock of an open file never jumps, so that one can seek by it and believe the header's duration.

    Of a file without an index of all frames all packets are looked at, once in a process: a few hundredths of the time
    that decoding them takes.
    """
    if container.format.name in COUNTED:
        return True
    if "mov" in container.format.name and 0 < stream.frames <= len(stream.index_entries):  # then times only grow
        pause = longest_pause(container) / float(stream.time_base or 1)
        if (stream.duration or 0) <= pause:
            return True
        times = [entry.timestamp for entry in stream.index_entries]
        return all(later - time <= pause for time, later in pairwise(times))
    return _never_jumps(path, size_and_time(path))


@lru_cache(maxsize=1 << 16)
def _never_jumps(path: str, _state: tuple[int, int]) -> bool:
    with ExitStack() as opened, suppress(av.FFmpegError, IndexError):
        container, stream = open_stream(path, opened)
        clock = Clock(container, stream)
        return not any(clock.mend(packet) or not clock.even for packet in container.demux(stream))
    return True  # what is damaged further on is found by whoever decodes it
