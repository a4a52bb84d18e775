"""What was made lately is at hand, and what was not asked for for longest goes first."""

from __future__ import annotations

from kinema.common.last_used import LastUsed


def test_a_value_is_made_once_and_the_one_that_was_used_longest_ago_goes() -> None:
    made: list[str] = []

    def make(name: str) -> str | None:
        return held.get(name, lambda: made.append(name))  # which is None, a value like others

    held: LastUsed[None] = LastUsed(2)
    for name in "abaacab":
        assert make(name) is None
    assert made == ["a", "b", "c", "b"]


def test_what_is_put_takes_the_place_of_what_was_there() -> None:
    held: LastUsed[int] = LastUsed(2)
    assert held.look("a") is None
    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        held.put(key, value)
    assert (held.look("a"), held.look("b"), held.look("c")) == (3, None, 4)
