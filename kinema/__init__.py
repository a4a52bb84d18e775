"""kinema teaches a video encoder to see motion, from unlabelled video.

The rooms, from low to high: :mod:`kinema.video` (decoding), :mod:`kinema.annotations` (labels of other
tools), :mod:`kinema.flow` (optical flow), :mod:`kinema.models` (encoders), :mod:`kinema.data` (data sets and
augmentation), :mod:`kinema.methods` (losses and methods), :mod:`kinema.training`,
:mod:`kinema.evaluation` and :mod:`kinema.report`.
"""

from typing import TYPE_CHECKING

from kinema.common.lazy import load_on_use

if TYPE_CHECKING:
    from kinema.models.hub import from_pretrained, push_to_hub
    from kinema.models.registry import create_model, list_models
    from kinema.models.sources import open_encoder
    from kinema.models.weights import load_encoder
    from kinema.search.embedder import embed_video

__version__ = "0.2.0.dev0"

__all__ = [
    "__version__",
    "create_model",
    "embed_video",
    "from_pretrained",
    "list_models",
    "load_encoder",
    "open_encoder",
    "push_to_hub",
]

__getattr__, __dir__ = load_on_use(
    __name__,
    {
        "models.hub": ("from_pretrained", "push_to_hub"),
        "models.registry": ("create_model", "list_models"),
        "models.sources": ("open_encoder",),
        "models.weights": ("load_encoder",),
        "search.embedder": ("embed_video",),
    },
    [
        "annotations",
        "config",
        "data",
        "errors",
        "evaluation",
        "flow",
        "methods",
        "models",
        "report",
        "search",
        "training",
        "video",
    ],
)
