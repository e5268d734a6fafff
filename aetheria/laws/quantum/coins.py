"""Coins of quantum walks: the unitary matrices that mix the components of a cell, by name or given by the user."""

import cmath
import math
from typing import Any

import numpy as np

from aetheria.core.errors import ConfigError

Matrix = tuple[tuple[complex, ...], ...]
COINS = ("dft", "grover", "hadamard", "rotation")
_TOLERANCE = 1e-6  # of coin* coin from 1: numbers written with six digits or more


def hadamard(rank: int, where: str) -> Matrix:
    """`[[1, 1], [1, -1]] / sqrt 2` for two components, its tensor product with itself for four.

    Raises:
        ConfigError: three axes; there is no such matrix of six components.
    """
    if rank == 3:
        raise ConfigError(f'{where} coin: "hadamard" given; for the 6 components of 3 axes expected dft, grover or a matrix')
    single = ((1, 1), (1, -1))
    pairs = [(a, b) for a in range(2) for b in range(2)]
    matrix = single if rank == 1 else tuple(tuple(single[a][c] * single[b][d] for c, d in pairs) for a, b in pairs)
    return tuple(tuple(complex(value / math.sqrt(2**rank)) for value in row) for row in matrix)


def grover(components: int) -> Matrix:
    """2 / d - identity: all components are mirrored at their mean."""
    return tuple(tuple(complex(2 / components - (j == k)) for k in range(components)) for j in range(components))


def dft(components: int) -> Matrix:
    """exp(2 pi i j k / d) / sqrt d, the discrete Fourier transform; for two components the Hadamard coin."""
    return tuple(tuple(_root(j * k, components) / math.sqrt(components) for k in range(components)) for j in range(components))


def _root(power: int, of: int) -> complex:
    """exp(2 pi i power / of), whole where it is a quarter turn."""
    quarters, rest = divmod(4 * power, of)
    return (1 + 0j, 1j, -1 + 0j, -1j)[quarters % 4] if not rest else cmath.exp(2j * math.pi * power / of)


def own_coin(given: Any, components: int, where: str) -> Matrix:
    """A coin from rows of numbers, or of texts of complex numbers such as "0.5+0.5j"; refined to full precision.

    Raises:
        ConfigError: no square matrix of the walk's size, entries that are no numbers, or a matrix that is not unitary.
    """
    wanted = f'{components} rows of {components} numbers, complex ones as texts such as "0.5+0.5j"'
    try:
        matrix = np.array([[complex(one) for one in row] for row in given], np.complex128)
    except (TypeError, ValueError):
        raise ConfigError(f"{where} coin: {given!r} given; expected one of {', '.join(COINS)}, or {wanted}") from None
    if matrix.shape != (components, components) or not np.isfinite(matrix).all():
        raise ConfigError(f"{where} coin: a matrix of shape {matrix.shape} given; expected {wanted}")
    error = float(np.abs(matrix.conj().T @ matrix - np.eye(components)).max())
    if error > _TOLERANCE:
        raise ConfigError(
            f"{where} coin: not unitary: conjugate transpose times coin is up to {error:.3g} from the identity; "
            f"expected at most {_TOLERANCE:g}"
        )
    left, _, right = np.linalg.svd(matrix)  # the nearest unitary matrix: the digits that were not written
    return tuple(tuple(complex(one) for one in row) for row in (left @ right).tolist())
