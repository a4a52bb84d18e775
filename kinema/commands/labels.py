"""Labels of other tools."""

from __future__ import annotations

from jsonargparse.typing import PositiveFloat

from kinema.streams import in_one_line


def convert_labels(
    source: str,
    target: str,
    from_: str | None = None,
    to: str | None = None,
    fps: PositiveFloat | None = None,
    videos: str | None = None,
) -> None:
    """Convert labels of stretches of videos from one format to another.

    Args:
        source: file of labels, or folder of files of one format.
        target: file to write, where nothing is yet; a folder of such files where its format holds one video each.
        from_: format of SOURCE; by its name and content by default.
        to: format of TARGET; by its name by default.
        fps: frames a second, where times are frames; what the files or the videos say by default.
        videos: folder of the videos that labels are checked against.
    """
    from kinema.annotations import convert

    done = convert(source, target, from_, to, fps, videos)
    for note in done.notes:
        print(in_one_line(f"note: {note}"))
    print(in_one_line(str(done)))
