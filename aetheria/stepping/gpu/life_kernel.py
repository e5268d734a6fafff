"""Triton kernel that takes up to eight steps of a Life-like rule in one pass over words of 64 cells.

Each lane walks down the rows of a column of its own and shares nothing with the others. From a row it reads a window of 64
cells, not aligned to words: 48 to step, and eight more on either side, into which wrong cells spread by one a step. Of each
generation it keeps the sums of the last two rows, so that a row of the last generation is complete as many rows after that of
the first as steps are taken. Import this module only where Triton is installed.
"""
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls, disallow-untyped-decorators=False

import triton
import triton.language as tl

HALO = tl.constexpr(8)  # the most steps in a pass
OWN = tl.constexpr(48)  # cells that a lane steps in a row
UNITS = tl.constexpr(3)  # of 16 cells, in which they are written
EVERY = tl.constexpr(0xFFFFFFFFFFFFFFFF)  # a window full of live cells


@triton.jit
def bits_from(row, x, words):
    """64 cells of a row of `words` words, from cell `x` on; dead outside the row."""
    word, shift = x >> 6, (x & 63).to(tl.uint64)
    low = tl.load(row + word, mask=(word >= 0) & (word < words), other=0).to(tl.uint64)
    high = tl.load(row + word + 1, mask=(word >= -1) & (word < words - 1), other=0).to(tl.uint64)
    return (low >> shift) | ((high << 1) << (63 - shift))


@triton.jit
def window(row, x, width, words, boundary: tl.constexpr):
    """64 cells of a row, from cell `x` on; beyond its ends those of the other end for "periodic", else dead ones."""
    if boundary == "periodic":
        x = tl.where(x < 0, x + width, tl.where(x >= width, x - width, x))
        return bits_from(row, x, words) | bits_from(row, x - width, words)
    return bits_from(row, x, words)


@triton.jit
def bit(number):
    """A window in which only cell `number` lives; none if it is outside."""
    one = tl.full(number.shape, 1, tl.uint64) << (number & 63).to(tl.uint64)
    return tl.where((number >= 0) & (number < 64), one, 0)


@triton.jit
def first_cells(number):
    """A window in which the cells before cell `number` live."""
    every = tl.full(number.shape, EVERY, tl.uint64)
    return tl.where(number <= 0, 0, every >> (64 - tl.minimum(tl.maximum(number, 1), 64)).to(tl.uint64))


@triton.jit
def flipped(window):
    """The window with every cell's state inverted. In Triton before 3.8 the interpreter's `~` fails on unsigned words."""
    return window ^ EVERY


@triton.jit
def full_add(a, b, c):
    """Sum and carry of three bits."""
    return a ^ b ^ c, (a & b) | (c & (a ^ b))


@triton.jit
def next_state(cells, one, two, four, eight, rule: tl.constexpr):
    """Next state from the cells and the binary digits of the number of live cells in the 3x3 block around each."""
    after = cells ^ cells
    for nine in tl.static_range(10):
        if rule[nine][0] or rule[nine][1]:
            these = (one if nine & 1 else flipped(one)) & (two if nine & 2 else flipped(two))
            these &= four if nine & 4 else flipped(four)
            if nine < 2 or nine >= 8:  # 0 and 8, 1 and 9 have the same lower three bits
                these &= eight if nine >= 8 else flipped(eight)
            if not rule[nine][0]:
                these &= cells
            if not rule[nine][1]:
                these &= flipped(cells)
            after |= these
    return after


@triton.jit
def edged(cells, inside, left, right, live, boundary: tl.constexpr):
    """Cells with those beyond the edges set by the boundary. `live`: whether their row is in the grid."""
    if boundary == "zero":
        cells &= tl.where(live, inside, 0)
    if boundary == "reflect":
        cells = (cells & flipped(left | right)) | ((cells >> 2) & left) | ((cells << 2) & right)
    return cells


@triton.jit
def source_row(y, height, boundary: tl.constexpr):
    """The row that the boundary puts at `y`, which "reflect" counts down the grid and up again."""
    if boundary == "reflect":
        y = tl.minimum(y, 2 * height - 2 - y)
    return y


@triton.jit
def step_words(
    before, after, lanes, height, width, columns, segments, rows,
    steps: tl.constexpr, rule: tl.constexpr, boundary: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    """Takes `steps` steps of `block` lanes, each `rows` rows long, per program.

    Args:
        before: `(B, H, W / 64)` int64, rounded up; the bits of a row's last word beyond its width are 0.
        after: the same words as `(B, H, 4 * W / 64)` int16.
        lanes: number of lanes: `B * segments * columns`.
        rule: for 0 to 9 live cells in the 3x3 block: whether a dead cell in the middle is born, whether a live one survives.
        boundary: "periodic" for a width of 64 or more; "zero"; "reflect".
    """
    lane = tl.program_id(0) * block + tl.arange(0, block)
    real = lane < lanes
    column, rest = lane % columns, lane // columns
    first = rest % segments * rows
    universe = tl.where(real, rest // segments, 0).to(tl.int64)
    words = (width + 63) // 64
    x = column * OWN - HALO
    before += universe * height * words
    after += universe * height * words * 4 + column * UNITS
    inside = first_cells(width - x) & flipped(first_cells(-x))
    left, right = bit(-1 - x), bit(width - x)

    # The row that is read; except for "zero", counted modulo the period in which rows repeat.
    period = tl.maximum(2 * height - 2, 1) if boundary == "reflect" else height
    y = first - steps
    if boundary != "zero":
        y = (y + steps * period) % period

    none = tl.zeros((block,), tl.uint64)
    # For each generation: the sums of two rows, in two bits each, and the cells of the later row.
    held = ((none, none, none, none, none),) * steps
    for r in range(0, rows + 2 * steps, 2):
        for half in tl.static_range(2):
            live = (y >= 0) & (y < height) if boundary == "zero" else real
            row = before + tl.where(live, source_row(y, height, boundary), 0).to(tl.int64) * words
            cells = window(row, x, width, words, boundary)
            cells = edged(cells, inside, left, right, live, boundary)
            kept = held[:0]
            for k in tl.static_range(steps):
                one, two, other_one, other_two, middle = held[k]
                ones, twos = full_add(cells << 1, cells, cells >> 1)
                low, carry = full_add(one, other_one, ones)
                high, four = full_add(two, other_two, twos)
                # The newest row replaces the oldest, in alternate places: nothing is moved.
                kept += ((ones, twos, other_one, other_two, cells) if half == 0 else (one, two, ones, twos, cells),)
                more = high & carry
                cells = next_state(middle, low, high ^ carry, four ^ more, four & more, rule)
                now = first + r + half - steps - k - 1
                cells = edged(cells, inside, left, right, (now >= 0) & (now < height), boundary)
            held = kept

            cells = (cells & inside) >> HALO
            now = first + r + half - 2 * steps
            written = real & (now >= first) & (now < first + rows) & (now < height)
            to = after + now.to(tl.int64) * (words * 4)
            for unit in tl.static_range(UNITS):
                fits = column * UNITS + unit < words * 4
                tl.store(to + unit, (cells >> (16 * unit)).to(tl.int16), mask=written & fits)
            y += 1
            if boundary != "zero":
                y = tl.where(y == period, 0, y)
