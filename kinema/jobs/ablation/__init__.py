"""What each part of a method brings: ladders of trainings on synthetic videos, one command each."""

from kinema.jobs.ablation.hcml import ablate_hcml
from kinema.jobs.ablation.ladder import mean_and_spread
from kinema.jobs.ablation.mscl import ablate_mscl

__all__ = ["ablate_hcml", "ablate_mscl", "mean_and_spread"]
