"""Sweep configs: a config to start from, the parameters that vary, and the observables to measure."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field as Setting

from aetheria.core.errors import ConfigError, nearest
from aetheria.core.settings import Settings
from aetheria.laws import find_law, parameters
from aetheria.runs.config import RunConfig, find_config, read_settings, shipped_sweeps, with_settings
from aetheria.sweep.ranges import Distribution, is_distribution, is_range, parameters_in, values_of

ARCHIVES = ("map-elites", "cma-me")  # methods that fill an archive
_TABLES = ("grid", "random", "search")


class RandomConfig(Settings):
    """Random points.

    Attributes:
        points: their number. [points]
        seed: of the draws; more points with the same seed begin with the same ones. [1]
        parameters: a distribution for each dotted key.
    """

    points: int = Setting(gt=0, le=1_000_000, examples=["points = 100"])
    seed: int = Setting(default=0, ge=0, lt=1 << 63)
    parameters: dict[str, Any] = Setting(examples=['parameters = { "law.m" = { uniform = [0.1, 0.2] } }'])


class SearchConfig(Settings):
    """A search: each batch of points depends on the results of those before.

    Attributes:
        method: "tpe", "cma-es" or "random" (Optuna); "map-elites" or "cma-me" (pyribs).
        points: number of points at most. [points]
        batch: points that are asked for at once. [points]
        seed: of the sampler. [1]
        maximise, minimise: the objective, one of the two: a column of the table, as in "mass_mean"; "mass" is "mass_last".
        archive: for pyribs: a range [low, high] for each measure, a column too; points beyond stay out.
            [unit of the column]
        cells: for pyribs: cells of the archive along each measure. [cells]
        parameters: a distribution for each dotted key.
    """

    method: Literal["tpe", "cma-es", "random", "map-elites", "cma-me"] = "tpe"
    points: int = Setting(gt=0, le=1_000_000, examples=["points = 200"])
    batch: int = Setting(default=16, gt=0)
    seed: int = Setting(default=0, ge=0, lt=1 << 31)
    maximise: str | None = None
    minimise: str | None = Setting(default=None, examples=['minimise = "mass_mean"'])
    archive: dict[str, list[float]] = Setting(default_factory=dict)
    cells: int = Setting(default=16, gt=0, le=1000)
    parameters: dict[str, Any] = Setting(examples=['parameters = { "law.m" = { uniform = [0.1, 0.2] } }'])


class MeasureConfig(Settings):
    """The observables of a row.

    Attributes:
        observables: names of observables (fields with one number for each universe), and of `aetheria.measures.OF_RUNS`.
        every: steps between two samples; None for the config's `record.every`. [steps]
        after: steps before the first sample that counts for mean and extremes. [steps]
    """

    observables: list[str] = Setting(min_length=1, examples=['observables = ["mass"]'])
    every: int | None = Setting(default=None, gt=0)
    after: int = Setting(default=0, ge=0)


class SweepConfig(Settings):
    """Many runs of one config.

    Attributes:
        title: of the table and its charts.
        config: a file, relative to that of the sweep, or the name of a shipped config.
        set: settings that are changed for all points, by dotted key.
        seeds: number of seeds for each point, counted up from the config's; or a list of them. [1]
        grid: the values of each dotted key, a list or a range; every combination is a point.
        batched: points that differ in their seed and in controls of the law are universes of one motor: faster on small grids;
            the last digits may differ from those of runs of their own.
        recordings, pictures: keep the HDF5 recording, and the picture of the last state, of each run.
        threads: of each worker; the last bits of some laws depend on it. [threads]
        plot: the heat map's axes, and the column it shows.
        slurm: settings of jobs, as submitit names them: timeout_min, mem_gb, slurm_partition ...
    """

    title: str = ""
    config: str = Setting(examples=['config = "orbium"'])
    set: dict[str, Any] = Setting(default_factory=dict)
    seeds: int | list[int] = 1
    grid: dict[str, Any] | None = Setting(default=None, min_length=1)
    random: RandomConfig | None = None
    search: SearchConfig | None = None
    measure: MeasureConfig
    batched: bool = False
    recordings: bool = False
    pictures: bool = False
    threads: int = Setting(default=1, gt=0, le=1024)
    plot: dict[Literal["x", "y", "show"], str] = Setting(default_factory=dict)
    slurm: dict[str, Any] = Setting(default_factory=dict)


@dataclass(frozen=True)
class SweepPlan:
    """A checked sweep: the settings, the values of the config to start from, and what varies.

    Attributes:
        folder: of the sweep's file, to which file names in its values are relative.
        base: the config's values, `set` applied.
        grid: the values of each parameter.
        distributions: of the parameters of [random] or [search].
    """

    config: SweepConfig
    folder: Path
    base: dict[str, Any]
    grid: Mapping[str, list[Any]]
    distributions: Mapping[str, Distribution]

    @property
    def varied(self) -> list[str]:
        """The dotted keys that vary, in the order of the columns."""
        return [*self.grid, *self.distributions]


def load_sweep(path: str | Path, overrides: list[str] | None = None) -> tuple[SweepPlan, str]:
    """Reads a sweep from a TOML file, or a shipped one by its name; returns it and a name for its folder.

    Args:
        overrides: "key=value" with the sweep's own dotted keys, as in "search.points=50".

    Raises:
        FileUnreadableError: the file, or the config it names, does not exist.
        ConfigError: unknown or wrong settings, or a parameter that the config does not have; one line each.
    """
    file = shipped_sweeps().get(str(path), Path(path))
    values = read_settings(file if file.is_file() else find_config(file), overrides)
    if "config" not in values and {"steps", "law"} & values.keys():
        raise ConfigError(f"{path}: is the config of a run; `aetheria run` runs it, and a sweep names it as config = ...")
    return checked_sweep(values, file.parent.resolve()), file.stem


def checked_sweep(values: Any, folder: Path) -> SweepPlan:
    """A sweep from its values. Raises as `load_sweep` does."""
    config = SweepConfig.checked(values, "")
    if config.grid is None and config.random is None and config.search is None:
        raise ConfigError(f"[config] nothing varies; expected one of the tables {', '.join(f'[{name}]' for name in _TABLES)}")
    if config.search is not None and (config.grid is not None or config.random is not None):
        raise ConfigError("[search] given with [grid] or [random]; expected a search of its own")
    if config.search is not None:
        _check_search(config.search, config.measure.observables)
    if (isinstance(config.seeds, int) and config.seeds < 1) or config.seeds == []:
        raise ConfigError(f"[config] seeds: {config.seeds!r} given; expected 1 or more, or a list of seeds")
    beside = folder / config.config
    base = read_settings(beside if beside.is_file() else find_config(config.config))
    everywhere = parameters_in(config.set, "set")
    base = with_settings(base, everywhere, folder)
    grid = {key: values_of(entry, f"[grid] {key}") for key, entry in parameters_in(config.grid or {}, "grid", is_range).items()}
    table = "random" if config.random else "search"
    drawn = config.random or config.search
    entries = parameters_in(drawn.parameters if drawn else {}, f"{table}.parameters", is_distribution)
    distributions = {key: Distribution(entry, f"[{table}.parameters] {key}") for key, entry in entries.items()}
    if drawn and not distributions:
        raise ConfigError(f"[{table}.parameters] empty; expected one parameter or more, with their distributions")
    for where, keys in {"set": everywhere, "grid": grid, f"{table}.parameters": distributions}.items():
        _check_keys(where, list(keys), base, [*grid.get("law.name", [])], config.config)
    if both := grid.keys() & distributions.keys():
        raise ConfigError(f"[grid] {', '.join(sorted(both))}: also in [random]; expected each parameter once")
    if "seed" in {*grid, *distributions} and config.seeds != 1:
        raise ConfigError("[config] seeds: given, and seed is a parameter too; expected one of the two")
    return SweepPlan(config, folder, base, grid, distributions)


def _check_search(search: SearchConfig, observables: list[str]) -> None:
    """Raises ConfigError for a search without an objective, or over a column that the table will not have."""
    if (search.maximise is None) == (search.minimise is None):
        raise ConfigError('[search] expected maximise or minimise, one of the two, as in maximise = "mass_mean"')
    if (search.method in ARCHIVES) != bool(search.archive):
        wanted = "needs archive = { speed_mean = [0, 1], mass_last = [0, 100] }" if not search.archive else "has no archive"
        raise ConfigError(f'[search] method = "{search.method}" {wanted}')
    columns = {f"{name}_{statistic}" for name in observables for statistic in ("last", "mean", "min", "max")} | {*observables}
    for name in filter(None, (search.maximise, search.minimise, *search.archive)):
        if name not in columns:
            raise ConfigError(f"[search] {name}: no such column of [measure] observables; {nearest(name, sorted(columns))}")
    for name, limits in search.archive.items():
        if len(limits) != 2 or limits[0] >= limits[1]:
            raise ConfigError(f"[search] archive {name}: {limits} given; expected [low, high]")


def _check_keys(where: str, keys: list[str], base: dict[str, Any], laws: list[Any], config: str) -> None:
    """Raises ConfigError for keys that no config of these laws has."""
    name = (base.get("law") or {}).get("name")
    with suppress(ConfigError):  # a parameter may complete it
        name = RunConfig.checked(base, "").law.name
    known = {place for places in RunConfig.places(base).values() for place in places}
    for law in {name, *laws}:
        if isinstance(law, str):
            known |= {f"law.{parameter}" for parameter in parameters(find_law(law))}
    fixed = {key for key in known if not _is_table(key)}
    for key in keys:
        if (
            key not in fixed
            and not key.startswith(("record.levels.", "record.slice.", "picture.slice."))
            and not _given(base, key)
        ):
            close = nearest(
                key, sorted(one for one in fixed if one.partition(".")[0] == key.partition(".")[0]) or sorted(fixed)
            )
            raise ConfigError(f"[{where}] {key}: no such setting of {config}; {close}")


def _given(base: dict[str, Any], key: str) -> bool:
    """Whether a config gives a value to a key of a table whose keys are the user's own, as `law.constants.a`."""
    found: Any = base
    for part in key.split("."):
        if not isinstance(found, dict) or part not in found:
            return False
        found = found[part]
    return not isinstance(found, dict) and key.count(".") > 1


def _is_table(key: str) -> bool:
    return key in ("grid", "law", "initial", "motor", "record", "checkpoint", "picture")
