"""Saved states: restored to the bit, and refused when damaged or of another kind."""

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from aetheria import ConvLSTM, GrowingNCA, Life
from aetheria.core.errors import AetheriaError, DiskFullError, DivergedError, FileUnreadableError, RecordingError, StateError
from aetheria.files.checked_tensors import digest_of
from aetheria.motor.motor import Aetheria_Motor
from aetheria.recording.append import ResumePoint
from aetheria.runs.state_file import READABLE, SavedState, capture, describe_state, load_state, read_state, save_state
from tests.paths import GOLDEN

EAGER = {"plan": "eager"}
# Of cells and memory in state_2.safetensors, and what torch and Python draw next, found when the file was made.
_SUMS, _DRAWN = (0.44535005930811167, -0.7505486202426255, -1.3627559691667557), (0.6541236639022827, 0.4745706786885481)


def growing(batch: int = 2, seed: int = 3, **options: Any) -> Aetheria_Motor:
    """Random masks, so the random state must come back too."""
    torch.manual_seed(0)
    law = GrowingNCA(channels=5, hidden_channels=8, fire_rate=0.5)
    nn.init.normal_(law.update.weight, std=0.1)
    return Aetheria_Motor(law, (12, 10), 5, "cpu", EAGER, initial="noise", batch=batch, seed=seed, **options)


def remembering(batch: int = 1, seed: int = 3) -> Aetheria_Motor:
    torch.manual_seed(1)
    return Aetheria_Motor(ConvLSTM(d_state=2, hidden_channels=4), (8, 8), 2, "cpu", EAGER, batch=batch, seed=seed)


def life(size: int = 8) -> Aetheria_Motor:
    return Aetheria_Motor(Life(), size, 1, "cpu", EAGER)


def equal(one: Aetheria_Motor, other: Aetheria_Motor) -> bool:
    pairs = zip((one.cells, *one.memory), (other.cells, *other.memory), strict=True)
    return (one.step_count, one.seed) == (other.step_count, other.seed) and all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("make", [growing, remembering, life])
def test_a_state_is_restored_to_the_bit_with_all_later_steps(tmp_path: Path, make: Any) -> None:
    motor, path = make(), tmp_path / "x.safetensors"
    motor.step(7)
    saved = save_state(motor, path, 'title = "x"')
    assert (saved.step, saved.config) == (7, 'title = "x"')
    assert describe_state(path) == saved
    other = make() if make is life else make(seed=9)
    other.step(2)
    assert not equal(motor, other)
    assert load_state(other, path) == saved
    assert equal(motor, other)
    for each in (motor, other):
        each.step(5)
    assert equal(motor, other)


def test_other_programs_read_what_is_saved(tmp_path: Path) -> None:
    motor, path = remembering(), tmp_path / "x.safetensors"
    motor.step(2)
    save_state(motor, path)
    tensors = load_file(path)
    assert torch.equal(tensors["cells"], motor.cells)
    assert [torch.equal(tensors[f"memory_{k}"], memory) for k, memory in enumerate(motor.memory)] == [True, True]
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    described = json.loads(metadata["aetheria_state"])
    digest = hashlib.sha256(metadata["aetheria_state"].encode())
    for name in sorted(tensors):
        digest.update(f"\n{name} torch.float32 {tuple(tensors[name].shape)}\n".encode() + tensors[name].numpy().tobytes())
    assert metadata["sha256"] == digest.hexdigest()
    assert (described["law"], described["shape"], described["step"]) == ("ConvLSTM", [1, 4, 8, 8], 2)


def test_a_state_of_another_law_or_shape_is_refused_and_the_run_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_state(growing(), path)
    for motor, words in [
        (life(), r"a state of GrowingNCA, 12 x 10 cells, 5 channels, 2 universes; this run is Life, 8 x 8 cells, 1 channels"),
        (growing(batch=1), r"2 universes; this run is GrowingNCA, 12 x 10 cells, 5 channels$"),
    ]:
        before = motor.cells
        with pytest.raises(StateError, match=words):
            load_state(motor, path)
        assert torch.equal(motor.cells, before)


def rewritten(path: Path, description: dict[str, Any] | str | None, **tensors: torch.Tensor) -> Path:
    """The file with other contents, and the digest of those; a dict changes parts of the description."""
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    if isinstance(description, dict):
        description = json.dumps(json.loads(metadata["aetheria_state"]) | description)
    changed = load_file(path) | tensors
    digested = None if description is None else {"aetheria_state": description, "sha256": digest_of(description, changed)}
    save_file(changed, path, digested)
    return path


@pytest.mark.parametrize(
    ("description", "tensors", "words"),
    [
        (None, {}, "is not a saved state"),
        ("{", {}, "is damaged"),
        ("[]", {}, "is damaged"),
        ({"version": 4}, {}, "of version 4; expected version 1 or 2 or 3"),
        ({"version": 1}, {}, "is damaged; a saved state of version 1 and its digest do not agree"),
        ({"step": -1}, {}, "is damaged"),
        ({"step": "1"}, {}, "is damaged"),
        ({"shape": [1, 1, 8]}, {}, "is damaged"),
        ({}, {"cells": torch.zeros(1, 1, 8, 9)}, "its cells are not of the shape"),
        ({}, {"extra": torch.zeros(1)}, "it holds cells, extra"),
        ({}, {"cells": torch.full((1, 1, 8, 8), torch.nan)}, "NaN or Inf"),
        ({}, {"memory_0": torch.zeros(1)}, "memory"),
    ],
)
def test_damaged_files_and_other_contents_are_refused(
    tmp_path: Path, description: dict[str, Any] | str | None, tensors: dict[str, torch.Tensor], words: str
) -> None:
    motor, path = life(), tmp_path / "x.safetensors"
    save_state(motor, path)
    motor.step(1)
    before = motor.cells
    with pytest.raises(AetheriaError, match=words):
        load_state(motor, rewritten(path, description, **tensors))
    assert torch.equal(motor.cells, before)
    assert motor.step_count == 1


@pytest.mark.parametrize("content", [None, b"", b"plainly not", b"\xff" * 40, b"\x08\0\0\0\0\0\0\0{}      "])
def test_other_files_than_safetensors_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileUnreadableError, match=r"x\.safetensors"):
        load_state(life(), path)


def test_cells_that_are_not_finite_do_not_replace_a_good_state(tmp_path: Path) -> None:
    class Explodes(nn.Module):
        def forward(self, cells: torch.Tensor) -> torch.Tensor:
            return cells / 0

    path = tmp_path / "x.safetensors"
    motor = Aetheria_Motor(Explodes(), 8, 1, "cpu", EAGER | {"check_interval": 0}, initial=torch.ones(1, 8, 8))
    save_state(motor, path)
    good = path.read_bytes()
    motor.step(1)
    with pytest.raises(DivergedError, match="at step 1"):
        save_state(motor, path)
    assert path.read_bytes() == good


def test_there_is_a_golden_file_of_every_version() -> None:
    assert [f"state_{version}.safetensors" for version in READABLE] == sorted(
        f.name for f in GOLDEN.glob("state_?.safetensors")
    )


@pytest.mark.parametrize("version", [2, 3])
def test_a_checkpoint_stays_readable(version: int) -> None:
    """That of version 3 is in two parts."""
    path = GOLDEN / f"state_{version}.safetensors"
    saved = read_state(path)
    assert set(saved.tensors) == {"cells", "memory_0", "memory_1", "random_cpu", "random_python", "random_numpy"}
    assert saved.description.position == ResumePoint(recording="golden", frames=2, edits=1, edit_bytes=7)
    motor = Aetheria_Motor(ConvLSTM(d_state=1, hidden_channels=2), (4, 8), 1, "cpu", EAGER)
    load_state(motor, path)
    assert (motor.step_count, motor.seed, saved.description.config) == (3, 7, f'title = "of version {version}"\n')
    assert [float(tensor.double().sum()) for tensor in (motor.cells, *motor.memory)] == pytest.approx(_SUMS)
    saved.load_random(motor)
    assert (float(torch.rand(())), random.random()) == pytest.approx(_DRAWN)


def test_a_state_of_version_1_stays_readable() -> None:
    path = GOLDEN / "state_1.safetensors"
    law = ConvLSTM(d_state=1, hidden_channels=2)
    motor = Aetheria_Motor(law, (4, 8), 1, "cpu", EAGER)
    saved = load_state(motor, path)
    assert (saved.version, saved.config, motor.step_count, motor.seed) == (1, 'title = "of version 1"\n', 3, 7)
    assert motor.cells.flatten()[1:3].tolist() == pytest.approx([3.4135e-03, 6.8421e-03], rel=1e-4)
    assert motor.memory[0].flatten()[:3].tolist() == pytest.approx([-0.0384, -0.0425, -0.0245], rel=1e-2)


def test_no_damage_goes_unseen(tmp_path: Path) -> None:
    motor, path = remembering(), tmp_path / "x.safetensors"
    save_state(motor, path)
    good, chance = path.read_bytes(), random.Random(0)
    expected = read_state(path)
    for _ in range(400):
        bad = bytearray(good)
        if chance.random() < 0.3:
            del bad[chance.randrange(len(bad)) :]
        for _ in range(chance.choice((1, 1, 2, 8))):
            if bad:
                bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        path.write_bytes(bad)
        try:
            found = read_state(path)
        except FileUnreadableError:
            continue
        # Of a space in the header, say.
        assert found.description == expected.description
        assert all(torch.equal(found.tensors[name], tensor) for name, tensor in expected.tensors.items())


def test_a_file_that_reads_back_changed_does_not_replace_a_good_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motor, path = life(), tmp_path / "x.safetensors"
    save_state(motor, path)
    good = path.read_bytes()

    def bad_disk(tensors: dict[str, torch.Tensor], beside: Path, metadata: dict[str, str]) -> None:
        save_file({name: tensor + 1 for name, tensor in tensors.items()}, beside, metadata)

    monkeypatch.setattr("aetheria.runs.state_file.save_file", bad_disk)
    motor.step(1)
    with pytest.raises(AetheriaError, match="is damaged; its contents have the digest"):
        save_state(motor, path)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]


def test_memory_that_is_not_finite_is_not_saved_either(tmp_path: Path) -> None:
    motor = remembering()
    motor.step(1)
    with torch.inference_mode():
        motor._loop.stepper.state[1][0, 0, 0, 0] = torch.inf  # `load_state_dict` refuses it
    with pytest.raises(DivergedError, match="at step 1"):
        capture(motor)


def test_a_state_that_cannot_be_written_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordingError, match="missing"):
        save_state(life(), tmp_path / "missing" / "x.safetensors")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aetheria.runs.state_file.save_file", full)
    with pytest.raises(DiskFullError, match="the disk is full; nothing was saved"):
        save_state(life(), tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_invalid_states_of_random_generators_are_refused(tmp_path: Path) -> None:
    motor = life()
    position = ResumePoint(recording="", frames=0, edits=0, edit_bytes=0)
    saved = capture(motor, position=position)
    before = random.getstate()
    saved.load_random(motor)
    assert random.getstate() == before
    for name in ("random_cpu", "random_python", "random_numpy"):
        for bad in (torch.zeros(3, dtype=torch.int64), -saved.tensors[name].to(torch.int64), torch.zeros(0)):
            with pytest.raises(StateError, match="random generators cannot be restored from the saved state"):
                SavedState(saved.description, {name: bad}).load_random(motor)


class Counting(nn.Module):
    """Keeps state of its own: a buffer, an attribute and a generator."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: torch.Tensor
        self.register_buffer("steps", torch.zeros(()))
        self.seen = 0
        self.generator = torch.Generator().manual_seed(5)

    def forward(self, cells: torch.Tensor) -> torch.Tensor:
        self.steps += 1
        self.seen += 2
        noise = torch.rand(cells.shape, generator=self.generator)
        return 0.9 * cells + self.steps + self.seen + noise


def counting() -> Aetheria_Motor:
    return Aetheria_Motor(Counting(), 6, 1, "cpu", EAGER, initial=torch.ones(1, 6, 6))


def test_the_state_that_a_module_keeps_itself_is_restored(tmp_path: Path) -> None:
    motor, other, path = counting(), counting(), tmp_path / "x.safetensors"
    motor.step(7)
    save_state(motor, path)
    assert sorted(load_file(path)) == ["cells", "law.plain:generator", "law.plain:steps"]
    assert describe_state(path).law_state == {"plain:seen": 14}
    other.step(2)
    load_state(other, path)
    for each in (motor, other):
        each.step(5)
    assert torch.equal(motor.cells, other.cells)
