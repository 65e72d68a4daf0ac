"""Work that torch does: optimiser steps and samples by global hooks, FLOPs by torch's own formulas."""

from __future__ import annotations

import threading
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    import torch

FLOPS = "torch FLOPs: of convolutions and matrix products in the main thread; not counted for svd, eigh, exp and the rest"
SAMPLES = "torch samples: rows of the first tensor that a module in training is called with; other ways to train are not counted"


class TorchWork:
    """Counts from its creation until it is closed.

    Optimiser steps are those of any `torch.optim.Optimizer`. Samples are the rows of the first tensor that an outermost module
    gets, while gradients are on and it has parameters to train; a Keras layer is no such module, though it is a
    `torch.nn.Module` on that backend. `paused` says whether Keras, which counts for itself, is training.
    """

    def __init__(self, paused: Callable[[], bool]) -> None:
        from torch.nn.modules import module
        from torch.optim import optimizer

        self._paused = paused
        self._steps = self._samples = self._unseen = 0
        self._threads = threading.local()
        self._handles = [
            optimizer.register_optimizer_step_post_hook(self._stepped),
            module.register_module_forward_pre_hook(self._enters),
            module.register_module_forward_hook(self._leaves, always_call=True),
        ]
        self._flops = _flop_counter()
        self._flops.__enter__()

    def read(self) -> dict[str, int]:
        """Return optimiser steps, samples and FLOPs so far."""
        return {"optimiser_steps": self._steps, "samples": self._samples, "flops": int(self._flops.total)}

    def uncounted(self) -> list[str]:
        """Say what these hooks do not see."""
        unseen = f"torch samples: {self._unseen} calls of modules in training had no tensor by position, and are not counted"
        return [FLOPS, SAMPLES, *([unseen] if self._unseen else [])]

    def close(self) -> None:
        """Take the hooks out."""
        self._flops.__exit__(None, None, None)
        for handle in self._handles:
            handle.remove()

    def _stepped(self, optimiser: torch.optim.Optimizer, *arguments: object) -> None:
        del optimiser, arguments
        self._steps += not self._paused()

    def _enters(self, module: torch.nn.Module, arguments: tuple[object, ...]) -> None:
        import torch

        if _is_keras(module):
            return
        depth = getattr(self._threads, "depth", 0)
        self._threads.depth = depth + 1
        trains = torch.is_grad_enabled() and module.training
        if depth or self._paused() or not trains or not any(p.requires_grad for p in module.parameters()):
            return
        rows = next((int(value.shape[0]) for value in arguments if getattr(value, "shape", ())), None)  # type: ignore[attr-defined]
        self._samples += rows or 0
        self._unseen += rows is None

    def _leaves(self, module: torch.nn.Module, *arguments: object) -> None:
        del arguments
        if not _is_keras(module):
            self._threads.depth -= 1


def _flop_counter() -> typing.Any:  # noqa: ANN401 - torch's modes have no types
    """Return a mode that adds up the FLOPs of every operation that torch has a formula for.

    `torch.utils.flop_counter.FlopCounterMode` gives the same total, but follows which module each operation belongs to: that takes several
    times as long as the small steps that are counted here.
    """
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils.flop_counter import flop_registry

    class FlopCounter(TorchDispatchMode):  # type: ignore[misc]
        total = 0

        def __torch_dispatch__(
            self,
            func: typing.Any,  # noqa: ANN401 - likewise
            types: object,
            args: tuple[object, ...] = (),
            kwargs: dict[str, object] | None = None,
        ) -> object:
            formula, named = flop_registry.get(func._overloadpacket), kwargs or {}  # noqa: SLF001 - its key
            if formula is None:
                # what consists of other operations, as a matrix product does where gradients are off, is counted by these
                with self:
                    parts = func.decompose(*args, **named)
                if parts is not NotImplemented:
                    return parts
            result = func(*args, **named)
            if formula is not None:
                self.total += formula(*args, **named, out_val=result)
            return result

    return FlopCounter()


def _is_keras(module: torch.nn.Module) -> bool:
    return any(base.__module__.partition(".")[0] == "keras" for base in type(module).__mro__)
