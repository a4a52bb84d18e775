"""What is installed."""

from __future__ import annotations


def info(json: bool = False) -> None:
    """Say what is installed and what it can do, as a report of a fault should.

    Args:
        json: as JSON.
    """
    from json import dumps

    from kinema.jobs.installation import look_around

    found = look_around()
    print(dumps(found.to_dict(), indent=2) if json else found.summary())
