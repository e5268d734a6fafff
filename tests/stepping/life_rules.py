"""Rules that together have every case of birth and survival."""

# Of these four rules, each number of live cells in the 3x3 block has one with birth, one with survival, one with both, and one
# with neither.
EVERY_CASE = tuple(
    "B{}/S{}".format(
        "".join(str(n) for n in range(9) if (n + k) & 1),
        "".join(str(n) for n in range(9) if (n + 1 + k) & 2),
    )
    for k in range(4)
)
