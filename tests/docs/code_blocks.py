"""Code blocks of pages in Markdown, and how each kind is run.

- `python`: executed; all blocks of a page are one session.
- `toml`: read as a config; keys missing in a part of one are forgiven. With a title it is written to a file of that name.
- `sh`: commands `aetheria` run in this process, with fewer steps than stated (`SHORTER`); of those that wait
  for a user (`ONLY_READ`), of `make` and `pip`, and of what `torchrun` starts, the arguments are checked.
- `text`: not code.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import typer

from aetheria.cli import app
from aetheria.core.errors import ConfigError
from aetheria.core.settings import Settings
from aetheria.runs.config import RunConfig, shipped_configs
from aetheria.sweep.sweep_config import SweepConfig
from aetheria.training.task_config import TaskConfig
from aetheria.training.train_config import GrowConfig, TrainConfig
from tests.paths import ROOT

_FENCE = re.compile(r"^( *)```(\w+)?(?: title=\"([^\"]+)\")?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_STEPS = 6
# Arguments that make a command short; its own --steps are cut to `_STEPS`.
SHORTER: dict[str, list[str]] = {
    "run": ["--set", "motor.plan=eager", "--set", f"steps={_STEPS}"],
    "train": ["--set", "train.steps=2", "--set", "train.batch=2", "--set", "train.validate_every=1"],
    "sweep": [
        *("--on", "inline", "--no-cache", "--set", f"set.steps={_STEPS}", "--set", "set.motor.plan=eager", "--set", "seeds=1"),
        *(
            "--set",
            "grid.law.m=[0.14, 0.15]",
            "--set",
            "grid.law.s=[0.014, 0.015]",
            "--set",
            "measure.every=2",
            "--set",
            "measure.after=0",
        ),
    ],
    "grow": ["--set", "picture.size=6", "--set", "picture.grid=[8, 8]", "--set", "law.hidden_channels=8"],  # added to "train"
}
# Commands of which only the arguments are read: a window waits for its user.
ONLY_READ = ("view",)
READERS = ("serve", "watch")  # they wait for each other, and are tested together in tests/serve


class Block(NamedTuple):
    """A fenced block: its language, the title of its file, and its text."""

    language: str
    title: str
    text: str


class Page:
    """The session of a page: Python's names, and the current folder for files."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.session: dict[str, Any] = {}

    def run(self, block: Block) -> None:
        """Runs a block as its language asks for."""
        match block.language:
            case "python":
                exec(compile(block.text, self.name, "exec"), self.session)
            case "toml":
                check_config(block.text)
                if block.title:
                    Path(block.title).write_text(block.text, "utf-8")
            case "sh":
                for line in commands(block.text):
                    run_command(line)
            case other:
                assert other == "text", f"{self.name}: a block in {other or 'no language'}"


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page, without their indentation."""
    for indent, language, title, text in _FENCE.findall(markdown):
        yield Block(language, title, re.sub(f"^{indent}", "", text, flags=re.MULTILINE))


def commands(text: str) -> Iterator[list[str]]:
    """The command lines of a block, without comments; `for x in ...; do ...; done` is the command for the first value."""
    for line in text.replace("\\\n", " ").splitlines():
        loop = re.fullmatch(r"for (\w+) in (\S+).*?; do (.*); done", line)
        if loop:
            line = re.sub(rf"\$\{{?{loop[1]}\b\}}?", loop[2], loop[3])
        words = shlex.split(re.sub(r"^\w+=\S+ ", "", line), comments=True)  # without a variable of the environment
        if words:
            yield words


def check_config(text: str) -> None:
    """Reads a config, or a part of one. Raises AssertionError for everything but missing keys."""
    values = tomllib.loads(text)
    model: type[Settings] = RunConfig
    if {"config", "random", "search", "seeds", "measure", "slurm"} & values.keys():
        model = SweepConfig
    elif "data" in values:
        model = TrainConfig
    elif "objective" in values or "objective" in values.get("train", {}):
        model = TaskConfig
    elif {"path", "emoji"} & values.get("picture", {}).keys() or "damage" in values:
        model = GrowConfig
    try:
        model.checked(values, "")
    except ConfigError as error:
        wrong = [line for line in str(error).splitlines() if "missing; this key is required" not in line]
        assert not wrong, wrong


def run_command(words: list[str]) -> None:
    """Runs a command line, or checks what can be checked of it."""
    program, *arguments = words
    match program:
        case "aetheria":
            _run_aetheria(*arguments)
        case "make":
            targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
            assert arguments[0] in targets
        case "pip":
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
            assert {
                name for found in re.findall(r"\[([\w,]+)\]", " ".join(arguments)) for name in found.split(",")
            } <= extras.keys()
        case "torchrun":
            _read(*arguments[arguments.index("aetheria") + 1 :])
        case "mkdir":
            Path(arguments[-1]).mkdir(exist_ok=True)
        case _:
            raise AssertionError(f"{program}: not known to this test")


def _run_aetheria(name: str, *arguments: str) -> None:
    given = [*arguments]
    if "--steps" in given:
        place = given.index("--steps") + 1
        given[place] = str(min(int(given[place]), 2 * _STEPS if "--resume" in given else _STEPS))
    shorter = SHORTER.get(name, []) if not {"--resume", "--show"} & {*given} else []
    if name == "train" and "picture" in tomllib.loads(Path(given[0]).read_text("utf-8")):
        shorter = shorter + SHORTER["grow"]
    elsewhere = name in READERS or any("://" in one for one in given)
    if "--on" in given or "--serve" in given or elsewhere:  # a cluster, and readers elsewhere
        _read(name, *given)
        return
    if name in ONLY_READ:
        _read(name, *given)
        assert all(one in shipped_configs() or Path(one).exists() for one in given if not one.startswith("-")), given
        return
    code = 0
    try:
        app([name, *given, *shorter], standalone_mode=False)
    except typer.Exit as end:
        code = end.exit_code
    assert code == 0, f"{name}: exit code {code}"


def _read(name: str, *arguments: str) -> None:
    group: Any = typer.main.get_command(app)
    with typer.Context(group) as context:
        command = group.get_command(context, name)
        assert command is not None, name
        command.make_context(name, [*arguments], parent=context)
