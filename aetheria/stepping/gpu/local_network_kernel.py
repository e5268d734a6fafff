"""Triton kernels that step a `CellNetwork`: one for the cells, one for the alive mask.

Tiles are `(values, cells)` where memory is read or written, so that neighbouring threads touch neighbouring cells, and
`(cells, values)` where matrices are multiplied. A tile's sides are powers of two, 16 or more; its padding holds zeros.
Arguments of type `tl.constexpr` are compiled in; tuples among them are flat and hold numbers, because Triton before 3.8 takes
neither strings in a tuple nor tuples in one. Import this module only where Triton is installed.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disallow-untyped-decorators=False

import triton
import triton.language as tl

TAP = tl.constexpr(3)  # numbers of a tap in `taps`: row and column offset from the cell, coefficient
ELU, RELU = tl.constexpr(1), tl.constexpr(2)  # in `activations`

# As in `aetheria.laws.updates.normalised` and `aetheria.laws.hash_noise`.
TINY = tl.constexpr(1e-30)
GOLDEN = tl.constexpr(0x9E3779B9)
FACTOR_1 = tl.constexpr(0x7FEB352D)
FACTOR_2 = tl.constexpr(0x846CA68B)


@triton.jit
def mix(word):
    """Scrambles words as `hash_noise.mix` does, in uint32, which wraps."""
    word = word ^ (word >> 16)
    word = word * tl.cast(FACTOR_1, tl.uint32)
    word = word ^ (word >> 15)
    word = word * tl.cast(FACTOR_2, tl.uint32)
    return word ^ (word >> 16)


@triton.jit
def fires(seed, step, y, x, below, place: tl.constexpr):
    """Whether the cells `(y, x)` fire, as in `hash_noise.fire_mask`; `seed` and `step` point to those of the universe.

    `place`: None, or where the cells lie in a larger grid: flat (top, left, rows, columns), with top and left not negative.
    """
    if place is not None:
        y, x = (y + place[0]) % place[2], (x + place[1]) % place[3]
    golden = tl.cast(GOLDEN, tl.uint32)
    first, number, now = tl.load(seed), tl.load(seed + 1), tl.load(step)
    key = mix(first.to(tl.uint32))
    key = mix((key * golden) ^ (first >> 32).to(tl.uint32))
    key = mix((key * golden) ^ number.to(tl.uint32))
    key = mix((key * golden) ^ now.to(tl.uint32))
    key = mix((key * golden) ^ (now >> 32).to(tl.uint32))
    row = mix(key + y.to(tl.uint32) * golden)
    # Compared in int64: at rate 1, `below` is 2^32.
    return mix(row + x.to(tl.uint32) * golden).to(tl.int64) < below


@triton.jit
def scale_of(total):
    """The factor that makes squares that sum to `total` sum to 1, NaN where `total` is not finite."""
    return tl.where(total < float("inf"), tl.rsqrt(tl.maximum(total, TINY)), float("nan"))


@triton.jit
def source_index(i, size, boundary: tl.constexpr):
    """The index of the cell that the boundary puts at `i`, at most one past an edge; "zero" leaves it outside."""
    if boundary == "periodic":
        i = tl.where(i < 0, i + size, tl.where(i >= size, i - size, i))
    if boundary == "reflect":
        i = tl.where(i < 0, -i, tl.where(i >= size, 2 * size - 2 - i, i))
    return i


@triton.jit
def load_cells(planes, keep, wanted, y, x, height, width, boundary: tl.constexpr):
    """The values at `(y, x)` in the planes of one universe; zero outside, where not kept and, if given, where not `wanted`."""
    y = source_index(y, height, boundary)
    x = source_index(x, width, boundary)
    inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
    offset = y * width + x
    if keep is not None:
        inside &= tl.load(keep + offset, mask=inside, other=0) != 0
    mask = inside if wanted is None else wanted & inside
    return tl.load(planes + offset, mask=mask, other=0.0)


@triton.jit
def tap_part(slot, taps: tl.constexpr, tap: tl.constexpr, together: tl.constexpr, part: tl.constexpr):
    """Part of a tap for each input, of which `slot` is the number of its filter; `tap` is that of the first filter."""
    # With one filter it stays a constant, which keeps the addresses cheap.
    value = taps[TAP * tap + part]
    for s in tl.static_range(1, together):
        value = tl.where(slot == s, taps[TAP * (tap + s) + part], value)
    return value


@triton.jit
def apply_tap(
    planes, keep, real, slot, y, x, height, width,
    taps: tl.constexpr, tap: tl.constexpr, together: tl.constexpr, boundary: tl.constexpr,
):  # fmt: skip
    """`(inputs, cells)`: the contribution of one tap of each filter."""
    coefficient = tap_part(slot, taps, tap, together, 2)
    y += tap_part(slot, taps, tap, together, 0)
    x += tap_part(slot, taps, tap, together, 1)
    if together > 1:
        real &= coefficient != 0.0  # taps that only pad are not read: 0 times NaN would be NaN
    return coefficient * load_cells(planes, keep, real, y, x, height, width, boundary)


@triton.jit
def perceive(
    cells, keep, y, x, height, width, size,
    taps: tl.constexpr, first: tl.constexpr, count: tl.constexpr, together: tl.constexpr,
    inputs: tl.constexpr, channels: tl.constexpr, boundary: tl.constexpr,
):  # fmt: skip
    """`(inputs, cells)`: a group of `together` filters of `count` taps each on every channel, filter by filter.

    `first` is the number of the group's first tap; tap t of filter s is number `first + t * together + s`.
    """
    share: tl.constexpr = inputs // together
    i = tl.arange(0, inputs)[:, None]
    slot, channel = i // share, i % share
    planes = cells + channel.to(tl.int64) * size
    real = channel < channels
    seen = apply_tap(planes, keep, real, slot, y, x, height, width, taps, first, together, boundary)
    for t in tl.static_range(1, count):
        seen += apply_tap(planes, keep, real, slot, y, x, height, width, taps, first + t * together, together, boundary)
    return seen


@triton.jit
def multiply(h, weight, wide, product: tl.constexpr):
    """`wide + h @ weight.T` with `h (cells, inputs)` and `weight (outputs, inputs)`, summed in float32."""
    if product == "bf16":
        wide = tl.dot(h.to(tl.bfloat16), tl.trans(weight.to(tl.bfloat16)), wide)
    else:
        wide = tl.dot(h, tl.trans(weight), wide, input_precision=product)
    return wide


@triton.jit
def first_layer(
    cells, keep, weight, y, x, height, width, size,
    taps: tl.constexpr, firsts: tl.constexpr, counts: tl.constexpr, together: tl.constexpr,
    inputs: tl.constexpr, channels: tl.constexpr, filters: tl.constexpr,
    outputs: tl.constexpr, padded: tl.constexpr, boundary: tl.constexpr, product: tl.constexpr,
):  # fmt: skip
    """`(cells, padded)`: the first layer's product, group of filters by group of filters."""
    share: tl.constexpr = inputs // together
    out = tl.arange(0, padded)[:, None]
    i = tl.arange(0, inputs)[None, :]
    channel = i % share
    h = tl.zeros((y.shape[1], padded), tl.float32)
    for g in tl.static_range(len(counts)):
        which = g * together + i // share
        real = (out < outputs) & (channel < channels) & (which < filters)
        part = tl.load(weight + out * (filters * channels) + which * channels + channel, mask=real, other=0.0)
        seen = perceive(
            cells, keep, y, x, height, width, size,
            taps, firsts[g], counts[g], together, inputs, channels, boundary,
        )  # fmt: skip
        h = multiply(tl.trans(seen), part, h, product)
    return h


@triton.jit
def next_layer(h, weight, inputs: tl.constexpr, outputs: tl.constexpr, padded: tl.constexpr, product: tl.constexpr):
    """`(cells, padded)`: the product of a later layer."""
    out = tl.arange(0, padded)[:, None]
    i = tl.arange(0, h.shape[1])[None, :]
    whole = tl.load(weight + out * inputs + i, mask=(out < outputs) & (i < inputs), other=0.0)
    return multiply(h, whole, tl.zeros((h.shape[0], padded), tl.float32), product)


@triton.jit
def finish(h, bias, scale, outputs: tl.constexpr, activation: tl.constexpr, eps: tl.constexpr):
    """A layer's product `(cells, padded)` with bias, norm and activation."""
    out = tl.arange(0, h.shape[1])[None, :]
    if bias is not None:
        h += tl.load(bias + out, mask=out < outputs, other=0.0)
    if outputs < h.shape[1]:
        h = tl.where(out < outputs, h, 0.0)  # Inf times the padding's zeros would be NaN
    if scale is not None:
        h *= tl.rsqrt(tl.sum(h * h, 1) / outputs + eps)[:, None]
        h *= tl.load(scale + out, mask=out < outputs, other=0.0)
    # Both comparisons are false for NaN, which is kept.
    if activation == ELU:
        h = tl.where(h > 0.0, h, tl.exp(h) - 1.0)
    if activation == RELU:
        h = tl.where(h < 0.0, 0.0, h)
    return h


@triton.jit
def step_cells(
    cells, total, keep, seed, step, weights, biases, scales,
    after, partial, decay, below, height, width, size,
    taps: tl.constexpr, firsts: tl.constexpr, counts: tl.constexpr, together: tl.constexpr,
    inputs: tl.constexpr, filters: tl.constexpr, channels: tl.constexpr,
    outputs: tl.constexpr, padded: tl.constexpr, activations: tl.constexpr, epsilons: tl.constexpr,
    boundary: tl.constexpr, index: tl.constexpr, each: tl.constexpr, product: tl.constexpr,
    rows: tl.constexpr, columns: tl.constexpr, place: tl.constexpr,
):  # fmt: skip
    """Steps a tile of `rows x columns` cells of one universe per program.

    Args:
        cells, after: `(B, C, H, W)` float32, before and after.
        total: `(B,)`, the sum of the squares of `cells`, by whose root they are divided as they are read; None: they are not.
        keep: `(B, H, W)` bool; where false, cells are read as zero. None: all are kept.
        seed, step: `(B, 2)` and `(B,)` int64; None: all cells fire.
        weights, biases, scales: one per layer, as `Dense` has them.
        partial: one float32 per program, for the sum of the squares of its tile of `after`; or None.
        decay, below: of one element: the share of the cells that is lost, float32; the random word below which a cell fires,
            int64.
        size: cells of a plane, `height * width`.
        taps: per group of `together` filters, which fill a tile of `inputs`: per tap, per filter: row, column, coefficient.
        firsts, counts: per group: number of its first tap, and of taps of each filter.
        outputs, padded, activations, epsilons: per layer: values, the same padded, ELU or RELU or neither, eps of the norm.
        index: type of an offset in a plane: int32 is faster, int64 is needed from 2^31 cells on.
        each: whether each cell is divided by its norm.
        product: "bf16", or an input precision of `tl.dot`.
        place: as for `fires`.
    """
    across = tl.cdiv(width, columns)
    tiles = across * tl.cdiv(height, rows)
    program = tl.program_id(0)
    universe, tile = (program // tiles).to(tl.int64), program % tiles
    i = tl.arange(0, rows * columns)[None, :]
    y = (tile // across * rows + i // columns).to(index)  # and with it every offset
    x = tile % across * columns + i % columns
    cells += universe * channels * size
    after += universe * channels * size
    if keep is not None:
        keep += universe * size

    h = first_layer(
        cells, keep, weights[0], y, x, height, width, size,
        taps, firsts, counts, together, inputs, channels, filters,
        outputs[0], padded[0], boundary, product,
    )  # fmt: skip
    if total is not None:
        scale = scale_of(tl.load(total + universe))
        h *= scale  # as the filters and the product are linear; of the tiles that could be scaled, this one is smaller
    h = finish(h, biases[0], scales[0], outputs[0], activations[0], epsilons[0])
    for n in tl.static_range(1, len(outputs)):
        h = next_layer(h, weights[n], outputs[n - 1], outputs[n], padded[n], product)
        h = finish(h, biases[n], scales[n], outputs[n], activations[n], epsilons[n])
    delta = tl.trans(h)

    channel = tl.arange(0, delta.shape[0])[:, None]
    planes = channel.to(tl.int64) * size
    inside = (channel < channels) & (y < height) & (x < width)
    own = load_cells(cells + planes, keep, channel < channels, y, x, height, width, "zero")
    if total is not None:
        own *= scale
    lost = tl.load(decay)
    moved = own + delta - tl.where(lost > 0.0, lost * own, 0.0)
    if seed is not None:
        moved = tl.where(fires(seed + 2 * universe, step + universe, y, x, tl.load(below), place), moved, own)
    moved = tl.where(inside, moved, 0.0)
    if each:
        moved *= scale_of(tl.sum(moved * moved, 0))[None, :]
    tl.store(after + planes + y * width + x, moved, mask=inside)
    if partial is not None:
        tl.store(partial + program, tl.sum(moved * moved))


@triton.jit
def lives(plane, keep, y, x, height, width, threshold: tl.constexpr, boundary: tl.constexpr):
    """Whether a value in the 3x3 neighbourhood is above the threshold; false with a NaN there, as with `max_pool2d`."""
    most = load_cells(plane, keep, None, y, x, height, width, boundary)
    for tap in tl.static_range(9):
        value = load_cells(plane, keep, None, y + tap // 3 - 1, x + tap % 3 - 1, height, width, boundary)
        most = tl.maximum(most, value, propagate_nan=tl.PropagateNan.ALL)
    return most > threshold


@triton.jit
def mask_cells(
    cells, keep, moved, keep_after, height, width, size,
    channels: tl.constexpr, channel: tl.constexpr, threshold: tl.constexpr,
    boundary: tl.constexpr, index: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Sets `keep_after` for cells that live both in `cells`, masked by `keep`, and in `moved`; `block` cells per program."""
    tiles = tl.cdiv(size, block)
    universe = (tl.program_id(0) // tiles).to(tl.int64)
    i = (tl.program_id(0) % tiles).to(index) * block + tl.arange(0, block)
    y, x = i // width, i % width
    plane = (universe * channels + channel) * size
    before = lives(cells + plane, keep + universe * size, y, x, height, width, threshold, boundary)
    kept = before & lives(moved + plane, None, y, x, height, width, threshold, boundary)
    tl.store(keep_after + universe * size + i, kept, mask=i < size)
