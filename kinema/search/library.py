"""A library of videos that can be searched by movement."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kinema import __version__
from kinema.boxes.box import MOTION
from kinema.common.addresses import resolved, shown
from kinema.common.whitening import Basis
from kinema.config import overlaid
from kinema.config.windows import AddingConfig, Windowing
from kinema.errors import ConfigError, DataError
from kinema.search import database
from kinema.search.about import get_about, get_record, set_map
from kinema.search.comparing import BASIS, MIRROR, WHITENING, comparison, kept_basis
from kinema.search.connection import snapshot, store_of
from kinema.search.queries import Queries
from kinema.search.results import Added
from kinema.search.store import Damage, Database
from kinema.search.tables import FORMAT, FORMAT_WITH_BOXES

if TYPE_CHECKING:
    from kinema.search.classifier import Classifier
    from kinema.search.embedder import Embedder
    from kinema.search.watching import Labelled
    from kinema.search.windows import SeenWindow


class Library(Queries):
    """An index, and what can be asked of it. Threads may share one, and several processes may search while one adds, or
    several do to an index on a server; each search sees one complete state.

    Args:
        path: the index, a folder, or the address of a server (``postgresql://...``); made by the first :meth:`add`.
        encoder: whatever :func:`kinema.models.open_encoder` takes; None for the encoder of an index that exists, and
            for motion, which comes with kinema, where a new one is to be made.
        windowing: how videos are cut, for an index that does not exist yet; one that does keeps to its own.
        mirror: whether a movement and its mirror image count as alike (True unless it is given), likewise.
        crop: what windows are cut around, as of :attr:`kinema.config.ClipConfig.crop`, likewise; None for whole frames,
            or for what the encoder's card says.
        device: "auto" (every GPU, or the CPU), "cpu", "cuda:1", "cuda:0,cuda:1", ...

    Raises:
        DataError: there is no index and no ``encoder``, or the index belongs to another version of kinema.
    """

    def __init__(
        self,
        path: str | Path,
        encoder: str | Path | None = None,
        *,
        windowing: Windowing | None = None,
        mirror: bool | None = None,
        crop: str | None = None,
        device: str = "auto",
    ):
        super().__init__(path, named=encoder is not None)
        self._device = device
        self._embedder: Embedder | None = None
        self._source: str | Path | None = encoder
        self._fingerprint: str | None = None
        self._basis: Basis | None = None
        self._asked, self.windowing = windowing, windowing or Windowing()
        self.mirror = mirror is None or mirror
        self.crop = crop if crop in (None, MOTION) else shown(resolved(crop))
        self._asked_mirror = mirror
        store = store_of(self.path)
        if store.exists():
            self._read_about()
        elif encoder is None:
            raise store.missing()

    @property
    def embedder(self) -> Embedder:
        """The index's encoder, loaded on first use.

        Raises:
            CheckpointError: it cannot be loaded.
            DataError: it is not the one that the index was made with.
        """
        if self._embedder is None:
            from kinema.search.embedder import open_embedder

            assert self._source is not None
            embedder = open_embedder(self._source, self._device, self.crop)
            self._check(embedder)
            embedder.basis = self._basis
            self._embedder = embedder
        return self._embedder

    def add(self, folder: str | Path, config: AddingConfig | None = None, **settings: Any) -> Added:
        """Bring the index up to date with a folder: embed what is new or has changed, forget what is gone.

        What was done is kept when this is stopped, by whatever; the next call goes on.

        Args:
            folder: or its address; searched with all folders in it. What was added from other folders stays.
            config: how; None for the defaults. Machines of a cluster all see the folder and the encoder under their
                names (:mod:`kinema.common.cluster`).
            settings: fields of :class:`~kinema.config.windows.AddingConfig` by name (``batch_size``, ``workers``,
                ``cluster``), in place of those of ``config``.

        Raises:
            ConfigError: there is no such setting, or its number is not positive.
            DataError: there is no such folder or no video in it, or the file of boxes has none of any.
            OutputError: another process is adding, or the index cannot be written.
        """
        from kinema.data.crops import check_boxes
        from kinema.search.adding import bring_up_to_date
        from kinema.search.windows import WindowReader

        how = overlaid("an index", config or AddingConfig(), settings)
        embedder, root = self.embedder, resolved(folder)
        check_boxes(embedder.clip, root)  # which each video would refuse otherwise
        reader = WindowReader(embedder.clip, self.windowing)
        with store_of(self.path).adding() as db:
            self._claim(db, embedder, root)
            return bring_up_to_date(
                db,
                self.path,
                root,
                embedder,
                reader,
                batch_size=how.batch_size,
                workers=how.workers,
                cluster=how.cluster,
                device=self._device,
            )

    def train_classifier(self, labels: Mapping[int, str]) -> Classifier:
        """A classifier of windows from some that were labelled.

        Args:
            labels: by the windows' numbers; at least two different ones.

        Raises:
            DataError: there are not two different labels, or there is no such window.
        """
        from kinema.search.classifier import check_labels, fit_classifier

        check_labels(list(labels.values()))
        vectors = self.vectors(list(labels))
        with snapshot(self.path) as db:
            compared = comparison(db).linear(vectors.shape[1])
        return fit_classifier(vectors, list(labels.values()), self._vectors_fingerprint(), compared)

    def check_classifier(self, classifier: Classifier) -> None:
        """Refuse a classifier of other vectors than the index's.

        Raises:
            DataError: the classifier was trained with another encoder or readout, or on another index.
        """
        classifier.check(self._vectors_fingerprint(), self._source, self.path)

    def _vectors_fingerprint(self) -> str:
        """Of the encoder, and of the basis in which the index keeps its vectors."""
        assert self._fingerprint is not None, "an index that exists has one"
        basis = hashlib.sha256(b"").hexdigest() if self._basis is None else self._basis.sha256
        return f"{self._fingerprint} {basis}"

    def watch(self, source: str, classifier: Classifier) -> Iterator[Labelled]:
        """Label the windows of a video file, camera or network stream as they come; see :func:`~.watching.watch`.

        Raises:
            DataError: the classifier was trained with another encoder, or on another index.
            VideoError: the source cannot be opened, or breaks off.
        """
        from kinema.search.watching import watch
        from kinema.search.windows import WindowReader

        self.check_classifier(classifier)
        embedder = self.embedder

        def label(seen: Sequence[SeenWindow]) -> np.ndarray:
            return classifier.predict(np.stack([one.motion for one in embedder(seen)]))

        return watch(source, WindowReader(embedder.clip, self.windowing), classifier.classes, label)

    def export(self, out: str | Path, thumbnails: bool = False) -> int:
        """Write all windows with their vectors to a Parquet file; return how many there are.

        See :func:`~kinema.search.export.write_parquet` for the columns and what is raised.
        """
        from kinema.search.export import write_parquet

        about = {"encoder": str(self._source), "fingerprint": self._fingerprint, "windowing": asdict(self.windowing)}
        about |= {} if self.crop is None else {"crop": self.crop}
        with snapshot(self.path) as db:
            return write_parquet(db, out, about, thumbnails)

    def _read_about(self) -> None:
        with snapshot(self.path) as db:
            made = get_about(db, "format", int)
            if made not in (FORMAT, FORMAT_WITH_BOXES):
                raise DataError(
                    f"{shown(self.path)} is an index of format {made}, this version of kinema reads {FORMAT}; "
                    "delete it and run `kinema index` again"
                )
            self._fingerprint = get_about(db, "fingerprint", str)
            self._source = self._source or get_about(db, "encoder", str)
            if None in (self._fingerprint, self._source):
                raise Damage("it does not say which encoder it belongs to")
            kept = get_record(db, "windowing", Windowing) or Windowing()
            self.mirror = get_about(db, MIRROR, bool) is True
            self._basis = kept_basis(db)
            crop = get_about(db, "crop", str)
        if self.crop not in (None, crop):
            raise ConfigError(
                f"the windows of {shown(self.path)} are {f'cut around {crop}' if crop else 'of whole frames'}, not cut "
                f"around {self.crop}: leave crop out, or name another folder for a new index"
            )
        self.crop = crop
        if self._asked not in (None, kept):
            raise ConfigError(
                f"{shown(self.path)} keeps to windows of {_said(kept)}, not of {_said(self._asked)}: leave length and "
                "stride out, or name another folder for a new index"
            )
        self.windowing = kept
        if self._asked_mirror not in (None, self.mirror):
            raise ConfigError(
                f"in {shown(self.path)} mirror images count as {'alike' if self.mirror else 'different'}: leave mirror "
                "out, or name another folder for a new index"
            )

    def _check(self, embedder: Embedder) -> None:
        if self._fingerprint not in (None, embedder.fingerprint):
            raise DataError(
                f"{shown(self.path)} was made with another encoder than {self._source}; name the one it was made with "
                "(--encoder), or another place for a new index (--index)"
            )

    def _claim(self, db: Database, embedder: Embedder, root: Path) -> None:
        """Make the tables if there are none, with what vectors are compared by, as far as the folder's videos tell."""
        if store_of(self.path).exists():
            return
        from kinema.search.fitting import copied_features, fit_basis, fit_whitening, some_places
        from kinema.video import find_videos

        paths = find_videos(root)[0]
        features = copied_features(some_places(paths, embedder) if paths else [], embedder, self.mirror)
        basis = fit_basis(features, embedder)
        whitening = fit_whitening(features, basis)
        about = {
            "encoder": embedder.source,
            "fingerprint": embedder.fingerprint,
            "windowing": asdict(self.windowing),
            MIRROR: self.mirror,
            "kinema": __version__,
        }
        if embedder.clip.crop is not None:
            about |= {"format": FORMAT_WITH_BOXES, "crop": embedder.clip.crop}
        with db.writing():
            if made := not store_of(self.path).exists():  # by another process, meanwhile
                database.create_tables(db, about)
                set_map(db, BASIS, basis.to_bytes())
                set_map(db, WHITENING, None if whitening is None else whitening.to_bytes())
        if made:
            self._fingerprint, self._basis, self.crop = embedder.fingerprint, basis, embedder.clip.crop
        else:
            self._read_about()
            self._check(embedder)
        embedder.basis = self._basis


def _said(windowing: Windowing) -> str:
    length, stride = (f"{value:g} s" if value else "its own" for value in (windowing.length, windowing.stride))
    return f"length {length} and stride {stride}"
