"""What each part of a method brings: ladders of trainings on synthetic videos, one command each."""

from kinema.ablation.hcml import ablate_hcml
from kinema.ablation.ladder import mean_and_spread
from kinema.ablation.mscl import ablate_mscl

__all__ = ["ablate_hcml", "ablate_mscl", "mean_and_spread"]
