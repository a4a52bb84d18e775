"""What each part of a method brings: ladders of trainings on synthetic videos, one command each."""
