"""The command line: parse, call one function, print where the results are.

Nothing heavy is imported before a command is chosen, so that ``kinema --help`` answers at once.
"""

from __future__ import annotations

import argparse
import dataclasses
import glob
import inspect
import os
import re
import sys
from argparse import ArgumentError
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import docstring_parser
from jsonargparse import ActionConfigFile, ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt, PositiveInt

from kinema import __version__
from kinema.config import ClipConfig, PretrainConfig
from kinema.errors import ConfigError, KinemaError
from kinema.files import make_folder
from kinema.presets import preset_path

PRESET = "tiny"
"""The preset that settings begin with if none is named."""


def synth(
    out: str,
    videos: PositiveInt = 1000,
    seed: NonNegativeInt = 0,
    difficulty: Literal["easy", "default", "hard"] = "default",
    size: PositiveInt = 64,
    frames: PositiveInt = 32,
    fps: float = 16.0,
    test_share: float = 0.2,
    workers: PositiveInt | None = None,
) -> None:
    """Write synthetic videos whose motion and appearance are independent, with labels and true flow.

    Args:
        out: folder to write.
        videos: how many, train and test together.
        seed: of all random draws.
        difficulty: easy has no camera drift and plain objects; the classes of hard differ only in the order of motions.
        size: height and width in pixels, even.
        frames: frames per video.
        fps: frames per second.
        test_share: share of the videos in the test split, from 0 to 1.
        workers: processes that share the work; as many as there are cores by default.
    """
    from kinema.data.synthetic import synthesise

    cores = workers or os.cpu_count() or 1
    print(synthesise(out, videos, seed, difficulty, size, frames, fps, test_share, cores))


def scan(folder: str, out: str = "manifest.csv", workers: PositiveInt | None = None) -> None:
    """Decode every video of a folder once and write down what each one holds, and what is wrong with it.

    Args:
        folder: folder of videos, searched with all folders in it.
        out: CSV file to write.
        workers: videos decoded at a time; as many as there are cores by default.
    """
    from kinema.video import scan_folder, write_manifest

    make_folder(Path(out).parent)  # an unwritable place is better found out before the work than after
    entries = scan_folder(folder, workers=workers)
    write_manifest(entries, out)
    for entry in entries:
        if entry.error:
            print(f"{entry.status}: {entry.path}: {entry.error}")
    counts = {status: sum(entry.status == status for entry in entries) for status in ("ok", "partial", "unreadable")}
    hours = sum(entry.duration for entry in entries) / 3600
    print(f"{out}: {len(entries)} videos, {', '.join(f'{n} {s}' for s, n in counts.items())}; {hours:.2f} h")


def pretrain(
    videos: str,
    out: str,
    config: PretrainConfig,
    method: Literal["mscl", "moco"] = "mscl",
    preset: str = PRESET,
    manifest: str | None = None,
    resume: bool = False,
) -> None:
    """Train an encoder on a folder of videos, without labels.

    Args:
        videos: folder of videos, searched with all folders in it.
        out: folder of the run.
        config: all settings.
        method: mscl learns from RGB and optical flow; moco is its RGB loss alone.
        preset: named settings to begin with (tiny, r3d18, mscl-r3d18-k400); options and --config go on top.
        manifest: what `kinema scan` wrote of the folder; it is scanned now by default.
        resume: go on where the run in this folder was stopped.
    """
    from kinema.training import pretrain

    run = pretrain(videos, out, config, method=method, preset=preset, manifest=manifest, resume=resume)
    if os.environ.get("LOCAL_RANK", "0") == "0":  # of several processes one speaks
        print(f"trained in {run.seconds / 60:.1f} min, {run.data_wait:.1%} of it waiting for data")
        for path in run.files:
            print(path)


def evaluate(
    protocol: Literal["retrieval", "probe"],
    run: str,
    data: str,
    out: str,
    labels: str | None = None,
    label_column: str = "label",
    group_column: str | None = None,
    split: Literal["auto", "split", "group", "video"] = "auto",
    clip: ClipConfig | None = None,
    clips: PositiveInt = 10,
    batch_size: PositiveInt = 64,
    workers: NonNegativeInt | None = None,
    device: str = "auto",
    precision: Literal["auto", "32"] = "auto",
    like: str | None = None,
    seed: NonNegativeInt = 0,
) -> None:
    """Measure what an encoder has learned, on labelled videos.

    Args:
        protocol: retrieval (does the nearest video show the same?) or probe (how good is a linear classifier?).
        run: folder of a run, an encoder file, or random for an untrained encoder.
        data: folder of videos.
        out: JSON file to write.
        labels: CSV file with a column of file names relative to the folder, the labels and perhaps split (train or
            test); class folders by default.
        label_column: column to predict.
        group_column: column whose groups (subjects, source videos) never stand on both sides of a comparison.
        split: how videos are held out; auto takes the split column, else the groups, else one video at a time.
        clip: geometry of the clips; that of the encoder's training by default.
        clips: clips per video, whose features are averaged.
        batch_size: clips per forward pass.
        workers: processes that decode video; one less than there are cores by default.
        device: auto, cpu, cuda, cuda:1, ...
        precision: auto uses bfloat16 where it is quicker.
        like: with random, a run whose architecture and clips to take; the tiny preset's by default.
        seed: with random, of the weights.
    """
    from kinema.evaluation import evaluate

    evaluation = evaluate(
        protocol,
        run,
        data,
        labels,
        label_column,
        group_column,
        out,
        split=split,
        clip=clip,
        clips=clips,
        batch_size=batch_size,
        workers=workers,
        device=device,
        precision=precision,
        like=like,
        seed=seed,
    )
    print(evaluation.summary())
    print(out)


def demo(config: PretrainConfig, out: str = "demo", videos: PositiveInt = 1500) -> None:
    """Make videos, train RGB MoCo and MSCL on them, compare both with a random encoder, and write a report.

    Args:
        config: settings of both trainings, the tiny preset to begin with.
        out: folder to write; what an earlier, interrupted call left there is used.
        videos: number of synthetic videos, a fifth of them for testing.
    """
    from kinema.demo import demo

    for path in demo(out, config, videos=videos):
        print(path)


def ablate(
    out: str,
    config: PretrainConfig,
    difficulty: Literal["easy", "default", "hard"] = "default",
    videos: PositiveInt = 1500,
    seeds: list[int] = [0, 1, 2],  # noqa: B006, only read
    only: list[str] = [],  # noqa: B006
) -> None:
    """Train every rung of MSCL's ablation ladder on synthetic videos, and tabulate what each part brings.

    Args:
        out: folder to write; rows that its results.csv has already are kept, not made again.
        config: settings of every rung, the tiny preset to begin with.
        difficulty: of the videos.
        videos: number of synthetic videos, a fifth of them for testing.
        seeds: one round of the ladder for each.
        only: names of the rungs wanted; all by default.
    """
    from kinema.ablation import ablate

    for path in ablate(out, config, difficulty=difficulty, videos=videos, seeds=seeds, only=only):
        print(path)


class Command(NamedTuple):
    """A command of ``kinema``."""

    function: Callable[..., None]
    summary: str
    positionals: tuple[str, ...] = ()
    """Names of the parameters that are given without a name."""


COMMANDS = {
    "demo": Command(demo, "Make videos, train RGB MoCo and MSCL on them, compare, write a report."),
    "synth": Command(synth, "Write synthetic videos whose motion and appearance are independent.", ("out",)),
    "scan": Command(scan, "Write down what each video of a folder holds, and what is wrong with it.", ("folder",)),
    "pretrain": Command(pretrain, "Train an encoder on a folder of videos, without labels.", ("videos",)),
    "ablate": Command(ablate, "What does each part of MSCL bring? Its ladder on synthetic videos.", ("out",)),
    "evaluate": Command(evaluate, "Measure what an encoder has learned, on labelled videos.", ("protocol", "run")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status: 0 if all went well, 1 if it failed, 2 for a wrong call, 130 if stopped."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        print(f"kinema {__version__}")
        return 0
    name = words.pop(0) if words else ""
    if name not in COMMANDS:
        lines = [f"  {known:10}{command.summary}" for known, command in COMMANDS.items()]
        overview = "\n".join(
            ["usage: kinema COMMAND [options]", "", *lines, "", "kinema COMMAND --help lists its options."]
        )
        asked = name in ("--help", "-h")
        print(
            overview if asked or not name else f"kinema: there is no command {name!r}\n{overview}",
            file=sys.stderr if not asked else sys.stdout,
        )
        return 0 if asked else 2
    try:
        _run(COMMANDS[name], name, words)
    except ArgumentError as error:
        message = " ".join(str(error).split())
        print(f"kinema {name}: {message}; see kinema {name} --help", file=sys.stderr)
        return 2
    except KinemaError as error:
        print(f"kinema {name}: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print(f"kinema {name}: stopped", file=sys.stderr)
        return 130
    return 0


def _run(command: Command, name: str, words: list[str]) -> None:
    words = [re.sub(r"^--[\w.-]+", lambda option: "--" + option[0][2:].replace("-", "_"), word) for word in words]
    parser = _parser(command, name)
    configured = "config" in inspect.signature(command.function).parameters
    preset = _preset(words)
    parsed = _parse(parser, words, preset if configured else None)
    if configured and parsed.get("preset", preset) != preset:  # a file of settings names another
        parsed = _parse(parser, words, parsed.preset)
    settings = vars(parser.instantiate(parsed))
    settings.pop("config")
    if configured:
        names = [field.name for field in dataclasses.fields(PretrainConfig)]
        settings["config"] = PretrainConfig(**{name: settings.pop(name) for name in names})
    command.function(**settings)


def _preset(words: list[str]) -> str:
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    reader.add_argument("--preset", default=PRESET)
    return reader.parse_known_args(words)[0].preset


def _parse(parser: ArgumentParser, words: list[str], preset: str | None) -> Namespace:
    """Read options and files of settings; what a preset says is the default beneath them, in ``--help`` too."""
    if preset is not None:
        parser.default_config_files = [glob.escape(str(preset_path(preset)))]
    try:
        return parser.parse_args(words)
    except UnicodeDecodeError as error:
        raise ConfigError(f"--config names a file that is not text in UTF-8 ({error}); write it as YAML") from error


def _parser(command: Command, name: str) -> ArgumentParser:
    usage = " ".join(["kinema", name, *map(str.upper, command.positionals), "[options]"])
    parser = ArgumentParser(prog=f"kinema {name}", usage=usage, description=command.summary, exit_on_error=False)
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file of settings; options after it go on top")
    parameters = inspect.signature(command.function, eval_str=True).parameters
    help_texts = {
        param.arg_name: param.description for param in docstring_parser.parse_from_object(command.function).params
    }
    by_hand = {*command.positionals, "resume", "config"} & parameters.keys()
    for positional in command.positionals:
        parser.add_argument(positional, type=parameters[positional].annotation, help=help_texts[positional])
    if "resume" in by_hand:
        parser.add_argument("--resume", action="store_true", help=help_texts["resume"])
    parser.add_function_arguments(command.function, skip=set(by_hand))
    if "config" in parameters:
        parser.add_class_arguments(PretrainConfig)
    return parser


if __name__ == "__main__":
    sys.exit(main())
