"""What a training computes on: devices, their precision, threads, and memory."""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from kinema.common.precision import quick_bfloat16
from kinema.common.processes import available_cores
from kinema.config import TrainerConfig
from kinema.errors import ConfigError
from kinema.models.short_conv import trains_in_bfloat16


def count_devices(settings: TrainerConfig) -> int:
    """How many devices, each with a process, a training has on this machine."""
    return settings.devices or (torch.cuda.device_count() if _on_gpu(settings) else 1)


def choose_device(settings: TrainerConfig, local: int = 0) -> torch.device:
    """The device of the process with that number on its node.

    Raises:
        ConfigError: a GPU is asked for, or needed, and there is none.
    """
    gpu = _on_gpu(settings)
    if settings.accelerator == "gpu" and not gpu:
        raise ConfigError("trainer.accelerator is gpu, but PyTorch sees none here; use auto or cpu")
    if settings.sync_batchnorm and not gpu:
        raise ConfigError(
            "trainer.sync_batchnorm needs GPUs, and this training would be on a CPU; leave it off, or train on GPUs"
        )
    if gpu and local >= torch.cuda.device_count():
        raise ConfigError(
            f"trainer.devices is {settings.devices}, and PyTorch sees {torch.cuda.device_count()} here; ask for as many"
        )
    return torch.device("cuda", local) if gpu else torch.device("cpu")


def choose_precision(settings: TrainerConfig, device: torch.device) -> torch.dtype:
    """What networks compute in on a device; weights are float32.

    Raises:
        ConfigError: bfloat16 is asked for where its gradients are wrong.
    """
    bf16 = settings.precision == "bf16" or (settings.precision == "auto" and quick_bfloat16(device))
    bf16 = bf16 and trains_in_bfloat16(device)
    if settings.precision == "bf16" and not bf16:
        raise ConfigError(
            f"trainer.precision is bf16, in which PyTorch {torch.__version__} computes wrong gradients on this "
            "processor; use 32 or auto"
        )
    return torch.bfloat16 if bf16 else torch.float32


@contextmanager
def threads_given_back() -> Iterator[None]:
    """Let what happens inside compute with as many threads as it likes, and what comes after with as many as before."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def use_threads(settings: TrainerConfig) -> None:
    """Leave as many cores to the processes that decode as there are such processes, if a CPU trains; the processes that
    train on a machine share its cores."""
    if not _on_gpu(settings):
        own = available_cores() // (settings.devices or 1)
        torch.set_num_threads(settings.threads or max(1, own - settings.workers))


def _on_gpu(settings: TrainerConfig) -> bool:
    return settings.accelerator != "cpu" and torch.cuda.is_available()


try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def free_memory(device: torch.device) -> int | None:
    """Bytes that this process could still take on ``device``; None if the system does not say."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with contextlib.suppress(OSError):
        return _kibibytes(Path("/proc/meminfo"), "MemAvailable")
    return None


def forget_peak(device: torch.device) -> None:
    """Let :func:`peak_memory` count from here, where the system allows it."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.init()  # before it nothing is counted, and there is nothing to reset
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        with contextlib.suppress(OSError):
            FORGET.write_text("5")  # Linux: the largest resident size becomes the present one


def peak_memory(device: torch.device) -> int:
    """Bytes at the peak: of tensors on a GPU, of the whole process on a CPU.

    Raises:
        ConfigError: the system does not say.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with contextlib.suppress(OSError):
        return _kibibytes(STATUS, "VmHWM")
    if resource is None:
        raise ConfigError("this system does not say what memory a process takes: leave out --dry-run, or use a GPU")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _kibibytes(path: Path, name: str) -> int:
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return int(lines[name].split()[0]) << 10
