"""kinema teaches a video encoder to see motion, from unlabelled video.

The rooms, from low to high: :mod:`kinema.video` (decoding), :mod:`kinema.flow` (optical flow), :mod:`kinema.models`
(encoders), :mod:`kinema.data` (data sets and augmentation), :mod:`kinema.methods` (losses and methods),
:mod:`kinema.training`, :mod:`kinema.evaluation` and :mod:`kinema.report`.
"""

__version__ = "0.1.0"

__all__ = ["__version__", "load_encoder"]


def __getattr__(name: str):
    if name == "load_encoder":  # lazily: `import kinema` must not import torch
        from kinema.models import load_encoder

        return load_encoder
    raise AttributeError(f"module 'kinema' has no attribute {name!r}")
