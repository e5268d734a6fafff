"""Many runs of one config: `aetheria sweep sweep.toml`, and the table of their results.

from aetheria.sweep import load
table = load("runs/orbium_map")       # the folder of a sweep, or its results.jsonl
table.to_pandas().pivot(index="law.s", columns="law.m", values="mass_last")
"""

from aetheria.sweep.results import ResultTable as ResultTable
from aetheria.sweep.results import load as load
