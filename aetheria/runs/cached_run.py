"""A run whose recording and picture are taken from the cache, if the same run was made before."""

import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from aetheria.files.atomic import atomic_write, check_output
from aetheria.runs.config import RunConfig
from aetheria.runs.run import RunResult, run
from aetheria.runs.run_cache import RunCache, cache_key


def run_cached(
    config: RunConfig,
    out: Path,
    *,
    cache: RunCache | None = None,
    device: str | None = None,
    overwrite: bool = False,
    make_folder: bool = False,
    **given: Any,
) -> RunResult:
    """As `run`, but a run of equal config, seed, versions, device and threads is copied from the cache.

    A run that was not done before is kept there when it comes to its end. Checkpoints are not kept.

    Args:
        cache: None for that of the user.
        given: further arguments of `run`.
    """
    cache = cache or RunCache()
    key, began = cache_key(config, device, kind="recording"), time.perf_counter()
    found = cache.get(key) if key else None
    if found is None:
        result = run(config, out, device=device, overwrite=overwrite, make_folder=make_folder, **given)
        if key and result.status == "done" and result.picture is not None:
            values = {
                name: value for name, value in asdict(result).items() if name in ("status", "exit_code", "steps", "frames")
            }
            cache.put(key, values, {"recording.h5": result.recording, "picture.png": result.picture})
        return result
    values, files = found
    targets = {"recording.h5": out, "picture.png": out.with_suffix(".png")}
    for target in targets.values():
        check_output(target, overwrite, make_folder)
    out.parent.mkdir(exist_ok=True)
    for name, target in targets.items():
        with atomic_write(target) as temporary:
            shutil.copyfile(files[name], temporary)
    return RunResult(
        **values,
        seconds=time.perf_counter() - began,
        recording=out,
        picture=targets["picture.png"],
        message="the same run was made before; copied from the cache",
    )
