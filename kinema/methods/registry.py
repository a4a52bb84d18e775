"""Methods by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from kinema.common.registry import Registry
from kinema.config import PretrainConfig
from kinema.errors import ConfigError, KinemaError, first_line
from kinema.methods.base import Method
from kinema.methods.hcml import HCML, MSCLWithHCML
from kinema.methods.masked import MaskedMotion
from kinema.methods.mscl import MSCL, MoCo
from kinema.methods.tubelet import TubeletContrast
from kinema.models.encoder import VideoEncoder

Own = TypeVar("Own", bound=Method)

METHODS: Registry[type[Method]] = Registry(
    "method",
    "kinema.methods",
    {
        "mscl": MSCL,
        "moco": MoCo,
        "hcml": HCML,
        "mscl+hcml": MSCLWithHCML,
        "tubelet": TubeletContrast,
        "masked": MaskedMotion,
    },
    Method,
)


def register_method(name: str) -> Callable[[type[Own]], type[Own]]:
    """A decorator: know a class derived from :class:`~kinema.methods.Method` by a name from now on, in this process.

    A package offers one to all processes by an entry point of that name in the group ``kinema.methods``.

    Raises:
        ConfigError: the name is another's, or none; or what is decorated is no method.
    """
    return METHODS.register(name)


def settings_for(name: str, config: PretrainConfig) -> PretrainConfig:
    """The settings as the method of a name takes them: those of ``moco`` have MSCL's RGB loss alone.

    Raises:
        ConfigError: there is no method of that name.
    """
    return METHODS.get(name).settings(config)


def create_method(name: str, config: PretrainConfig, encoder: VideoEncoder | None = None) -> Method:
    """A method whose training is to begin; arguments and errors as of :meth:`Method.begin`.

    Raises:
        ConfigError: there is no method of that name.
    """
    kind = METHODS.get(name)
    try:
        return kind.begin(config, encoder)
    except Exception as error:
        if METHODS.is_own(name) or isinstance(error, KinemaError):
            raise
        raise ConfigError(f"the method {name} cannot begin ({type(error).__name__}: {first_line(error)})") from error
