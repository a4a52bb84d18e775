"""The windows of videos and their vectors, by the machines of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from os.path import commonpath
from pathlib import Path

from kinema.boxes.box import MOTION
from kinema.common.cluster import spread
from kinema.common.whitening import Basis
from kinema.config.windows import Windowing
from kinema.errors import CheckpointError, KinemaError
from kinema.search.changes import content_of
from kinema.search.database import FileState
from kinema.search.embedder import EmbeddedWindow, Embedder, open_embedder
from kinema.search.embedding import Finished, embed_videos
from kinema.search.windows import WindowReader


def embedding(
    source: str,
    device: str,
    fingerprint: str,
    basis: Basis | None,
    windowing: Windowing,
    batch_size: int,
    crop: str | None,
) -> Callable[[tuple[int, FileState]], list[EmbeddedWindow | Finished]]:
    """What a worker of a cluster does: of a file, which comes with a number, the windows with their vectors, and how it
    ended. All else is as of :func:`embed_on_cluster`, the encoder by what it was opened from.

    Raises:
        CheckpointError: the encoder cannot be loaded there, or is another than the one of the ``fingerprint``.
    """
    embedder = open_embedder(source, device, crop)
    if embedder.fingerprint != fingerprint:
        raise CheckpointError(f"{source} is another encoder on a machine of the cluster; put the same one everywhere")
    embedder.basis = basis
    reader = WindowReader(embedder.clip, windowing)

    def embedded(item: tuple[int, FileState]) -> list[EmbeddedWindow | Finished]:
        path, content = item[1].path, lambda number: content_of(item[1])
        found = embed_videos([path], reader, embedder, batch_size=batch_size, workers=1, sha256_of=content)
        return [window for _, window in found]

    return embedded


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
        embedding,
        arguments,
        shared=shared,
        gpus=device != "cpu",
        weigh=lambda item: item[1].size,
        wanted=still_wanted,
    ):
        for content in [Finished(str(found))] if isinstance(found, KinemaError) else found:
            yield number, content
