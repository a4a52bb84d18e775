"""The errors kinema raises on purpose.

Each message is one sentence that names the file or setting at fault and the way out; the command line prints it without
a traceback and exits with status 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kinema.common.addresses import shown

LONGEST = 8000
"""Letters of a sentence that are told."""


class KinemaError(Exception):
    """Base class of every error that a user can cause and mend.

    Attributes:
        status: the exit status of a command that ends with it.
        shared: whether all processes of a training raise it, before the same step.
        said: whether another process of the same training tells the user of it, so that this one need not.
    """

    status = 1
    shared = False
    said = False


class ConfigError(KinemaError):
    """A setting is unknown, out of range or contradicts another."""


class VideoError(KinemaError):
    """A video file cannot be read.

    Attributes:
        path: the file at fault.
        reason: why, without the path.
    """

    def __init__(self, path: str | Path, reason: str):
        self.path = shown(path)
        self.reason = reason
        super().__init__(f"cannot read {self.path}: {reason}")

    def __reduce__(self):  # exceptions with several arguments do not survive a data-loader worker otherwise
        return type(self), (self.path, self.reason)


class blaming:  # named as the context manager that it is; a class, since it is entered for every frame
    """Where libraries work on what a video holds: whatever they raise over it becomes an error that names the file.

    Raises:
        VideoError: something else than a :class:`KinemaError` was raised.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str | Path):
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, MemoryError):
            raise VideoError(self._path, "it needs more memory than there is") from error
        # decoders, scalers and encoders of pictures have no common class of errors
        if isinstance(error, Exception) and not isinstance(error, KinemaError):
            said = f"{type(error).__name__}: {words_of(error, 200)}"
            raise VideoError(self._path, f"its pictures cannot be used ({said})") from error


class DataError(KinemaError):
    """A folder, manifest or label file does not hold what was asked of it."""


class CheckpointError(KinemaError):
    """A checkpoint or encoder file is missing, damaged or belongs to another architecture."""


class OutputError(KinemaError):
    """Something cannot be written: no permission, no space, or it would overwrite other work."""


class ServerError(KinemaError):
    """A server that keeps an index cannot be reached, or went away."""


class TrainingError(KinemaError):
    """Training cannot go on, for example because a loss is not finite."""


class ReproductionError(KinemaError):
    """What was measured lies further from a recorded result than its tolerance."""


def refuse(checks: Mapping[str, object], where: str = "") -> None:
    """Raise the first problem that there is.

    Args:
        checks: by the sentence about a problem: whether there is none.
        where: the sentence begins.

    Raises:
        ConfigError: there is one.
    """
    for problem, fine in checks.items():
        if not fine:
            raise ConfigError(where + problem)


def words_of(error: BaseException, longest: int = LONGEST) -> str:
    """What an error of a library's says, in one line of at most so many letters."""
    return " ".join(str(error).split())[:longest]


def first_line(error: BaseException, otherwise: str = "no words") -> str:
    """What an error of others' code says first."""
    return (str(error).splitlines() or [otherwise])[0]


def first_few(items: Sequence[object]) -> str:
    """The first three of ``items`` and how many more there are, for the sentence of an error."""
    shown = ", ".join(text if (text := str(item)).isprintable() else repr(text) for item in items[:3])
    more = f" and {len(items) - 3} more ({len(items)} in all)" if len(items) > 3 else ""
    return f"{shown}{more}"


def without_middle(sentence: str) -> str:
    """A sentence as it is told: one that names what is longer than any path says what is wrong at both of its ends."""
    left, half = len(sentence) - LONGEST, LONGEST // 2
    return sentence if left <= 0 else f"{sentence[:half]}[... {left} letters ...]{sentence[-half:]}"
