"""Optical flow as a tool of its own."""

from __future__ import annotations


def list_estimators() -> None:
    """List the estimators of optical flow, with their settings and what they need."""
    from kinema.flow.estimators import describe_estimators

    print(describe_estimators())
