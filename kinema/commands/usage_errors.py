"""What a wrong call is told: the parser's words, which name types of Python, as a sentence about options, and ours."""

from __future__ import annotations

import os
import re
from argparse import ArgumentError
from collections.abc import Sequence
from difflib import get_close_matches

from kinema.errors import ConfigError

OF_A_KEY = re.compile(r'Parser key "(?P<key>[\w.-]+)": (?P<said>.*)')
GIVEN = (
    re.compile(r".*(?:Got|Given) value: (.*)$"),
    re.compile(r"Not of type \w+: (.*) does not conform"),
    re.compile(r"(?:literal for int\(\) with base \d+|string to float): '(.*)'$"),
)
"""Where the parser says what it was given."""
WANTED = (
    re.compile(r"Subtypes: \[(.*)\] Errors:"),
    re.compile(r"Expected a (.*?)\. Got value:"),
    re.compile(r"Not of type (\w+):"),
)
"""And what it wanted."""
KINDS = {
    "PositiveInt": "a whole number above 0",
    "NonNegativeInt": "a whole number from 0 on",
    "PositiveFloat": "a number above 0",
    "NonNegativeFloat": "a number from 0 on",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
}


def refuse_nowhere() -> None:
    """Refuse to work in a folder that has been deleted, where libraries end the process without a word of ours.

    Raises:
        ConfigError: this is one.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise ConfigError("the folder that this is called in has been deleted; go to another one (cd)") from error


def refuse_empty(words: Sequence[str]) -> None:
    """Refuse a value without a letter: as a path it would be the folder that one is in.

    Raises:
        ArgumentError: there is one.
    """
    for before, word in zip(["", *words], words, strict=False):
        option, equals, value = word.partition("=")
        if word and not (option.startswith("--") and equals and not value):
            continue
        named = option or (before if before.startswith("--") else "one of the names")
        raise ArgumentError(None, f"{named.replace('_', '-')} is empty, as a shell's variable is that was not set")


def in_words_of_the_user(said: str, positionals: Sequence[str], options: Sequence[str]) -> str:
    """What the parser says of a call, as one sentence.

    Args:
        said: the parser's own words, in one line.
        positionals: the command's arguments without names.
        options: the names of its others, as users write them but for the two hyphens.
    """
    if match := re.match(r"unrecognized arguments: (.*)", said):
        return _unknown(match[1], options)
    if match := re.match(r"the following arguments are required: (.*)", said):
        missing = [_name(key, positionals) for key in match[1].split(", ")]
        return f"{' and '.join(missing)} must be given"
    if said.startswith("Unexpected config: "):  # and then all that the file holds
        return "--config takes a YAML file of settings, and the one that it names is none"
    if match := re.match(r"argument (--[\w.]+): (expected one|ignored explicit) argument", said):
        return f"{match[1].replace('_', '-')} {'needs a' if match[2] == 'expected one' else 'takes no'} value"
    match = OF_A_KEY.match(said)
    if match is None:
        return said
    name, said = _name(match["key"], positionals), match["said"]
    if absent := re.match(r"File does not exist: (.*)", said):
        return f"{name}: there is no file {absent[1]}"
    if group := re.match(r"Unable to load config '(.*?)'", said):
        return f"{name} takes a YAML file of settings, and {group[1]} is none; one by one they are {name}.NAME VALUE"
    given, wanted = _first(GIVEN, said), _first(WANTED, said)
    if given is None or wanted is None or not (kind := _kind(wanted)):
        return f"{name}: {said}"
    return f"{name} must be {kind}, not {given or 'empty'}"


def _first(patterns: Sequence[re.Pattern[str]], said: str) -> str | None:
    return next((match[1] for pattern in patterns if (match := pattern.search(said))), None)


def _name(key: str, positionals: Sequence[str]) -> str:
    return key.upper() if key in positionals else "--" + key.replace("_", "-")


def _kind(wanted: str) -> str:
    """What a value of a type is; empty where that takes more than a few words."""
    if choices := re.search(r"Literal\[(.*?)\]", wanted):
        return f"one of {', '.join(choice.strip(chr(39)) for choice in choices[1].split(', '))}"
    found = next((words for kind, words in KINDS.items() if re.search(rf"\b{kind}\b", wanted)), "")
    if "tuple[str" in wanted:
        return "pairs in brackets, such as [[a, b]]"
    if re.match(r"(<class ')?(list|tuple)\b", wanted):
        each = f", each {found}" if found else ""
        return "a list in brackets, such as " + ("[a, b]" if "str" in wanted else f"[4, 8]{each}")
    return found


def _unknown(words: str, options: Sequence[str]) -> str:
    word = words.split()[0].partition("=")[0]
    if not word.startswith("--"):
        return f"{words} is more than the command takes: put names with spaces in quotation marks"
    word = word[2:].replace("_", "-")
    options = [option for option in options if not any(other.startswith(f"{option}.") for other in options)]
    near = [option for option in options if option.startswith(word)] or get_close_matches(word, options, 3)
    meant = f"; did you mean {' or '.join(f'--{option}' for option in near[:3])}?" if near else ""
    return f"there is no option --{word}{meant}"
