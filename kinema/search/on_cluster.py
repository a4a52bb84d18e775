"""The windows of videos and their vectors, by the machines of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os.path import commonpath
from pathlib import Path

from kinema.boxes.box import MOTION
from kinema.common.cluster import spread
from kinema.common.whitening import Basis
from kinema.config.windows import Windowing
from kinema.errors import CheckpointError, KinemaError, VideoError
from kinema.search.changes import content_of
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow, Embedder, open_embedder
from kinema.search.embedding import Finished
from kinema.search.windows import SeenWindow, WindowReader


class Embedding:
    """What a worker of a cluster does: a video's windows with their vectors, and how it ended.

    Args:
        source: of the encoder.
        device: where it computes.
        fingerprint: what the encoder has to be.
        basis: of the index.
        windowing: how videos are cut.
        batch_size: windows per forward pass.
        crop: what clips are cut around.

    Raises:
        CheckpointError: the encoder cannot be loaded there, or is another.
    """

    def __init__(
        self,
        source: str,
        device: str,
        fingerprint: str,
        basis: Basis | None,
        windowing: Windowing,
        batch_size: int,
        crop: str | None = None,
    ):
        self._embedder, self._size = open_embedder(source, device, crop), batch_size
        if self._embedder.fingerprint != fingerprint:
            raise CheckpointError(
                f"{source} is another encoder on a machine of the cluster; put the same one everywhere"
            )
        self._embedder.basis = basis
        self._reader = WindowReader(self._embedder.clip, windowing)

    def __call__(self, item: tuple[int, FileState]) -> tuple[list[EmbeddedWindow], Finished]:
        """The windows of a file, which comes with a number."""
        state = item[1]
        windows: list[EmbeddedWindow] = []
        seen: list[SeenWindow] = []
        reading = self._reader.read(state.path)
        try:
            while True:
                seen.append(next(reading))
                if len(seen) == self._size:
                    windows += self._embedder(seen)
                    seen = []
        except StopIteration as end:
            reason = end.value
        except VideoError as error:
            reason = error.reason
        return windows + self._embedder(seen), Finished(reason, content_of(state))


def embed_on_cluster(
    cluster: str,
    files: Sequence[FileState],
    embedder: Embedder,
    device: str,
    windowing: Windowing,
    batch_size: int,
    wanted: Callable[[int], bool],
) -> Iterator[tuple[int, EmbeddedWindow | Finished]]:
    """As :func:`embed_videos`, on the machines of a cluster; the windows of a video come together.

    Args:
        cluster: its address.
        files: the videos.
        embedder: gives windows their vectors, as each machine's own does.
        device: where they compute.
        windowing: how videos are cut.
        batch_size: windows per forward pass.
        wanted: asked once with a video's number, just before a machine is given it; False to pass it over.

    Raises:
        ConfigError: there is no such cluster, or a machine of it does not see the videos, the encoder or the boxes.
        OutputError: a machine cannot keep copies of what lies in a storage.
    """
    crop = embedder.clip.crop
    arguments = embedder.source, device, embedder.fingerprint, embedder.basis, windowing, batch_size, crop
    shared = [Path(commonpath([str(Path(state.path).parent) for state in files]))]
    shared += [] if crop in (None, MOTION) else [Path(str(crop))]
    taken: set[int] = set()

    def still_wanted(item: tuple[int, FileState]) -> bool:
        if item[0] in taken:  # by a machine that was lost
            return True
        if mine := wanted(item[0]):
            taken.add(item[0])
        return mine

    for (number, _), found in spread(
        cluster,
        enumerate(files),
        Embedding,
        arguments,
        shared=shared,
        gpus=device != "cpu",
        weigh=lambda item: item[1].size,
        wanted=still_wanted,
    ):
        if isinstance(found, KinemaError):
            yield number, Finished(str(found))
            continue
        windows, finished = found
        for window in windows:
            yield number, window
        yield number, finished
