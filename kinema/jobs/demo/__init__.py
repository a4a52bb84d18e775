"""The main job from end to end, on videos it makes itself: ``kinema demo``."""
