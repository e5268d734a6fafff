"""A split run on two hosts, which are network namespaces of this machine, and the network between them that is cut."""

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from aetheria import Recording
from aetheria.core.errors import AetheriaError
from aetheria.runs.checkpoint import checkpoints_of
from aetheria.runs.config import RunConfig
from aetheria.runs.run import build_motor
from benchmarks.faults.fault import Fault, FaultResult
from benchmarks.faults.fork_server import ROOT

ADDRESSES = ("10.77.0.1", "10.77.0.2")
_INTERFACE = "link0"  # of each host
_BOUND_S = 45.0  # twice SILENCE_S of aetheria.split.keepalive, for the connections and then the store, and a busy machine
_PATIENCE_S = 240.0  # for what has no bound of its own
_ENDLESS = 10**7
_WITH_CODE = '"$@"; echo $? > "$0"'  # torchrun tells the exit code of a rank at its own end alone
_CONFIG = """
steps = {steps}
seed = 4
grid = {{ height = 24, width = 20 }}
law = {{ name = "Life" }}
motor = {{ plan = "eager" }}
record = {{ every = 20 }}
checkpoint = {{ every = 40 }}
"""


def why_not() -> str:
    """Why this machine cannot have network namespaces, for people; empty if it can."""
    if shutil.which("ip") is None:
        return "needs the command `ip` of iproute2"
    probe = f"aetheria-probe{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"network namespaces cannot be made here: {made.stderr.strip()}"
    _ip("netns", "delete", probe)
    return ""


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@dataclass(frozen=True)
class Host:
    """A network namespace with one interface, on whose other end is the other host."""

    name: str
    number: int

    @property
    def files(self) -> Path:
        """The folder of files that this namespace sees in /etc."""
        return Path("/etc/netns") / self.name

    def set_link(self, up: bool) -> None:
        """Connects the host, or cuts its link: nothing is sent or received, and no connection is told so."""
        _ip("-n", self.name, "link", "set", _INTERFACE, "up" if up else "down")

    def end_processes(self) -> None:
        """Kills all that still runs on this host."""
        listed = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True, check=False)
        for process in map(int, listed.stdout.split()):
            with suppress(psutil.NoSuchProcess):
                psutil.Process(process).kill()


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts with a cable between them; both are removed afterwards, with all that runs there."""
    hosts = (Host(f"aetheria{os.getpid()}a", 0), Host(f"aetheria{os.getpid()}b", 1))
    try:
        for host in hosts:
            _ip("netns", "add", host.name)
            host.files.mkdir(parents=True)
            # Names are looked up in this file, not by servers that cannot be reached.
            (host.files / "nsswitch.conf").write_text("hosts: files\n")
        cable = ["link", "add", _INTERFACE, "netns", hosts[0].name, "type", "veth", "peer", "name", _INTERFACE]
        _ip(*cable, "netns", hosts[1].name)
        for host in hosts:
            _ip("-n", host.name, "link", "set", "lo", "up")
            _ip("-n", host.name, "address", "add", f"{ADDRESSES[host.number]}/24", "dev", _INTERFACE)
            host.set_link(up=True)
        yield hosts
    finally:
        for host in hosts:
            host.end_processes()
            subprocess.run(["ip", "netns", "delete", host.name], check=False, capture_output=True)
            shutil.rmtree(host.files, ignore_errors=True)
        with suppress(OSError):
            Path("/etc/netns").rmdir()


@dataclass
class Ranks:
    """A split run on both hosts, one process each, started by torchrun with its rendezvous between them.

    Attributes:
        agents: torchrun's own processes.
        logs: folder of each rank's output.
    """

    hosts: tuple[Host, Host]
    logs: Path
    agents: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, words: list[str]) -> None:
        """Starts `aetheria run` with these arguments."""
        self.logs.mkdir(parents=True)
        for host in self.hosts:
            torchrun = ["-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--rdzv-backend", "c10d"]
            # Hosts of one machine have one name, so that torchrun cannot tell by it which of them is the endpoint.
            place = ["--rdzv-conf", f"is_host={int(host.number == 0)}", "--local-addr", ADDRESSES[host.number]]
            output = ["--log-dir", str(self.logs / str(host.number)), "--redirects", "3"]
            self.agents.append(
                subprocess.Popen(
                    [
                        *("ip", "netns", "exec", host.name, sys.executable, *torchrun),
                        *("--rdzv-id", "run", "--rdzv-endpoint", f"{ADDRESSES[0]}:29500", *place, *output),
                        *("--no-python", "sh", "-c", _WITH_CODE, str(self._code_of(host)), sys.executable),
                        *("-m", "aetheria", "run", *words, "--split", "2x1", "--device", "cpu", "--quiet"),
                    ],
                    env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": _INTERFACE},
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )

    def ended(self) -> bool:
        """Whether both ranks have ended; torchrun may go on."""
        return all(self._code_of(host).exists() for host in self.hosts)

    def end_torchrun(self) -> None:
        """Ends torchrun's own processes, which wait for minutes for a rendezvous that is out of reach."""
        for agent in self.agents:
            agent.kill()
            agent.wait()

    def ends(self) -> list[tuple[str, str]]:
        """Exit code and messages of each rank."""
        return [(self._read(self._code_of(host)), self._said(host)) for host in self.hosts]

    def _code_of(self, host: Host) -> Path:
        return self.logs / f"code{host.number}"

    def _read(self, code: Path) -> str:
        return code.read_text().strip() if code.exists() else "no exit code"

    def _said(self, host: Host) -> str:
        """Messages of a rank, and warnings of torch."""
        return "".join(path.read_text() for path in (self.logs / str(host.number)).rglob("stderr.log"))


def on_two_hosts(times: int) -> FaultResult:
    """Runs to the end on two hosts; then cuts the link of further runs at random moments, and resumes them there."""
    if reason := why_not():
        return FaultResult(0, [], f"not run: {reason}")
    result, dice = FaultResult(), random.Random(21)
    seconds: list[float] = []
    with tempfile.TemporaryDirectory() as place, two_hosts() as hosts:
        config = Path(place) / "whole.toml"
        config.write_text(_CONFIG.format(steps=400))
        recording = Path(place) / "whole.h5"
        result.failures += _to_the_end(hosts, recording, [str(config), "--out", str(recording)], steps=400)
        for number in range(times):
            recording = Path(place) / f"{number}.h5"
            took, wrong = _cut(hosts, recording, dice.uniform(0, 2), hosts[number % 2])
            seconds.append(took)
            result.runs += 1
            if not wrong:
                with Recording(recording) as read:
                    steps = int(read.steps[-1]) + 100
                wrong = _to_the_end(hosts, recording, ["--resume", str(recording), "--steps", str(steps)], steps)
            result.failures += [f"cut {number}: {line}" for line in wrong]
    result.summary = f"the ranks ended within {max(seconds):.0f} s; resumed on both hosts, equal to the last bit"
    return result


def _cut(hosts: tuple[Host, Host], recording: Path, delay: float, cut: Host) -> tuple[float, list[str]]:
    """Starts a run, cuts the link of a host; returns the seconds until both ranks have ended, and what is wrong."""
    config = recording.with_suffix(".toml")
    config.write_text(_CONFIG.format(steps=_ENDLESS))
    ranks = Ranks(hosts, recording.with_suffix(".logs"))
    ranks.start([str(config), "--out", str(recording)])
    _await(lambda: bool(checkpoints_of(recording)) or ranks.ended())
    time.sleep(delay)
    began = time.monotonic()
    wrong = ["a rank ended before the link was cut"] if ranks.ended() else []
    cut.set_link(up=False)
    _await(ranks.ended)
    seconds = time.monotonic() - began
    wrong += [f"the ranks ran for {seconds:.0f} s after the cut"] if seconds > _BOUND_S else []
    ranks.end_torchrun()
    cut.set_link(up=True)
    for rank, (code, said) in enumerate(ranks.ends()):
        if code != "7" or len(re.findall("^error ", said, re.MULTILINE)) != 1 or "a process was lost" not in said:
            wrong.append(f"rank {rank}: exit code {code}: {said[-300:]!r}")
    return seconds, wrong


def _await(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)


def _to_the_end(hosts: tuple[Host, Host], recording: Path, words: list[str], steps: int) -> list[str]:
    """Runs or resumes on both hosts; returns the failures, at most one line."""
    ranks = Ranks(hosts, recording.with_suffix(".logs") / "to the end")
    ranks.start(words)
    _await(lambda: all(agent.poll() is not None for agent in ranks.agents))
    ranks.end_torchrun()
    ends = ranks.ends()
    return unlike_one_process(recording, steps) if all(code == "0" for code, _ in ends) else [f"ended with {ends}"]


def unlike_one_process(recording: Path, steps: int) -> list[str]:
    """How a finished recording differs from the steps of one process, in at most one line."""
    try:
        with Recording(recording) as read, build_motor(RunConfig.from_toml(read.config, "config"), "cpu") as one:
            if int(read.steps[-1]) != steps:
                return [f"the last frame is of step {int(read.steps[-1])}, not {steps}"]
            for frame in read:
                one.step(frame.step - one.step_count)
                if any(not np.array_equal(frame[name], one.read(name).numpy()) for name in frame.fields):
                    return [f"the frame of step {frame.step} differs from one process"]
    except AetheriaError as error:
        return [f"{error}"]
    return []


FAULTS = [
    Fault(
        "the network between two hosts is cut during a split run",
        f"every rank ends within {_BOUND_S:.0f} s with one message and exit code 7; --resume goes on to the same bits",
        on_two_hosts,
        few=0,  # four starts of torchrun for a cut
        many=6,
    )
]
