"""System calls that fail during `aetheria run`: each call on a file of the run, with each error that Linux gives there."""

import ctypes
import errno
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from aetheria import Recording
from aetheria.core.errors import AetheriaError
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ChildResult, fork_server
from benchmarks.faults.resumes import STEPS, compare, finish, lay_out, run_cli, uninterrupted

_ONCE, _LASTING, _SHORT = range(3)  # of calls.c
_FULL = (errno.ENOSPC, errno.EDQUOT)
_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
CALLS: dict[str, tuple[int, ...]] = {  # errors by call: the man pages of Linux, section 2
    "write": (*_OF_DISKS, errno.EFBIG, errno.EINVAL, errno.EPERM),
    "fsync": (*_OF_DISKS, errno.EINVAL),
    "fdatasync": (*_OF_DISKS, errno.EINVAL),
    "rename": (*_OF_DISKS, errno.EACCES, errno.EBUSY, errno.EPERM, errno.ENOMEM),
    "ftruncate": (errno.EIO, errno.EFBIG, errno.EINVAL, errno.EPERM, errno.EROFS),
    "close": (errno.EIO, errno.ENOSPC, errno.EDQUOT),
    "open": (*_OF_DISKS, errno.EACCES, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EPERM),
    "mmap": (errno.ENOMEM, errno.EAGAIN, errno.EACCES, errno.ENFILE),
}
_MOST = {"write": 260, "fsync": 10, "fdatasync": 10, "rename": 8, "ftruncate": 12, "close": 27, "open": 60, "mmap": 12}


def run_with_fault(folder: str, call: str, nth: int, how: int, number: int) -> None:
    """Runs the config in a folder by the command line, where the `nth` such call on a file of the folder fails."""
    shim = ctypes.CDLL(None)
    shim.calls_arm(f"{folder}/".encode(), call.encode(), ctypes.c_long(nth), how, number)
    try:
        run_cli(folder, resume=False)
    finally:
        struck = shim.calls_struck()
        shim.calls_arm(b"", b"", ctypes.c_long(0), 0, 0)
        print(f"\nstruck {struck}")


def inject(call: str) -> Callable[[int], FaultResult]:
    """One call fails, or all from then on, or a write is short."""

    def injected(times: int) -> FaultResult:
        result, dice, struck, codes = FaultResult(), random.Random(call), 0, dict.fromkeys((0, 2, 3, 5), 0)
        uninterrupted("Life", STEPS)
        plans = _plans(call, dice)
        with tempfile.TemporaryDirectory(prefix="calls") as place:
            while struck < times and result.runs < 2 * times:  # some calls are never made
                nth, how, number = next(plans)
                lay_out(folder := Path(place) / str(result.runs), "Life", STEPS)
                ended = _run(folder, call, nth, how, number)
                hit = "\nstruck 0" not in ended.output
                result.runs += 1
                struck += hit
                where = f"{call} {nth}, {errno.errorcode.get(number, 'short')}{' lasting' if how == _LASTING else ''}: "
                result.failures += [where + line for line in _wrong(folder, ended, number, hit)]
                if ended.code in codes:
                    codes[ended.code] += 1
                shutil.rmtree(folder)
        shown = ", ".join(f"{count} with {code}" for code, count in codes.items() if count)
        result.summary = f"{struck} struck a run; ended {shown}; each finished afterwards, equal to the last bit"
        return result

    return injected


def _plans(call: str, dice: random.Random) -> Iterator[tuple[int, int, int]]:
    """Number of the call, manner and error: the first calls with each error, then at random."""
    first = [(nth, how, number) for nth in range(1, 4) for how in (_ONCE, _LASTING) for number in CALLS[call]]
    dice.shuffle(first)
    yield from first
    while True:
        number, how = dice.choice(CALLS[call]), dice.choice((_ONCE, _LASTING))
        short = call == "write" and dice.random() < 0.2
        yield dice.randrange(1, _MOST[call] + 1), _SHORT if short else how, 0 if short else number


def _run(folder: Path, call: str, nth: int, how: int, number: int) -> ChildResult:
    task = "benchmarks.faults.calls:run_with_fault"
    return fork_server().run(task, folder=str(folder), call=call, nth=nth, how=how, number=number)


def _wrong(folder: Path, ended: ChildResult, number: int, hit: bool) -> list[str]:
    """Unexpected results of a run, in at most one line."""
    if ended.code == 0:  # the call was not needed, or repeated
        return compare(folder, "Life", STEPS)
    # 2: before anything is written, where it is the folder that cannot be written to.
    wanted = (3,) if number in _FULL else (2, 5)
    if ended.code not in wanted or "Traceback" in ended.output or not hit:
        return [f"ended with {ended.code}, expected {' or '.join(map(str, wanted))}: {ended.output[-300:]!r}"]
    if not (path := folder / "run.h5").exists():
        return finish(folder, "Life", STEPS)
    try:
        with Recording(path) as recording:
            list(map(dict, (frame.fields for frame in recording)))
    except AetheriaError as error:
        return [f"{error}"]
    wrong = finish(folder, "Life", STEPS)
    # It was the picture that could not be written, or the last folder synced: the run itself was at its end.
    return compare(folder, "Life", STEPS) if any("is at its end" in line for line in wrong) else wrong


FAULTS = [
    Fault(
        f"system call {call} fails ({', '.join(errno.errorcode[number] for number in CALLS[call])})",
        "exit code 3 for a full disk or quota, or 5 (2 before the start); frames readable; resumes to the same bits",
        inject(call),
        few=1,
        many=300 if call == "write" else 120,  # errors that strike a run
    )
    for call in CALLS
]
