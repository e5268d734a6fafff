"""The winograd plan on the CPU: runs the law's own code, with its convolutions replaced by C++ kernels."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from aetheria.core.cpu_threads import one_thread
from aetheria.core.precision import Precision
from aetheria.laws.base import Law
from aetheria.laws.layers import ChannelNorm, ConvBlock, Gated, joined
from aetheria.stepping.cpu.conv1x1 import PointwiseConv, PointwiseKernel, as_pointwise_conv
from aetheria.stepping.cpu.conv3x3 import Conv3x3, Conv3x3Kernel, as_conv3x3
from aetheria.stepping.cpu.kernel_layer import LEAST_CHANNELS, KernelLayer, as_written
from aetheria.stepping.cpu.lstm_cell import lstm_cell
from aetheria.stepping.plan import Plan, State, make_call, make_step, settled

_HEAVY = (nn.Linear, nn.modules.conv._ConvNd, nn.RNNBase, nn.MultiheadAttention)  # modules that multiply
Layers = tuple[nn.Module | Conv3x3 | PointwiseConv, ...]
# With a smaller share of a step's products in 3x3 convolutions the compiled step is faster: benchmarks/results/shares.md.
LEAST_SHARE = 0.8


def why_not(law: Law, precision: Precision) -> str:
    """Why the plan cannot step `law`, for people; empty if it can."""
    if precision == "fp64":
        return "its kernel computes in float32, and fp64 is wanted"
    wanted = f"3x3 convolutions between {LEAST_CHANNELS} channels or more"
    return "" if _conv3x3_ids(law) else f"{law.name} has no {wanted}"


def slower_than_compiled(law: nn.Module, state: State) -> bool:
    """Whether the compiled step of `state`, cells `(B, C, H, W)` and memory, is faster."""
    if not any(isinstance(module, _HEAVY) for module in _torch_modules(law)):
        # The kernels do all products, so counting weights is enough: counting products imports parts of torch for a second.
        weights = {True: 0, False: 0}
        ours = _conv3x3_ids(law)
        for module in law.modules():
            if isinstance(module, _HEAVY):
                weights[id(module) in ours] += module.get_parameter("weight").numel()
        if weights[True] >= LEAST_SHARE * sum(weights.values()):
            return False
    return share(law, state) < LEAST_SHARE


def _conv3x3_ids(law: nn.Module) -> set[int]:
    """The ids of the 3x3 convolutions that the kernel computes."""
    return {id(layer.conv) for _, layers in _replaced_modules(law) for layer in layers if isinstance(layer, Conv3x3)}


def share(law: nn.Module, state: State) -> float:
    """The share of a step's products in 3x3 convolutions of the kernel, 0 to 1; 1 if they cannot be counted.

    They are counted on a copy of the law on the meta device: nothing is computed.
    """
    ours = _conv3x3_ids(law)
    counted = {True: 0, False: 0}
    with torch.random.fork_rng(devices=[]):
        try:
            blank = copy.deepcopy(law).to("meta")
            for module, stand_in in zip(law.modules(), blank.modules(), strict=True):
                stand_in._forward_hooks.clear()
                stand_in._forward_pre_hooks.clear()
                if isinstance(module, nn.Linear | nn.modules.conv._ConvNd):
                    stand_in.register_forward_hook(partial(_count, counted, id(module) in ours))
            with torch.inference_mode():
                blank(*(tensor.to("meta") for tensor in state))
        except Exception:  # noqa: BLE001 - a user's module; only the choice of a plan depends on it
            return 1.0
    return counted[True] / max(1, sum(counted.values()))


def _count(counted: dict[bool, int], ours: bool, module: nn.Module, given: tuple[Tensor, ...], after: Tensor) -> None:
    """Each weight multiplies every output cell once; of a transposed convolution, every input cell."""
    cells = given[0] if isinstance(module, nn.modules.conv._ConvTransposeNd) else after
    weight = module.get_parameter("weight")
    counted[ours] += cells.numel() * weight[0].numel()


class Winograd(Plan):
    """Runs the law's own code on a copy of its modules, whose convolutions, norms and activations are computed by kernels."""

    name = "winograd"

    def __init__(self, law: nn.Module, precision: Precision = "fp32") -> None:
        """
        Args:
            precision: "fp32"; or "bf16", for products of 16 bits.

        Raises:
            NativeKernelError: no C++ compiler.
        """
        self._law, self._precision, self._structure = law, precision, _structure(law)
        self._torch_is_light = not any(isinstance(module, _HEAVY) for module in _torch_modules(law))
        self._kernels: list[KernelLayer] = []
        self._copies: list[tuple[nn.Module, nn.Module]] = []
        self._step = make_step(make_call(self._copied(law), torch.device("cpu"), precision))

    def pack(self, state: State) -> State:
        return tuple(map(settled, state, state))

    def advance(self, held: State, steps: int, first: int = 0) -> State:
        self._take_over_edits()
        with one_thread(self._torch_is_light):
            for _ in range(steps):
                held = self._step(*held)
        return held

    def stale(self) -> bool:
        return self._structure != _structure(self._law)

    def _take_over_edits(self) -> None:
        """Copies the law's plain attributes and packs edited weights again; parameters and buffers are shared."""
        for module, stand_in in self._copies:
            vars(stand_in).update((name, value) for name, value in vars(module).items() if name not in ("_modules", "forward"))
        for kernel in self._kernels:
            kernel.refresh()

    def _copied(self, module: nn.Module) -> nn.Module:
        """A copy that shares parameters, buffers and hooks with `module`, with kernels in the place of convolutions."""
        stand_in = copy.copy(module)
        self._copies.append((module, stand_in))
        if (forward := self._forward(module)) is not None:
            stand_in.forward = forward
        else:
            vars(stand_in)["_modules"] = {name: child and self._copied(child) for name, child in module._modules.items()}
        return stand_in

    def _forward(self, module: nn.Module) -> Callable[..., Any] | None:
        """The function that replaces the module's `forward`; None for a module of torch's."""
        if as_written(module, Gated):
            return lstm_cell
        if (layers := _layers(module)) is None:
            return None
        calls = [layer if isinstance(layer, nn.Module) else self._kernel(layer) for layer in layers]

        def forward(*parts: Tensor) -> Tensor:
            values = calls[0](*(parts if isinstance(calls[0], KernelLayer) else (joined(*parts),)))
            for call in calls[1:]:
                values = call(values)
            return values

        return forward

    def _kernel(self, layer: Conv3x3 | PointwiseConv) -> KernelLayer:
        precision = self._precision
        kernel = Conv3x3Kernel(layer, precision) if isinstance(layer, Conv3x3) else PointwiseKernel(layer, precision)
        self._kernels.append(kernel)
        return kernel


def _replaced_modules(module: nn.Module) -> Iterator[tuple[nn.Module, Layers]]:
    """The modules that kernels replace, each with the layers that take its place."""
    if (layers := _layers(module)) is not None:
        yield module, layers
    else:
        for child in module.children():
            yield from _replaced_modules(child)


def _torch_modules(module: nn.Module) -> Iterator[nn.Module]:
    """The modules that torch computes."""
    if (layers := _layers(module)) is None:
        yield module
        for child in module.children():
            yield from _torch_modules(child)
    else:
        for layer in layers:
            yield from layer.modules() if isinstance(layer, nn.Module) else ()


def _layers(module: nn.Module) -> Layers | None:
    """The layers that compute a convolution, or a sequence with convolutions; None for any other module."""
    if (alone := _kernel_form(module)) is not None:
        return (alone,)
    if not (as_written(module, ConvBlock) or as_written(module, nn.Sequential)):
        return None
    layers: list[nn.Module | Conv3x3 | PointwiseConv] = []
    for child in module.children():
        last = layers[-1] if layers else None
        fused = _fused(last, child) if isinstance(last, Conv3x3) else None
        if fused is not None:
            layers[-1] = fused
        elif not as_written(child, nn.Identity):
            layers.append(_kernel_form(child) or child)
    return None if all(isinstance(layer, nn.Module) for layer in layers) else tuple(layers)


def _kernel_form(module: nn.Module) -> Conv3x3 | PointwiseConv | None:
    return as_conv3x3(module) or as_pointwise_conv(module)


def _fused(conv3x3: Conv3x3, layer: nn.Module) -> Conv3x3 | None:
    """A convolution together with the layer after it, if the kernel computes both."""
    if conv3x3.activation != "none":
        return None
    if as_written(layer, ChannelNorm) and conv3x3.norm is None:
        assert isinstance(layer, ChannelNorm)
        return replace(conv3x3, norm=layer) if len(layer.scale) == conv3x3.conv.out_channels else None
    if as_written(layer, nn.ReLU):
        return replace(conv3x3, activation="relu")
    if as_written(layer, nn.ELU) and getattr(layer, "alpha", None) == 1:
        return replace(conv3x3, activation="elu")
    return None


def _structure(law: nn.Module) -> tuple[object, ...]:
    """The modules of a law, and the kernels that replace them: a plan is stale when it changes."""
    gated = tuple(as_written(module, Gated) for module in law.modules())
    return (tuple(map(id, law.modules())), gated, tuple(_replaced_modules(law)))
