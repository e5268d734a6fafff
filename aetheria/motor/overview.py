"""Overviews of a motor for people: what `repr` and notebooks show. Nothing here steps, or waits long for a motor that steps."""

import threading
from typing import Any

import torch

from aetheria.core.device import times
from aetheria.core.notebook import html_table
from aetheria.core.printable import counted, printable
from aetheria.motor.reading import MotorReader
from aetheria.observe.fields import FIELDS
from aetheria.observe.request import Reduction
from aetheria.observe.thumbnail import SIDE, thumbnail

_PATIENCE_S = 0.5  # for the picture; a motor that compiles keeps its lock for longer
_AVERAGED = 1 << 22  # cells up to which the picture is averaged down; of larger grids single cells are shown


def overview(motor: MotorReader) -> dict[str, str]:
    """A motor in rows of name and text; empty where there is nothing to say."""
    batch, channels, *grid = motor.shape
    law, plan = motor.traits, motor.plan
    return {
        "law": law.name if law.rule_string == law.name else f"{law.name} {law.rule_string}",
        "cells": f"{times(grid)} cells, {counted(channels, 'channel')}"
        + (f", {counted(batch, 'universe')}" if batch > 1 else ""),
        "device": f"{motor.device}, {str(motor.dtype).removeprefix('torch.')}",
        "step": f"{motor.step_count:,}",
        "seed": str(motor.seed),
        "plan": f"{plan.name}: {plan.reason}" if plan.reason else plan.name,
    }


def one_line(motor: MotorReader) -> str:
    """The `repr` of a motor."""
    rows = overview(motor)
    return printable(
        f"<Aetheria_Motor: {rows['law']}, {rows['cells']}, on {rows['device']}, step {rows['step']}, plan {motor.plan.name}>"
    )


def as_html(motor: MotorReader) -> str:
    """A motor as a notebook shows it, with a picture of its cells unless they cannot be read soon."""
    found: list[bytes | None] = []
    # In a thread: the lock may be held by a thread that compiles, or by a pause of the user's own code.
    thread = threading.Thread(target=lambda: found.append(_picture(motor)), daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return html_table("Aetheria_Motor", overview(motor), found[0] if found else None)


def _picture(motor: MotorReader) -> bytes | None:
    try:
        batch, _, *grid = motor.shape
        law, cells = motor.traits, torch.Size(grid).numel() * batch
        default = FIELDS.get(law.default_field) or FIELDS.get(law.default_field.rpartition("_")[0])
        # Another field may need the law's next step.
        name = law.default_field if default is not None and default.local and not default.scalar else "channel_0"
        reduction: Reduction = "mean" if cells <= _AVERAGED else "nearest"
        cut: dict[str, Any] = {"slice": {"z": grid[0] // 2}} if len(grid) == 3 else {}
        size = [min(side, SIDE) for side in grid[-2:]]
        return thumbnail(motor.read(name, size, universe=0, reduction=reduction, **cut)[0].cpu().numpy(), name)
    except Exception:  # noqa: BLE001 - a notebook shows the table without a picture
        return None
