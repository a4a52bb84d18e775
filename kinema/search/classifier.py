"""A classifier of windows from a few labelled ones: logistic regression on motion vectors, as searches compare them.

It keeps what the vectors are compared by (the whitening of the index in the state in which it was trained), so that it
says the same of a window when the index has learned a newer one.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError

from kinema.common.files import refuse_pipe
from kinema.common.tensors import read_tensors, write_tensors
from kinema.errors import DataError
from kinema.search import values
from kinema.search.comparing import Compared
from kinema.search.store import Damage, Database

FORMAT = 2
STRENGTH = 100.0
"""Inverse of the regularisation, on vectors of length 1; of little matter to which class is the likeliest."""
AT_A_TIME = 10_000
"""Windows that are read and labelled together."""
DISORDER = "it holds windows of a video that are not in the order of time"


@dataclass(frozen=True)
class Classifier:
    """Labels windows by their motion vectors.

    Attributes:
        classes: the labels, sorted.
        weight: (classes, V) float32, of vectors as they are compared.
        bias: (classes,) float32.
        fingerprint: of the vectors that it was trained on: of their encoder and, after a space, the index's basis.
        compared: what is done to vectors first.
    """

    classes: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    fingerprint: str
    compared: Compared

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """(N, classes) float32 probabilities, of vectors (N, D) of length 1 as an index keeps them."""
        return self._shares(self.compared.products(vectors, self.weight))

    def predict_compared(self, vectors: np.ndarray) -> np.ndarray:
        """As :meth:`predict`, of vectors (N, V) that are as :attr:`compared` makes them already."""
        return self._shares(vectors @ self.weight.T)

    def _shares(self, products: np.ndarray) -> np.ndarray:
        scores = products + self.bias
        shares = np.exp(scores - scores.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    def check(self, fingerprint: str, encoder: object, index: object) -> None:
        """Refuse to be used on other vectors.

        Args:
            fingerprint: of these, as Library.train_classifier has it: of their encoder and, after a space, their basis.
            encoder: as sentences name it.
            index: the same.

        Raises:
            DataError: this was trained with another encoder or readout, or on another index.
        """
        if self.fingerprint.partition(" ")[0] != fingerprint.partition(" ")[0]:
            raise DataError(
                f"the classifier was trained with another encoder than {encoder}, or another readout, clip or crop "
                "of it; train it on this index"
            )
        if self.fingerprint != fingerprint:
            raise DataError(f"the classifier was trained on another index than {index}; train it on this one")

    def save(self, path: str | Path) -> Path:
        """Write it as safetensors, with all but the numbers as JSON in the header; return the path.

        Raises:
            OutputError: it cannot be written.
        """
        about = {"format": FORMAT, "classes": self.classes, "fingerprint": self.fingerprint}
        arrays = {"weight": self.weight, "bias": self.bias, "map": self.compared.map, "offset": self.compared.offset}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        write_tensors(path, tensors, {"classifier": json.dumps(about)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> Classifier:
        """Read what :meth:`save` wrote; nothing in the file is executed.

        Raises:
            DataError: the file is missing, damaged or of another kind.
        """
        if Path(path).is_dir():
            raise DataError(f"{path} is a folder and no classifier; name the file that `kinema label --save` wrote")
        try:
            refuse_pipe(path)
            tensors, words = read_tensors(path)
            about = json.loads(words["classifier"])
            classes = tuple(about["classes"])
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']}, not {FORMAT}")
            weight, bias, map, offset = (tensors[name].numpy() for name in ("weight", "bias", "map", "offset"))
            shapes = (len(classes), len(offset)), (len(classes),), (len(map), len(offset))
            if (weight.shape, bias.shape, map.shape) != shapes:
                raise ValueError(f"shapes {weight.shape}, {bias.shape}, {map.shape} and {offset.shape}")
            return cls(classes, weight, bias, about["fingerprint"], Compared(map, offset))
        except (OSError, SafetensorError) as error:
            raise DataError(
                f"cannot read the classifier {path}: {error}; train one with `kinema label --save`"
            ) from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else error
            raise DataError(f"{path} is no classifier of this version of kinema ({reason}); train it again") from error


def check_labels(labels: Sequence[str]) -> None:
    """Refuse labels that teach nothing.

    Raises:
        DataError: there are not two different ones.
    """
    if len(set(labels)) < 2:
        raise DataError(f"a classifier needs windows of at least two labels, got {sorted(set(labels))}; label more")


def fit_classifier(
    vectors: np.ndarray, labels: Sequence[str], fingerprint: str, compared: Compared | None = None
) -> Classifier:
    """Train a classifier.

    Args:
        vectors: (N, D) of length 1.
        labels: of each; at least two different ones. Classes count alike, however many windows they have.
        fingerprint: of the encoder that the vectors are of.
        compared: what is done to vectors first; None to take them as they are.

    Raises:
        DataError: there are not two different labels.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    check_labels(labels)
    compared = compared or Compared.plain(vectors.shape[1])
    model = LogisticRegression(C=STRENGTH, max_iter=2000, class_weight="balanced")
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what it has found by then serves
        model.fit(compared(vectors), np.asarray(labels))
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # two classes: the score of the second
        weight, bias = np.concatenate([0 * weight, weight]), np.concatenate([0 * bias, bias])
    classes = tuple(str(name) for name in model.classes_)
    return Classifier(classes, weight.astype(np.float32), bias.astype(np.float32), fingerprint, compared)


@dataclass(frozen=True)
class LabelledWindows:
    """Windows of a video that follow one another in time, and what a classifier says of them.

    Attributes:
        path: of the video.
        starts: (N,) seconds.
        ends: (N,) seconds.
        shares: (N, classes) float32 probabilities.
        last: whether these are its last ones; long videos come in several parts.
    """

    path: str
    starts: np.ndarray
    ends: np.ndarray
    shares: np.ndarray
    last: bool


def label_windows(db: Database, classifier: Classifier) -> Iterator[LabelledWindows]:
    """What a classifier says of all windows, video by video; memory is bounded, however many there are.

    A video is written in one transaction, so that its windows' numbers follow one another, in the order of time.

    Raises:
        Damage: the index holds what cannot be.
    """
    paths = dict(db.execute("SELECT id, path FROM videos"))
    query = """SELECT vectors.id, motion, video, start, "end", strength FROM windows CROSS JOIN vectors USING (id)
               ORDER BY windows.id"""
    found = db.stream(query)
    held: LabelledWindows | None = None
    while rows := list(islice(found, AT_A_TIME)):
        vectors = values.as_matrix([row[:2] for row in rows])[1]
        values.check_length(db, "motion", len(classifier.compared.map), "the classifier")
        shares = classifier.predict(vectors)
        if not np.isfinite(shares).all():
            raise Damage("a vector holds what is no number")
        videos, starts, ends, _ = values.columns([row[2:] for row in rows])
        edges = np.flatnonzero(np.diff(videos, prepend=-1, append=-1)).tolist()
        if ((np.diff(starts) < 0) & (np.diff(videos) == 0)).any():
            raise Damage(DISORDER)
        for first, stop in pairwise(edges):
            path, part = values.text(paths.get(int(videos[first]))), slice(first, stop)
            if held is not None and held.path == path and starts[first] < held.starts[-1]:
                raise Damage(DISORDER)
            if held is not None:
                yield LabelledWindows(held.path, held.starts, held.ends, held.shares, held.path != path)
            held = LabelledWindows(path, starts[part], ends[part], shares[part], True)
    if held is not None:
        yield held
