"""The errors kinema raises on purpose.

Each message is one sentence that names the file or setting at fault and the way out; the command line prints it without
a traceback and exits with status 1.
"""

from __future__ import annotations

from pathlib import Path


class KinemaError(Exception):
    """Base class of every error that a user can cause and mend.

    Attributes:
        status: the exit status of a command that ends with it.
    """

    status = 1


class ConfigError(KinemaError):
    """A setting is unknown, out of range or contradicts another."""


class VideoError(KinemaError):
    """A video file cannot be read.

    Attributes:
        path: the file at fault.
        reason: why, without the path.
    """

    def __init__(self, path: str | Path, reason: str):
        self.path = str(path)
        self.reason = reason
        super().__init__(f"cannot read {self.path}: {reason}")

    def __reduce__(self):  # exceptions with several arguments do not survive a data-loader worker otherwise
        return type(self), (self.path, self.reason)


class DataError(KinemaError):
    """A folder, manifest or label file does not hold what was asked of it."""


class CheckpointError(KinemaError):
    """A checkpoint or encoder file is missing, damaged or belongs to another architecture."""


class OutputError(KinemaError):
    """Something cannot be written: no permission, no space, or it would overwrite other work."""


class TrainingError(KinemaError):
    """Training cannot go on, for example because a loss is not finite."""


class ReproductionError(KinemaError):
    """What was measured lies further from a recorded result than its tolerance."""
