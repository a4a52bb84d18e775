"""Progress bars for long work."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from kinema.common.clock import clock

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")


def make_bar(*fields: str, wanted: bool = True) -> Progress:
    """A progress bar on standard error with the time left for all of it; disabled where that is no terminal.

    Args:
        fields: names of what its tasks show beside that, which is text.
        wanted: disabled otherwise, too.
    """
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    return progress.Progress(
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        progress.TextColumn("left"),
        progress.TimeRemainingColumn(),
        *(progress.TextColumn(f"{{task.fields[{name}]}}") for name in fields),
        console=console,
        disable=not (wanted and console.is_terminal),
    )


def track(items: Iterable[T], description: str, total: int | None = None) -> Iterator[T]:
    """Yield from ``items`` under a progress bar with time left; quiet when standard error is no terminal."""
    with make_bar() as progress:
        yield from progress.track(items, description=description, total=total)


@contextmanager
def following(description: str) -> Iterator[Callable[[float], None]]:
    """A line of progress through one long file; what it gives is to be told up to which second the file is read."""
    with make_bar("at") as progress:
        task = progress.add_task(description, total=1, at="")
        yield lambda seconds: progress.update(task, at=clock(seconds))
        progress.update(task, completed=1)
