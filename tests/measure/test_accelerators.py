"""Which GPU is used, what is said where there is none or its memory is full; frameworks are faked where they would need one."""

from __future__ import annotations

import sys
import types
import typing

import pytest

from harness import worker
from harness.errors import HarnessError
from harness.machine import environment
from harness.measure import accelerators
from harness.records import RunRequest
from harness.running import runner


def asked(**changes: typing.Any) -> RunRequest:
    """Ask for a run on a GPU."""
    where = {"device": "cuda", "backend": "torch", "tier": "paper"}
    return RunRequest(**{"scenario": "probe", "variant": "default", "seed": 0, **where, **changes})


def fake_torch(*, available: bool = True, devices: int = 2) -> types.ModuleType:
    """Make a torch that has GPUs."""
    torch = types.ModuleType("torch")
    cuda = types.SimpleNamespace(
        is_available=lambda: available, device_count=lambda: devices, current_device=lambda: 0, get_device_name=lambda: "GPU X"
    )  # fmt: skip
    torch.__dict__.update(cuda=cuda, version=types.SimpleNamespace(cuda="13.2"))
    return torch


def test_the_gpu_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Name, which of how many visible ones, and the variable that chose; nothing on the CPU."""
    monkeypatch.setitem(sys.modules, "torch", fake_torch())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,3")
    found = accelerators.environment(asked())
    known = [found[name] for name in ("gpu", "gpu_used", "cuda_visible_devices")]
    assert known == ["GPU X", "0 of 2 visible", "1,3"]
    monkeypatch.setitem(accelerators._GPU_NAMES, "jax", lambda: ["GPU Y", "GPU Z"])
    assert accelerators.environment(asked(backend="jax"))["gpu_used"] == "0 of 2 visible"
    assert accelerators.environment(asked(device="cpu")) == {}


def test_workers_keep_the_choice_among_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is inherited on cuda; on the CPU every GPU is hidden."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert runner.worker_environment(asked())["CUDA_VISIBLE_DEVICES"] == "1"
    assert runner.worker_environment(asked(device="cpu"))["CUDA_VISIBLE_DEVICES"] == ""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert "CUDA_VISIBLE_DEVICES" not in runner.worker_environment(asked())


def test_memory_of_a_gpu_under_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage's peak begins at the reset and is what TensorFlow says of its first GPU; reserved memory is not measured."""
    held = {"current": 5, "peak": 90}
    experimental = types.SimpleNamespace(
        get_memory_info=lambda device: dict(held) if device == "GPU:0" else {},
        reset_memory_stats=lambda device: held.update(peak=held["current"]) if device == "GPU:0" else None,
        get_device_details=lambda _: {"device_name": "GPU X"},
    )
    tf = types.ModuleType("tensorflow")
    tf.__dict__["config"] = types.SimpleNamespace(
        experimental=experimental, list_physical_devices=lambda _: [types.SimpleNamespace(name="GPU:0")]
    )
    monkeypatch.setitem(sys.modules, "tensorflow", tf)
    device = accelerators.of(asked(backend="tensorflow"))
    assert device.peak_bytes() == (90, None)
    device.reset_peak()
    assert device.peak_bytes() == (5, None)


@pytest.mark.parametrize(
    ("variable", "step"), [(None, "Use --device cpu"), ("", "hides every GPU"), ("-1", "hides every GPU")]
)
@pytest.mark.parametrize("backend", ["torch", "tensorflow", "jax"])
def test_no_gpu_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, backend: str, variable: str | None, step: str
) -> None:
    """Asked for and absent: the error names the device, and the variable where that hides it."""
    monkeypatch.setitem(sys.modules, "torch", fake_torch(available=False))
    for name in ("tensorflow", "jax"):
        monkeypatch.setitem(accelerators._GPU_NAMES, name, list)
    if variable is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    with pytest.raises(HarnessError, match="'cuda' was asked for") as caught:
        accelerators.of(asked(backend=backend))
    assert step in str(caught.value)


def raised(name: str, text: str) -> Exception:
    """Raise and catch an error of that name, as a framework would."""
    try:
        raise type(name, (RuntimeError,), {})(text)
    except RuntimeError as error:
        return error


def test_out_of_device_memory_says_what_to_do() -> None:
    """What did not fit, in one line, and the next command."""
    text = "CUDA out of memory. Tried to allocate 20.00 GiB.\nSee the documentation"
    error = raised("OutOfMemoryError", text)
    told = worker._explain(error, asked())
    assert told.startswith(f"out of device memory: {text.splitlines()[0]} (test_accelerators.py")
    assert "harness run probe:default --tier smoke --device cuda" in told
    assert "CUDA_VISIBLE_DEVICES" in told
    assert "--tier smoke" not in worker._explain(error, asked(tier="smoke"))
    assert "documentation" not in told


@pytest.mark.parametrize(
    ("name", "text", "is_one"),
    [
        ("ResourceExhaustedError", "OOM when allocating tensor with shape[9]", True),
        ("XlaRuntimeError", "RESOURCE_EXHAUSTED: Out of memory", True),
        ("JaxRuntimeError", "RESOURCE_EXHAUSTED: Out of memory", True),
        ("XlaRuntimeError", "INVALID_ARGUMENT: shapes", False),
        ("ValueError", "OOM", False),
        ("AcceleratorError", "CUDA error: out of memory", True),
        ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),
        ("InternalError", "failed to allocate: CUDA_ERROR_OUT_OF_MEMORY", True),
        ("RuntimeError", "CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_every_framework_has_its_own_name_for_it(name: str, text: str, is_one: bool) -> None:
    """TensorFlow's and JAX's errors are told as well; others are not mistaken for one."""
    told = worker._explain(raised(name, text), asked(backend="tensorflow"))
    assert told.startswith("out of device memory") == is_one
    assert text in told


def test_numerical_settings_are_recorded_and_leave_fingerprints_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the loaded frameworks only; what torch refuses to tell is 'mixed'; no kind of metric compares them."""

    class Refusing:
        @property
        def allow_tf32(self) -> bool:
            raise RuntimeError("mixed use of old and new names")

    torch = types.ModuleType("torch")
    torch.__dict__.update(
        backends=types.SimpleNamespace(
            cuda=types.SimpleNamespace(matmul=Refusing()),
            cudnn=types.SimpleNamespace(allow_tf32=True, benchmark=False, deterministic=False),
        ),
        are_deterministic_algorithms_enabled=lambda: True, get_float32_matmul_precision=lambda: "highest",
        is_autocast_enabled=lambda kind: kind == "cuda", get_autocast_dtype=lambda kind: f"{kind}'s",
    )  # fmt: skip
    for name in ("torch", "keras", "tensorflow", "jax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(environment, "tracing", dict)
    assert environment.numerics() == {}
    monkeypatch.setitem(sys.modules, "torch", torch)
    found = environment.numerics()
    known = [found[f"torch_{name}"] for name in ("tf32_matmul", "tf32_cudnn", "deterministic")]
    assert known == ["mixed", "True", "True"]
    assert found["torch_autocast"] == "cuda: cuda's"
    home = {"backend": "torch", "cpu": "A"}
    assert environment.fingerprint(home | found) == environment.fingerprint(home)
    assert all(environment.differences(kind, home | found, home) == [] for kind in environment.MUST_MATCH)
