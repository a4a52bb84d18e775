"""What runs in the processes of a cluster."""

from __future__ import annotations

import os
import pickle
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kinema.common.addresses import shown
from kinema.common.provenance import software_versions
from kinema.common.storage import exists
from kinema.errors import ConfigError, KinemaError, OutputError, VideoError

ATTEMPTS = 3
"""How often a worker may be lost over the same item before that is passed over."""

ALIKE = ("kinema", "torch", "numpy", "av", "opencv")
"""Packages that decide what comes of a video: all machines have the same versions of them."""

Work = Callable[[Any], Any]
"""What a worker does with an item; a :class:`~kinema.errors.KinemaError` that it raises is the result."""


def versions() -> dict[str, str]:
    """Of the packages that are to be :data:`ALIKE`; what torch was built for does not count."""
    found = software_versions()
    return {name: found.get(name, "").partition("+")[0] for name in ALIKE}


class Lost(KinemaError):
    """The process or machine that worked on an item ended, several times over."""

    def __init__(self) -> None:
        super().__init__(f"the process that worked on it was lost {ATTEMPTS} times")

    def __reduce__(self) -> tuple[type[Lost], tuple[()]]:
        return Lost, ()


class Worker:
    """In a process of the cluster.

    Args:
        task: a reference, in a list so that it is not followed before versions are known to be the same: to what makes
            the work, and the arguments of that, pickled.
        shared: files and folders that all machines have to see.
        expected: the :func:`versions` of the machine that asks.
        settings: environment variables by which storages are told who asks.
    """

    def __init__(
        self, task: Sequence[Any], shared: Sequence[str], expected: Mapping[str, str], settings: Mapping[str, str]
    ):
        os.environ.update(settings)
        self._task, self._shared, self._expected = task, shared, expected

    def ready(self) -> KinemaError | None:
        """Why this machine cannot do the work; None if it can."""
        machine = platform.node() or "a machine of the cluster"
        for name, own in versions().items():
            if own != (other := self._expected[name]):
                said = f"{machine} has {name} {own or '?'}, and this machine {other or '?'}"
                return ConfigError(f"{said}; install the same everywhere")
        import ray

        try:
            if missing := [path for path in self._shared if not exists(path)]:
                return ConfigError(
                    f"{machine} does not see {shown(missing[0])}; put it where all machines of the cluster do"
                )
            import cv2

            cv2.setNumThreads(1)  # a worker has one core, which Ray tells PyTorch, and not OpenCV
            make, arguments = pickle.loads(ray.get(self._task[0]))
            self._work = make(*arguments)
        except KinemaError as error:
            return error if isinstance(error, VideoError) else type(error)(f"{machine}: {error}")
        except OSError as error:  # of a storage
            return ConfigError(
                f"{machine} cannot read {error.filename} ({error.strerror or error}); let all machines of the cluster"
            )
        except (ImportError, AttributeError) as error:
            return ConfigError(f"{machine} lacks what the work needs ({error}); install the same everywhere")
        return None

    def look(self, items: Sequence[Any]) -> tuple[float, list[Any]]:
        """How many seconds some items took, and the result of each."""
        begun = time.perf_counter()
        results = [self._look(item) for item in items]
        return time.perf_counter() - begun, results

    def _look(self, item: Any) -> Any:
        try:
            return self._work(item)
        except OutputError as error:
            return OutputError(f"{platform.node()}: {error}")
        except KinemaError as error:
            return error
