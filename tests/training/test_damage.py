"""Damage in a training: shapes, share, schedule, and bad input."""

import random
from typing import Any

import pytest

from aetheria.core.errors import ConfigError
from aetheria.training.damage import Damage, Shape


def test_the_share_rises_from_begin_to_full() -> None:
    damage = Damage(0.5, begin=0.2, full=0.6)
    assert [damage.count(8, progress) for progress in (0, 0.19, 0.2, 0.4, 0.6, 1)] == [0, 0, 0, 2, 4, 4]
    assert Damage(0.25).count(8, 0.0) == 2
    assert Damage(0.99).count(4, 1.0) == 3  # one state is the seed


@pytest.mark.parametrize(
    ("shape", "least", "most"),
    [
        ("disc", 0.02, 0.51),
        ("side", 0.3, 0.7),
        ("half", 0.5, 0.5),
        ("square", 0.03, 0.37),
        ("ring", 0.05, 0.4),
        ("noise", 0.05, 0.6),
    ],
)
def test_each_shape_removes_a_part(shape: Shape, least: float, most: float) -> None:
    damage = Damage(0.5, [shape])
    shares = [float(damage.mask(20, 20, random.Random(i)).float().mean()) for i in range(60)]
    assert least <= min(shares)
    assert max(shares) <= most


def test_all_four_halves_come() -> None:
    damage = Damage(0.5, ["half"])
    masks = {tuple(damage.mask(4, 4, random.Random(i)).flatten().tolist()) for i in range(40)}
    assert len(masks) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"share": 1.0}, "share: 1.0 given"),
        ({"share": 0.5, "shapes": []}, r"shapes: \[\] given"),
        ({"share": 0.5, "shapes": ["star"]}, "expected some of disc, side, half, square, ring, noise"),
        ({"share": 0.5, "begin": 0.5}, "expected 0 <= begin <= full <= 1"),
    ],
)
def test_bad_damage_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Damage(**given)
