"""What was wrong with a video while it was decoded, in a sentence."""

from __future__ import annotations

import errno
import os

from av import FFmpegError

from kinema.common.storage import NO_ANSWER

CODES = (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ENOMEM)
PASSING = (*(os.strerror(code) for code in CODES), NO_ANSWER)
"""What is said of a storage or machine that fails for a while, and not of a file."""


def may_pass(error: str) -> bool:
    """Whether what was found wrong with a file may be its storage's fault, so that it should be read again."""
    return any(reason in error for reason in PASSING)


class Damage:
    """Notes what does not decode, where reading broke off and where the clock jumped; false where nothing was noted.

    Attributes:
        jumps: how often the clock jumped.
        packets: how many do not decode.
        reason: libav's word on the latest of them, or on why reading broke off.
        ended: whether it broke off.
    """

    def __init__(self) -> None:
        self.jumps, self.packets, self.reason, self.ended = 0, 0, "", False
        self._first_lost = self._first_jump = self._first_step = 0.0

    def __bool__(self) -> bool:
        return bool(self.jumps or self.gaps)

    @property
    def gaps(self) -> int:
        """In how many places something is missing."""
        return self.packets + self.ended

    def __str__(self) -> str:
        said = []
        if self.jumps:
            more = f" and {_more(self.jumps, 'time')}" if self.jumps > 1 else ""
            way = f"{abs(self._first_step):.3f} s {'back' if self._first_step < 0 else 'ahead'}"
            said.append(f"its clock jumps {way} at {self._first_jump:.3f} s{more}, which is repaired")
        if self.packets:
            more = f" and in {_more(self.packets, 'place')}" if self.packets > 1 else ""
            said.append(f"corrupt at {self._first_lost:.3f} s{more} ({self.reason})")
        if self.ended:
            said.append(f"corrupt at its end ({self.reason})")
        return "; ".join(said)

    def jumped(self, at: float, by: float) -> None:
        """Note that the clock went ``by`` seconds too far, or back, when it should have been ``at`` seconds."""
        if not self.jumps:
            self._first_jump, self._first_step = at, by
        self.jumps += 1

    def lost(self, at: float, error: FFmpegError) -> None:
        """Note that what comes on screen at ``at`` seconds does not decode."""
        if not self.packets:
            self._first_lost = at
        self.packets += 1
        self.reason = _words(error)

    def broke_off(self, error: FFmpegError) -> None:
        """Note that nothing more can be read."""
        self.ended, self.reason = True, _words(error)


def _more(count: int, what: str) -> str:
    return f"{count - 1} more {what}{'s' if count > 2 else ''}"


def _words(error: FFmpegError) -> str:
    return error.strerror or type(error).__name__
