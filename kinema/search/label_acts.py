"""What can be done to labels, and what names and intervals can be."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from types import EllipsisType

from kinema.annotations.interval import Interval
from kinema.errors import ConfigError, DataError

LONGEST = 120
"""Letters of the name of a class, a subject, or who labels."""


@dataclass(frozen=True)
class Label:
    """A label of an interval, or of a point in time where ``end == start``.

    Attributes:
        id: never given to another one.
        version: the version in which it became what it is.
        content: SHA-256 of the video.
        start: seconds from the video's first frame.
        end: seconds.
        label: its class.
        subject: who does it, or None.
        confidence: from 0 to 1 where a program gave the label, or None.
        by: who made it, or None.
        at: when it was made, in seconds since 1970.
    """

    id: int
    version: int
    content: str
    start: float
    end: float
    label: str
    subject: str | None
    confidence: float | None
    by: str | None
    at: float


class LabelConflict(DataError):
    """Labels that a change names have been changed by somebody else meanwhile.

    Attributes:
        ids: those labels.
    """

    def __init__(self, ids: Sequence[int]):
        self.ids = tuple(ids)
        what = "a label has" if len(self.ids) == 1 else f"{len(self.ids)} labels have"
        super().__init__(f"{what} been changed by somebody else meanwhile; look at what is there now, and do it again")


@dataclass(frozen=True)
class Add:
    """Label an interval of a video, known by its content; a class that is not there yet is made."""

    content: str
    start: float
    end: float
    label: str
    subject: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Change:
    """Move a label, or give it another class or subject; what is None, or of the subject ``...``, stays.

    ``seen`` is the version of the label as whoever asks has seen it; None to change it whatever it is now.
    """

    id: int
    seen: int | None = None
    start: float | None = None
    end: float | None = None
    label: str | None = None
    subject: str | EllipsisType | None = ...


@dataclass(frozen=True)
class Remove:
    """Take a label away; ``seen`` is as of :class:`Change`."""

    id: int
    seen: int | None = None


@dataclass(frozen=True)
class MakeClass:
    """Make a class without labels, of the next colour of the palette if none is given."""

    label: str
    colour: str | None = None


@dataclass(frozen=True)
class Rename:
    """Give a class another name; where that is in use, the two become one."""

    label: str
    to: str


@dataclass(frozen=True)
class Recolour:
    """Give a class another colour, as ``#rrggbb``."""

    label: str
    colour: str


@dataclass(frozen=True)
class Delete:
    """Delete a class with its labels."""

    label: str


@dataclass(frozen=True)
class Clear:
    """Remove all labels; classes stay."""


Act = Add | Change | Remove | MakeClass | Rename | Recolour | Delete | Clear


@dataclass(frozen=True)
class Done:
    """What acts have done.

    Attributes:
        version: the version that they became; None where all was as wanted.
        ids: for each act the number of the label that it is about, or None.
    """

    version: int | None
    ids: tuple[int | None, ...]


@dataclass(frozen=True)
class Imported:
    """What :meth:`Labels.add_intervals` has done.

    Attributes:
        version: the version that it became; None where all labels were there already.
        added: how many labels are new.
        already: how many were there.
    """

    version: int | None
    added: int
    already: int


def checked_interval(
    start: float, end: float, label: str, subject: str | None, confidence: float | None = None
) -> None:
    """Make sure that an interval can be.

    Raises:
        DataError: it is reversed, negative or endless, or its subject cannot be written down.
    """
    Interval("the video", start, end, label, subject, confidence)
    if subject is not None and len(subject) > LONGEST:
        raise DataError(f"a subject has up to {LONGEST} letters; shorten {subject[:20]!r}")


def checked(label: object) -> str:
    """A class's name without blanks around it.

    Raises:
        ConfigError: it is empty, too long, or no text that can be written down.
    """
    name = label.strip() if isinstance(label, str) else ""
    if not 0 < len(name) <= LONGEST:
        about = f"{name[:20]!r}... has {len(name)}" if name else "one has none"
        raise ConfigError(f"a label has 1 to {LONGEST} letters, and {about}; choose another")
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name):  # control signs, halves of surrogates
        raise ConfigError("a label holds letters, signs and blanks only; choose another")
    return name
