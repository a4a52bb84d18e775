"""Reproducing a result: make the videos, train the encoder, judge it, and compare its figures with those recorded."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinema.common.files import make_folder, write_json
from kinema.common.processes import available_cores
from kinema.common.provenance import differing, ids_sha256, origin, software_versions
from kinema.config import FinetuneConfig, PretrainConfig
from kinema.data.synthetic import synthesise
from kinema.errors import CheckpointError, ConfigError
from kinema.evaluation import DiagnosisResult, FewLabelResult, ProbeResult, evaluate
from kinema.jobs.finetuning import finetune
from kinema.methods import settings_for
from kinema.models import random_encoder
from kinema.models.weights import ENCODER_FILE, save_encoder
from kinema.presets import settings_on
from kinema.results.recipes import (
    FIGURES,
    RANDOM,
    SUPERVISED,
    SYNTHETIC,
    Recipe,
    Row,
    choose,
    read_recipes,
    read_rows,
    rows_path,
    write_rows,
)
from kinema.training import pretrain
from kinema.training.resuming import UNTRAINED, deciding, deciding_untrained

Config = PretrainConfig | FinetuneConfig


@dataclass(frozen=True)
class Reproduction:
    """What was measured now, beside what was recorded.

    Attributes:
        recipe: how the encoder was made and judged.
        measured: now.
        recorded: the row that it is compared with.
    """

    recipe: Recipe
    measured: Row
    recorded: Row

    @property
    def off(self) -> dict[str, str]:
        """The figures that lie further from the row than their tolerance, by column, in words."""
        found = {}
        for name in FIGURES:
            now, then, allowed = self.measured.figures[name], self.recorded.figures[name], self.recipe.tolerance[name]
            if now is None or then is None:
                if now is not then:
                    found[name] = f"{FIGURES[name]} is undefined {'now' if now is None else 'in the row'}"
            elif round(abs(now - then), 4) > allowed:  # both have four places
                found[name] = f"{FIGURES[name]} is off by {now - then:+.3f}, more than {allowed:g}"
        return found

    @property
    def differences(self) -> list[str]:
        """Which hashes and versions are not those of the row, in words."""
        now, then = ({k: v for k, v in row.facts.items() if k != "commit"} for row in (self.measured, self.recorded))
        return differing(then, now)

    def table(self) -> str:
        """Every figure: measured, recorded, tolerance."""
        lines = [f"{self.recipe.name:24}{'measured':>10}{'recorded':>10}{'tolerance':>11}"]
        for name, heading in FIGURES.items():
            cells = (row.figures[name] for row in (self.measured, self.recorded))
            values = "".join(f"{'-' if value is None else f'{value:.3f}':>10}" for value in cells)
            lines.append(f"{heading:24}{values}{self.recipe.tolerance[name]:>11.3f}")
        return "\n".join(lines)

    def sentence(self) -> str:
        """Whether the row is reproduced, which figures are off, and what differs from the row."""
        name, commit = self.recipe.name, self.recorded.facts["commit"]
        verdict = f"not reproduced: {'; '.join(self.off.values())}" if self.off else "reproduced"
        reasons = "; ".join(self.differences) or "versions, settings and videos are those of the row"
        if self.measured.facts["config_sha256"] != self.recorded.facts["config_sha256"]:
            reasons += f"; so the settings have changed since the row was recorded (commit {commit})"
        return f"{name} is {verdict} ({reasons})"


def reproduce(name: str, out: str | Path, recipes: str | Path = SYNTHETIC) -> Reproduction:
    """Make and judge an encoder as its recipe says, beside the row that was recorded of it.

    What an earlier, interrupted call left in the folder is used, and so are videos and trainings that the plain
    commands left there, with whatever settings of the trainer but another batch size.

    Args:
        name: of the recipe.
        out: folder for ``videos-DIFFICULTY-SEED``, and a run's folder by the recipe's name with ``diagnosis.json``,
            ``probe.json`` and ``few-label.json`` in it.
        recipes: YAML file with the recipe, beside whose CSV file the row is.

    Raises:
        KinemaError: there is no such recipe or row, or ``out`` holds something else.
    """
    recipe = choose(name, read_recipes(recipes))
    rows = read_rows(rows_path(recipes))
    if recipe.name not in rows:
        have = f"there are {', '.join(rows)}" if rows else "there are none yet"
        raise ConfigError(f"no figures of {recipe.name} are recorded to compare with ({have}); --record records them")
    return Reproduction(recipe, _measure(recipe, Path(out)), rows[recipe.name])


def record(name: str, out: str | Path, recipes: str | Path = SYNTHETIC) -> Row:
    """Make and judge an encoder as :func:`reproduce` does, and write what was measured into the CSV file.

    Raises:
        KinemaError: as of :func:`reproduce`; or the file cannot be written.
    """
    known = read_recipes(recipes)
    measured = _measure(choose(name, known), Path(out))
    rows = {**read_rows(rows_path(recipes)), measured.name: measured}
    write_rows(rows_path(recipes), rows.values(), list(known))
    return measured


def _measure(recipe: Recipe, out: Path) -> Row:
    config = _settings(recipe)
    out = make_folder(out)
    videos = out / f"videos-{recipe.difficulty}-{recipe.seed}"
    _say(f"{recipe.videos} videos in {videos}")
    shown = {"videos": recipe.videos, "seed": recipe.seed, "difficulty": recipe.difficulty, **recipe.drawing}
    synthesise(videos, workers=available_cores(), **shown)
    run = out / recipe.name
    card = _train(recipe, config, run, videos)
    _say(f"judging {run}")
    files = [*_videos(videos), videos / "labels.csv"]
    facts = origin(_deciding(recipe, asdict(config)), videos, files, card["versions"])
    return Row(recipe.name, _figures(recipe, run, videos, config.trainer.workers), facts)


def _settings(recipe: Recipe) -> Config:
    """The settings of the training; an untrained encoder has the model and the clips of a pretraining."""
    settings = {**recipe.settings, "seed": recipe.seed}
    if recipe.method == SUPERVISED:
        return settings_on(recipe.preset, FinetuneConfig, settings)
    config = settings_on(recipe.preset, PretrainConfig, settings)
    return config if recipe.method == RANDOM else settings_for(recipe.method, config)


def _deciding(recipe: Recipe, settings: dict[str, Any]) -> dict[str, Any]:
    """What of the settings decides which encoder comes out."""
    if recipe.method == RANDOM:
        return deciding_untrained(settings)
    kind = FinetuneConfig if recipe.method == SUPERVISED else PretrainConfig
    return deciding(settings, kind, "hcml" in recipe.method)


def _train(recipe: Recipe, config: Config, run: Path, videos: Path) -> dict[str, Any]:
    """Train the encoder into the run's folder, unless that is done; return its card."""
    if recipe.method == RANDOM:
        return _untrained(config, make_folder(run))
    if card := _finished(recipe, config, run, videos):
        _say(f"{run} is trained already")
        return card
    _say(f"training {run}")
    if isinstance(config, PretrainConfig):
        method = recipe.method
        pretrain(videos / "train", run, config, method=method, preset=recipe.preset, resume=True)
    else:
        labels = videos / "labels.csv"
        finetune(videos, run, config, labels=labels, label_column="motion", preset=recipe.preset, resume=True)
    return json.loads((run / "card.json").read_text(encoding="utf-8"))


def _untrained(config: Config, run: Path) -> dict[str, Any]:
    encoder, settings = random_encoder(config.model, config.seed, readout=config.readout), asdict(config)
    kept = {name: settings[name] for name in UNTRAINED}
    card = {"method": RANDOM, **kept, "features": encoder.features, "versions": software_versions()}
    save_encoder(encoder, run / ENCODER_FILE, card)
    write_json(run / "card.json", card)
    return card


def _finished(recipe: Recipe, config: Config, run: Path, videos: Path) -> dict[str, Any] | None:
    """The card of a training that is done; None if there is none, or it has not come to its end.

    Raises:
        CheckpointError: the card is damaged, or that of another method, other settings or other videos.
    """
    path = run / "card.json"
    if not path.exists():
        return None
    root = videos if recipe.method == SUPERVISED else videos / "train"
    trained_on = [f"{file.relative_to(root).as_posix()},{file.stat().st_size}" for file in _videos(videos / "train")]
    wanted = {
        "method": "recognition" if recipe.method == SUPERVISED else recipe.method,
        "videos": ids_sha256(trained_on)[:12],
        **_deciding(recipe, asdict(config)),
    }
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        settings = card["config"]
        found = {"method": card["method"], "videos": card["data"]["sha256"][:12], **_deciding(recipe, settings)}
        steps, planned = (card["training"][name] for name in ("steps", "steps_planned"))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged; delete {run} to train anew") from error
    if others := differing(found, wanted):
        raise CheckpointError(
            f"{run} was trained in another way than {recipe.name} ({'; '.join(others[:5])}); choose another folder"
        )
    return None if steps < planned else card


def _figures(recipe: Recipe, run: Path, videos: Path, workers: int) -> dict[str, float | None]:
    def judged(protocol: Any, **settings: Any) -> Any:
        settings |= {"out": run / f"{protocol}.json", "clips": recipe.clips, "workers": workers}
        return evaluate(protocol, run, videos, labels=videos / "labels.csv", label_column="motion", **settings).result

    diagnosis: DiagnosisResult = judged("diagnosis", appearance_column="scene")
    probe: ProbeResult = judged("probe")
    few: FewLabelResult = judged("few-label", per_class=(recipe.per_class,))
    assert diagnosis.appearance is not None
    if not few.sizes:
        raise ConfigError(f"{recipe.name}: no class has per_class {recipe.per_class} videos; make more videos")
    figures = {
        "motion_share": diagnosis.motion_share,
        "motion_r1": diagnosis.motion.r1,
        "appearance_r1": diagnosis.appearance.r1,
        "probe": probe.top1,
        "few_label": few.sizes[0].top1,
    }
    return {name: None if value is None else round(value, 4) for name, value in figures.items()}


def _videos(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.mp4"))


def _say(words: str) -> None:
    print(f"kinema reproduce: {words}", file=sys.stderr, flush=True)
