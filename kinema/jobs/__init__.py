"""Whole jobs: what commands ask for that takes several rooms."""
