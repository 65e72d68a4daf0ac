"""The accelerator of a run: what stages wait for and how much of its memory they took, which one it is, and what to say when it is full.

Only the run's own framework may be looked at, and none is imported here that the run did not import.
"""

from __future__ import annotations

import os
import sys
import typing

from harness.errors import HarnessError

if typing.TYPE_CHECKING:
    from harness.records import RunRequest

VISIBLE = "CUDA_VISIBLE_DEVICES"
"""Chooses among several GPUs; CUDA numbers those that it names from 0."""
_TENSORFLOW_GPU = "GPU:0"
_FULL = ("CUDA error: out of memory", "CUDA_ERROR_OUT_OF_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")  # fmt: skip
"""What CUDA and its libraries say where no framework's allocator was asked: there was no room for a context, or for work space."""


class NoAccelerator:
    """Stands in for a device that needs no waiting, or whose memory is not measured."""

    def synchronise(self) -> None:
        """Wait for nothing."""

    def reset_peak(self) -> None:
        """Reset nothing."""

    def peak_bytes(self) -> tuple[int | None, int | None]:
        """Return nothing measured."""
        return None, None


class TorchCuda:
    """The current CUDA device through torch."""

    def __init__(self) -> None:
        self._cuda = sys.modules["torch"].cuda

    def synchronise(self) -> None:
        """Wait until queued kernels are done."""
        self._cuda.synchronize()

    def reset_peak(self) -> None:
        """Free cached blocks and make the memory in use the peak."""
        self._cuda.empty_cache()
        self._cuda.reset_peak_memory_stats()

    def peak_bytes(self) -> tuple[int, int]:
        """Highest (allocated, reserved) bytes since the reset."""
        return self._cuda.max_memory_allocated(), self._cuda.max_memory_reserved()


class TensorFlowGpu(NoAccelerator):
    """TensorFlow's first GPU: it hands every result back as an array, so there is nothing to wait for; it tells what tensors held."""

    def __init__(self) -> None:
        self._memory = sys.modules["tensorflow"].config.experimental

    def reset_peak(self) -> None:
        """Make the memory in use the peak."""
        self._memory.reset_memory_stats(_TENSORFLOW_GPU)

    def peak_bytes(self) -> tuple[int, None]:
        """Highest allocated bytes since the reset; what TensorFlow reserved it does not tell."""
        return int(self._memory.get_memory_info(_TENSORFLOW_GPU)["peak"]), None


def of(request: RunRequest) -> NoAccelerator | TorchCuda:
    """Pick what stages wait for and ask about; JAX's peak cannot be reset, so no stage has one.

    Raises
    ------
    HarnessError
        If a GPU was asked for and the run's framework sees none.
    """
    if request.device != "cuda":
        return NoAccelerator()
    others = request.backend in _GPU_NAMES
    if not (_GPU_NAMES[request.backend]() if others else _torch_sees_one()):
        # an empty variable, or -1, is a common leftover
        value = os.environ.get(VISIBLE, "unset").strip()
        hidden = f"{VISIBLE} is '{value}', which hides every GPU: unset it, or use --device cpu"
        seen = f"{request.backend} sees no GPU" if others else "torch sees no CUDA device"
        message = f"device 'cuda' was asked for, but {seen}"
        raise HarnessError(message, hidden if value in {"", "-1"} else "Use --device cpu")
    if not others:
        return TorchCuda()
    return TensorFlowGpu() if request.backend == "tensorflow" else NoAccelerator()


def _torch_sees_one() -> bool:
    import torch

    return bool(torch.cuda.is_available())


def _tensorflow_gpus() -> list[str]:
    tf = sys.modules["tensorflow"]
    details = tf.config.experimental.get_device_details
    return [str(details(gpu).get("device_name", gpu.name)) for gpu in tf.config.list_physical_devices("GPU")]


def _jax_gpus() -> list[str]:
    return [device.device_kind for device in sys.modules["jax"].devices() if device.platform == "gpu"]


_GPU_NAMES = {"tensorflow": _tensorflow_gpus, "jax": _jax_gpus}
"""By backend other than torch: names of the GPUs that it sees."""


def environment(request: RunRequest) -> dict[str, str]:
    """Return what the environment says of the GPU: its name, which of how many it is, and the variable that chose it; empty off one."""
    if request.device != "cuda":
        return {}
    chosen = os.environ.get(VISIBLE, "not set")
    if request.backend in _GPU_NAMES:
        names = _GPU_NAMES[request.backend]()
        # Keras is placed on gpu:0, the first that it sees
        return {"gpu": names[0], "gpu_used": f"0 of {len(names)} visible", "cuda_visible_devices": chosen}
    torch = sys.modules["torch"]
    used = f"{torch.cuda.current_device()} of {torch.cuda.device_count()} visible"
    name, cuda = torch.cuda.get_device_name(), str(torch.version.cuda)
    return {"gpu": name, "cuda": cuda, "gpu_used": used, "cuda_visible_devices": chosen}


def out_of_memory(error: Exception) -> bool:
    """Whether a framework says that the device's memory is used up: torch, TensorFlow, and JAX in this order, or a library below them."""
    kind = type(error).__name__
    if kind in {"OutOfMemoryError", "ResourceExhaustedError"}:
        return True
    if kind in {"XlaRuntimeError", "JaxRuntimeError"}:
        return "RESOURCE_EXHAUSTED" in str(error)
    below = kind in {"RuntimeError", "AcceleratorError", "InternalError"}
    return below and any(words in str(error) for words in _FULL)


def explain_out_of_memory(error: Exception, where: str, request: RunRequest | None) -> str:
    """Say what did not fit, and what to do."""
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    step = "Use a smaller tier or smaller batches"
    if request is not None and request.tier != "smoke":
        smaller = f"harness run {request.scenario}:{request.variant} --tier smoke --device {request.device}"
        step = f"Type: {smaller}, to see that it runs at all; or use smaller batches"
    return f"out of device memory: {first} {where}. {step}, end what else uses the device, or name another with {VISIBLE}"
