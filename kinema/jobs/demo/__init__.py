"""The main job from end to end, on videos it makes itself: ``kinema demo``."""

from kinema.jobs.demo.job import demo

__all__ = ["demo"]
