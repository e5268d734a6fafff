"""Weights of Growing NCAs that other programs trained, rearranged for `GrowingNCA` by a layout that the user states.

The same numbers are another law where the inputs are ordered, signed or scaled in another way, and shapes do not tell: the
layout is stated, not guessed. Where the file holds its perception kernels, too, they are compared with the layout.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from aetheria.core.errors import ConfigError, LawError
from aetheria.files.atomic import atomic_write
from aetheria.files.checked_tensors import write_safetensors
from aetheria.laws.neural.growing_nca import GrowingNCA
from aetheria.laws.neural.nca_layout import Layout, compare_kernels, find_layout
from aetheria.laws.weights import Tensors, law_note, read_weights, shown

_SEPARATORS = re.compile(r"[./]")
_MOST_PAIRS = 20  # named in an error


@dataclass(frozen=True)
class ImportedNCA:
    """A `GrowingNCA` with imported weights.

    Attributes:
        law: in eval mode.
        channels: its channel i is channel `channels[i]` of the other program.
        remarks: what was compared, missing or left out, a line each.
    """

    law: GrowingNCA
    channels: Sequence[int]
    remarks: Sequence[str]

    def save(self, path: str | Path) -> None:
        """Writes the weights as safetensors, with the parameters of the law inside: `build_law("GrowingNCA", weights=path)`."""
        path, law = Path(path), self.law
        if path.suffix != ".safetensors":
            raise ConfigError(f"{path}: expected a name that ends in .safetensors")
        (rank,) = law.ranks
        sizes = {"channels": law.channels, "hidden_channels": law.hidden.out_channels, "rank": rank}
        note = law_note(law.name, {**sizes, "fire_rate": law.fire_rate, "boundary": law.boundary})
        with atomic_write(path) as temporary:
            write_safetensors({name: tensor.contiguous() for name, tensor in law.state_dict().items()}, temporary, note)


def import_growing_nca(path: str | Path, layout: str | Layout, part: str | None = None) -> ImportedNCA:
    """Reads the weights of a Growing NCA of another program.

    Args:
        path: .safetensors, .pt and the like, or .npz, as of weights from TensorFlow or JAX.
        layout: how they are ordered: a name in `LAYOUTS`, or a `Layout`.
        part: beginning of the names to look at, where several parts of the file hold such weights, as in "ema".

    Raises:
        ConfigError: no such layout. FileUnreadableError: the file cannot be read.
        LawError: no two layers that follow each other, several, further layers, or kernels that contradict the layout.
    """
    layout = find_layout(layout) if isinstance(layout, str) else layout
    found = _read(Path(path), layout, part)
    channels, hidden = found.update.shape
    law = GrowingNCA(channels, hidden, rank=layout.rank, fire_rate=layout.fire_rate, boundary=layout.edges)
    order = layout.channel_order(channels)
    inputs, factors = layout.input_order(channels)
    tensors = {
        "hidden.weight": found.hidden[:, inputs] * factors,
        "hidden.bias": found.hidden_bias,
        "update.weight": found.update[order],
        "update.bias": found.update_bias[order],
    }
    own = law.state_dict()
    law.load_state_dict({name: tensor.reshape(own[name].shape) for name, tensor in tensors.items()})
    return ImportedNCA(law.eval().requires_grad_(False), order, found.remarks)


@dataclass(frozen=True)
class _Layers:
    """The layers of a file, float64: `hidden` (h, (1 + n) C) and `update` (C, h), and their biases."""

    hidden: Tensor
    hidden_bias: Tensor
    update: Tensor
    update_bias: Tensor
    remarks: Sequence[str]


def _read(path: Path, layout: Layout, part: str | None) -> _Layers:
    groups = {place: _begun(tensors, place, part) for place, tensors in read_weights(path).groups.items()}
    pairs = [(place, *pair) for place, tensors in groups.items() for pair in islice(_pairs(tensors, layout), _MOST_PAIRS)]
    if len(pairs) != 1:
        raise LawError(f"{path}: {_which(pairs, groups, layout)}")
    ((place, hidden, update),) = pairs
    tensors = groups[place]
    remarks: list[str] = []
    layers: list[Tensor] = []
    for name in (hidden, update):
        matrix, bias = _matrix(tensors[name], layout), _bias_of(name)
        assert matrix is not None
        if bias in tensors and tensors[bias].numel() != len(matrix):
            raise LawError(f"{path}: {shown(bias)}: {tensors[bias].numel():,} numbers; expected {len(matrix):,}")
        if bias not in tensors:
            remarks.append(f"{shown(name)} has no bias, which is taken as 0")
        layers += [matrix.double(), tensors[bias].flatten().double() if bias in tensors else torch.zeros(len(matrix)).double()]
    used = {hidden, update, _bias_of(hidden), _bias_of(update)}
    others = {name: tensor for name, tensor in tensors.items() if name not in used}
    remarks += [_remark(path, name, tensor, layout, len(layers[2])) for name, tensor in others.items()]
    if not all(layer.float().isfinite().all() for layer in layers):
        raise LawError(f"{path}: {shown(hidden)}, {shown(update)} or their biases hold NaN, Inf or numbers beyond float32")
    first, first_bias, last, last_bias = layers
    return _Layers(first, first_bias, last, last_bias, remarks)


def _begun(tensors: Tensors, place: str, part: str | None) -> Tensors:
    """The tensors whose whole name begins with the words of `part`."""
    full = {name: f"{place}.{name}" if place else name for name in tensors}
    return {name: t for name, t in tensors.items() if part is None or re.match(rf"{re.escape(part)}(?:[./]|$)", full[name])}


def _pairs(tensors: Tensors, layout: Layout) -> Iterator[tuple[str, str]]:
    """The names of matrices (h, (1 + n) C) and (C, h), each a hidden layer and the layer after it; if possible side by side."""
    by_shape: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for name, tensor in tensors.items():
        if (matrix := _matrix(tensor, layout)) is not None:
            by_shape[tuple(matrix.shape)].append(name)
    found: list[tuple[str, str]] = []
    for (width, inputs), names in list(by_shape.items()):
        channels, rest = divmod(inputs, 1 + layout.rank)
        followers = by_shape.get((channels, width), []) if not rest else []
        found += islice(((one, other) for one in names for other in followers if one != other), _MOST_PAIRS)
    beside = [(hidden, update) for hidden, update in found if _above(hidden) == _above(update)]
    yield from beside or found


def _matrix(tensor: Tensor, layout: Layout) -> Tensor | None:
    """A dense layer's weights (outputs, inputs), also from a convolution over one cell; None for another tensor."""
    outputs_first = layout.matrices == "outputs first"
    ones = tensor.shape[2:] if outputs_first else tensor.shape[:-2]
    if tensor.ndim < 2 or not tensor.is_floating_point() or any(side != 1 for side in ones):
        return None
    return tensor.reshape(tensor.shape[:2]) if outputs_first else tensor.reshape(tensor.shape[-2:]).T


def _bias_of(weight: str) -> str:
    """The name of the bias of a layer: `fc.bias` of `fc.weight`, `fc/bias:0` of `fc/kernel:0`, `b1` of `w1`."""
    named = re.sub(r"(?:weight|kernel)(?=[^./]*$)", "bias", weight)
    return named if named != weight else re.sub(r"(?<![A-Za-z])w(?=\d*$)", "b", weight)


def _above(name: str) -> list[str]:
    """The names of the modules around a layer."""
    return _SEPARATORS.split(name)[:-2]


def _remark(path: Path, name: str, tensor: Tensor, layout: Layout, channels: int) -> str:
    """A remark on a tensor beside the two layers. Raises LawError when it is another law's, or contradicts the layout."""
    kernels = _kernels(tensor, layout)
    if kernels is not None:
        contradiction = compare_kernels(kernels, layout, channels)
        if contradiction:
            raise LawError(f"{path}: {shown(name)}: {contradiction}")
        return f"{shown(name)} are perception kernels, as the layout says"
    if re.search(r"(?:weight|kernel|bias)[^./]*$", name) and tensor.any():
        raise LawError(f"{path}: {shown(name)}: a further layer, which GrowingNCA has not; or choose a part of the file")
    return f"{shown(name)} is left out"


def _kernels(tensor: Tensor, layout: Layout) -> Tensor | None:
    """Perception kernels (count, 3, ..), float64, of a tensor with three entries along each axis of the grid; else None."""
    rank, sides = layout.rank, (3,) * layout.rank
    if not tensor.is_floating_point() or tensor.ndim < rank:
        return None
    if layout.matrices == "inputs first" and tuple(tensor.shape[:rank]) == sides:
        return tensor.movedim(tuple(range(rank)), tuple(range(-rank, 0))).reshape(-1, *sides).double()
    return tensor.reshape(-1, *sides).double() if tuple(tensor.shape[-rank:]) == sides else None


def _which(pairs: Iterable[tuple[str, ...]], groups: dict[str, Tensors], layout: Layout) -> str:
    """Why there is not exactly one pair of layers."""
    found = [" + ".join(f"{place}.{name}" if place else name for name in names) for place, *names in pairs]
    if found:
        return f"several pairs of layers: {', '.join(map(shown, found))}; choose one by the beginning of its names, `part`"
    sizes = [
        f"{shown(name)} {' x '.join(map(str, tensor.shape))}"
        for tensors in groups.values()
        for name, tensor in islice(tensors.items(), _MOST_PAIRS)
        if tensor.ndim >= 2
    ]
    other = "inputs first" if layout.matrices == "outputs first" else "outputs first"
    turned = layout.model_copy(update={"matrices": other})
    hint = f'; with matrices "{other}" there is one' if any(any(_pairs(t, turned)) for t in groups.values()) else ""
    return (
        f'no hidden layer (h, {1 + layout.rank} C) and layer (C, h) after it, with matrices "{layout.matrices}"{hint}; '
        f"found {', '.join(sizes[:_MOST_PAIRS]) or 'no matrices'}"
    )
