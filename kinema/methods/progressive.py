"""Which level of HCML learns when: one after another, then all together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kinema.config import HCMLConfig
from kinema.errors import ConfigError


@dataclass(frozen=True)
class Phase:
    """A part of the training.

    Attributes:
        name: for logs: ``prime``, ``level 1``, ..., ``all``.
        levels: the levels whose losses count; 0 is the prime motion.
        frozen: whether all that does not belong to these levels rests, and other losses with it.
        steps: the steps that it takes.
    """

    name: str
    levels: tuple[int, ...]
    frozen: bool
    steps: range


class ProgressiveSchedule:
    """The phases of a training; a function of the step alone, so that a run goes on in the middle of any of them.

    Args:
        config: says which levels there are and how the training is shared.
        length: of the training, in units.
        unit: steps of a unit, of which a phase has whole ones.

    Raises:
        ConfigError: the shares do not fit the phases, do not add up to 1, or leave a phase without a unit; a phase
            has no loss.
    """

    def __init__(self, config: HCMLConfig, length: int, unit: int = 1):
        if config.progressive and not (config.prime and config.photometric and (config.contrast or not config.levels)):
            raise ConfigError(
                "hcml.progressive needs hcml.prime, and hcml.photometric and hcml.contrast above 0, since a level that "
                "learns alone needs a loss: set them, or switch hcml.progressive off"
            )
        every = tuple(range(0 if config.prime else 1, config.levels + 1))
        alone = every if config.progressive else ()
        planned = [("prime" if level == 0 else f"level {level}", (level,)) for level in alone] + [("all", every)]
        shares = config.shares if config.shares is not None else _default_shares(len(alone))
        if len(shares) != len(planned) or min(shares) <= 0 or not math.isclose(sum(shares), 1, abs_tol=1e-6):
            names = ", ".join(name for name, _ in planned)
            raise ConfigError(
                f"hcml.shares must have a positive number for each phase ({names}) and add up to 1, not be "
                f"{', '.join(f'{share:g}' for share in shares) or 'empty'}"
            )
        ends = [round(sum(shares[: n + 1]) * length) for n in range(len(shares))]
        self.phases: list[Phase] = []
        for (name, levels), start, end in zip(planned, [0, *ends[:-1]], ends, strict=True):
            if start >= end:
                raise ConfigError(
                    f"the phase {name!r} gets nothing of a training of {length}: train longer, raise its part in "
                    "hcml.shares, or switch hcml.progressive off"
                )
            self.phases.append(Phase(name, levels, name != "all", range(start * unit, end * unit)))

    def number(self, step: int) -> int:
        """Which phase a step belongs to, both counted from 0; steps after the end belong to the last."""
        return next((n for n, phase in enumerate(self.phases) if step in phase.steps), len(self.phases) - 1)


def _default_shares(alone: int) -> tuple[float, ...]:
    """0.3 to the prime motion, which all others need, 0.3 to the levels together, 0.4 to the last phase."""
    if alone < 2:
        return (0.5, 0.5) if alone else (1.0,)
    return (0.3, *[0.3 / (alone - 1)] * (alone - 1), 0.4)
