"""Opening of files: the gallery's entries, files into runs, and the newest wish wins. No Qt."""

import gzip
import os
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from aetheria import GrowingNCA, Lenia
from aetheria.core.errors import AetheriaError
from aetheria.motor.motor import Aetheria_Motor
from aetheria.runs.config import shipped_configs
from aetheria.runs.state_file import save_state
from aetheria.stepping import choose_plan
from tests.viewer.fakes import FakeView, life, live, wait_until
from viewer.controllers.controller import Controller
from viewer.controllers.notices import Notices
from viewer.controllers.open_queue import OpenQueue, _prepared
from viewer.model.gallery import gallery_entries
from viewer.sources.importing import NewRun, import_file
from viewer.sources.live import LiveSource
from viewer.sources.opening import check, open_any

GLIDER = "#N a glider\nx = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"
CONFIG = """
steps = 60
[grid]
height = 32
width = 48
[law]
name = "life"
[motor]
plan = "eager"
"""


@pytest.fixture
def open_queue(view: FakeView) -> Iterator[OpenQueue]:
    torch.set_num_threads(1)
    controller = Controller(view)
    open_queue = OpenQueue(controller)
    yield open_queue
    open_queue.cancel()
    controller.close()


def run_callbacks(open_queue: OpenQueue) -> None:
    wait_until(lambda: not open_queue.waiting, open_queue.controller)


def motor_of(open_queue: OpenQueue) -> Aetheria_Motor:
    source = open_queue.controller.source
    assert isinstance(source, LiveSource)
    return source.motor


def test_each_shipped_config_has_a_card_with_a_title_a_story_and_a_picture() -> None:
    shown = gallery_entries()
    assert shown[0].name == "quickstart"
    assert {entry.name for entry in shown} == set(shipped_configs())
    for entry in shown:
        assert entry.title
        assert len(entry.story) > 100
        assert not entry.story.startswith("What to look for")
        assert "#" not in entry.story
        assert entry.thumbnail is not None
        with Image.open(entry.thumbnail) as frame:
            assert frame.size == (256, 192)
            assert entry.thumbnail.stat().st_size < 30_000


def test_a_config_is_opened_beside_the_window_and_plays(open_queue: OpenQueue, view: FakeView, tmp_path: Path) -> None:
    (tmp_path / "soup.toml").write_text(CONFIG)
    opened: list[str] = []
    open_queue.on_opened = opened.append
    open_queue.open(tmp_path / "soup.toml")
    assert view.waited_for == ["Opening soup.toml..."]
    assert open_queue.controller.source is None
    run_callbacks(open_queue)
    assert view.waited_for[-1] == ""
    assert opened == [str(tmp_path / "soup.toml")]
    assert motor_of(open_queue).shape == (1, 1, 32, 48)
    wait_until(lambda: motor_of(open_queue).step_count > 2, open_queue.controller)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("bad.toml", CONFIG.replace("height", "hieght"), "[grid] hieght: unknown key; did you mean height?"),
        ("torn.toml", "steps = ", "is not TOML"),
        ("torn.rle", "x = 3, y = 3\nbob$", 'the runs end without "!"'),
        ("super.rle", "x = 1, y = 1, rule = LifeSuper\npA!", 'made for the rule "LifeSuper", Rule table; no law of Aetheria'),
        ("evoloop.rle", "x = 1, y = 1, rule = Evoloop\no!", 'made for the rule "Evoloop"'),
        ("unknown.rle", "x = 1, y = 1, rule = B3/T23\no!", 'made for the rule "B3/T23"'),
        ("lenia.rle", "x = 2, y = 1, rule = Lenia\npAqB!", "states up to"),
        ("torn.npy", "nothing of the kind", "cannot be read as a .npy array"),
        ("picture.png", "no picture", "an image is used as the cells of a run; first open a run"),
        ("letter.doc", "Dear Sir", "unknown kind of file; expected a config (.toml)"),
        ("torn.safetensors", "no weights", "cannot be read as weights"),
    ],
)
def test_a_wrong_file_says_what_is_wrong_and_what_was_open_stays(
    open_queue: OpenQueue, view: FakeView, tmp_path: Path, name: str, content: str, says: str
) -> None:
    (tmp_path / name).write_text(content)
    open_queue.open(tmp_path / name)
    run_callbacks(open_queue)
    assert [message.kind for message in view.messages] == ["error"]
    assert says in view.messages[0].text
    assert open_queue.controller.source is None
    open_queue.controller.open(live())
    open_queue.open(tmp_path / "missing.rle")
    run_callbacks(open_queue)
    assert "no such file" in view.messages[1].text
    assert open_queue.controller.source is not None


def test_of_two_wishes_the_newer_is_granted_and_the_older_is_closed(open_queue: OpenQueue, view: FakeView) -> None:
    go = threading.Event()
    old, new = live(life(8, 8)), live(life(16, 16))

    def slow() -> LiveSource:
        go.wait()
        return old

    open_queue.open_made("old", slow)
    open_queue.open_made("new", lambda: new)
    run_callbacks(open_queue)
    assert open_queue.controller.source is new
    go.set()
    old.thread.join(20)
    assert not old.thread.is_alive()
    assert open_queue.controller.source is new
    assert view.waited_for == ["Opening old...", "", "Opening new...", ""]


def test_a_double_click_opens_once(open_queue: OpenQueue, view: FakeView, tmp_path: Path) -> None:
    (tmp_path / "soup.toml").write_text(CONFIG)
    open_queue.open(tmp_path / "soup.toml")
    opening = open_queue._pending
    open_queue.open(tmp_path / "soup.toml")
    assert open_queue._pending is opening
    run_callbacks(open_queue)
    assert view.waited_for == ["Opening soup.toml...", ""]


def test_cancelling_while_something_opens_leaves_things_as_they_were(open_queue: OpenQueue, view: FakeView) -> None:
    source = live(life(8, 8))
    open_queue.open_made("it", lambda: source)
    wait_until(lambda: open_queue._pending is None or open_queue._pending.result is not None)
    open_queue.cancel()
    source.thread.join(20)
    assert not source.thread.is_alive()
    open_queue.controller.tick()
    assert open_queue.controller.source is None
    assert view.messages == []


def test_a_pattern_becomes_the_start_of_the_open_run(open_queue: OpenQueue, view: FakeView, tmp_path: Path) -> None:
    (tmp_path / "glider.rle").write_text(GLIDER)
    (tmp_path / "soup.toml").write_text(CONFIG)
    open_queue.open(tmp_path / "soup.toml")
    run_callbacks(open_queue)
    motor = motor_of(open_queue)
    open_queue.controller.toggle_play()
    open_queue.open(tmp_path / "glider.rle")
    wait_until(lambda: view.messages, open_queue.controller)
    assert motor_of(open_queue) is motor
    assert (motor.step_count, int(motor.cells.sum())) == (0, 5)
    assert "glider.rle is the initial state of this run now" in view.messages[0].text
    open_queue.controller.step_many(4)
    wait_until(lambda: motor.step_count == 4, open_queue.controller)
    open_queue.controller.reset()
    wait_until(lambda: motor.step_count == 0, open_queue.controller)
    assert motor.cells[0, 0, 15:18, 23:26].sum() == 5
    source = open_queue.controller.source
    assert isinstance(source, LiveSource)
    assert source.config is not None
    assert source.config.initial is not None
    assert source.config.initial.path == str(tmp_path / "glider.rle")


def test_a_run_that_plays_plays_on_from_the_new_start(open_queue: OpenQueue, view: FakeView, tmp_path: Path) -> None:
    (tmp_path / "glider.rle").write_text(GLIDER)
    open_queue.controller.open(live(life(64, 64)))
    open_queue.controller.toggle_play()
    open_queue.open(tmp_path / "glider.rle")
    wait_until(lambda: view.messages, open_queue.controller)
    wait_until(lambda: motor_of(open_queue).step_count > 2, open_queue.controller)
    assert motor_of(open_queue).cells.sum() == 5


def test_a_pattern_without_a_run_opens_life_under_its_own_rule_on_a_grid_with_room(tmp_path: Path) -> None:
    for header, rule in (("B3/S23", "B3/S23"), ("23/36", "B36/S23"), ("HighLife", "B36/S23")):
        (tmp_path / "glider.rle").write_text(GLIDER.replace("B3/S23", header))
        opened = import_file(tmp_path / "glider.rle", None)
        assert isinstance(opened, NewRun)
        assert opened.config.law.parameters == {"rule": rule}
        assert (opened.config.grid.height, opened.config.grid.width) == (512, 512)


@pytest.mark.parametrize(
    ("suffix", "size", "boundary", "note"),
    [
        ("T90,80", (80, 90), "periodic", ""),
        ("P90,80", (80, 90), "zero", ""),
        ("K90*,80", (80, 90), "klein-x", ""),
        ("T2,2", (512, 512), "periodic", "made for a torus of 2 x 2 cells"),
        ("T0,80", (512, 512), "periodic", "made for a torus of 80 x unbounded cells"),
    ],
)
def test_a_bounded_grid_is_obeyed_where_it_can_be_and_said_where_not(
    suffix: str, size: tuple[int, int], boundary: str, note: str, tmp_path: Path
) -> None:
    (tmp_path / "glider.rle").write_text(GLIDER.replace("B3/S23", f"B3/S23:{suffix}"))
    opened = import_file(tmp_path / "glider.rle", None)
    assert isinstance(opened, NewRun)
    assert opened.config.grid.sides == size
    assert opened.config.law.parameters.get("boundary", "periodic") == boundary
    assert note in opened.note
    assert bool(note) == bool(opened.note)


@pytest.mark.parametrize(
    ("rule", "law", "size", "note"),
    [
        ("345/2/4", "Generations", (512, 512), ""),
        ("R5,C0,M1,S34..58,B34..45,NM", "LargerThanLife", (512, 512), ""),
        ("R5,C0,M1,S34..58,B34..45,NM:P90,80", "LargerThanLife", (80, 90), ""),
        ("R5,C0,M1,S34..58,B34..45,NM:K90*,80", "LargerThanLife", (80, 90), ""),
        ("R5,C0,M1,S34..58,B34..45,NM:S90", "LargerThanLife", (512, 512), "made for a sphere of 90 x 90 cells"),
        ("WireWorld", "RuleTable", (512, 512), ""),
        ("B2-a/S12", "Life", (512, 512), ""),
    ],
)
def test_a_pattern_opens_the_law_of_its_rule(rule: str, law: str, size: tuple[int, int], note: str, tmp_path: Path) -> None:
    (tmp_path / "glider.rle").write_text(GLIDER.replace("B3/S23", rule))
    opened = import_file(tmp_path / "glider.rle", None)
    assert isinstance(opened, NewRun)
    assert opened.config.law.name == law
    assert opened.config.grid.sides == size
    assert note in opened.note


@pytest.mark.parametrize("name", ["glider.cells", "glider.lif", "glider.cells.gz", "glider"])
def test_a_pattern_of_any_format_opens(name: str, tmp_path: Path) -> None:
    text = b"#Life 1.06\n0 -1\n1 0\n-1 1\n0 1\n1 1\n" if name.endswith("lif") else b"!Name: Glider\n.O.\n..O\nOOO\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    check(tmp_path / name)
    opened = import_file(tmp_path / name, None)
    assert isinstance(opened, NewRun)
    assert opened.config.law.parameters == {"rule": "B3/S23"}


@pytest.mark.parametrize(
    "name", ["pipe.rle", "pipe.toml", "pipe.h5", "pipe.npy", "pipe.png", "pipe.pt", "pipe.safetensors", "pipe"]
)
def test_a_pipe_is_refused_and_never_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    for attempt in (check, open_any):
        with pytest.raises(AetheriaError, match="a device or a pipe"):
            attempt(tmp_path / name)


def test_a_pattern_that_is_too_large_for_the_open_grid_opens_on_a_larger_one(
    open_queue: OpenQueue, view: FakeView, tmp_path: Path
) -> None:
    (tmp_path / "line.rle").write_text("x = 200, y = 1\n200o!\n")
    open_queue.controller.open(live())
    open_queue.open(tmp_path / "line.rle")
    run_callbacks(open_queue)
    assert motor_of(open_queue).shape == (1, 1, 512, 640)
    assert "does not fit the open grid" in view.messages[0].text


def test_a_pattern_dropped_on_lenia_is_read_in_shades(tmp_path: Path) -> None:
    (tmp_path / "dot.rle").write_text("x = 1, y = 1\nyO!\n")
    motor = Aetheria_Motor(Lenia(R=4), 32, 1, "cpu", {"plan": "eager"})
    source = LiveSource(motor)
    change = import_file(tmp_path / "dot.rle", source)
    assert not isinstance(change, NewRun)
    change.apply(motor)
    assert motor.cells.sum() == 1
    source.close()


def test_cells_go_into_a_run_they_fit_and_the_others_say_what_is_needed(tmp_path: Path) -> None:
    source = live()  # 24 x 32
    np.save(tmp_path / "fits.npy", np.eye(8))
    np.save(tmp_path / "large.npy", np.ones((99, 99)))
    Image.new("L", (4, 4), 255).save(tmp_path / "white.png")
    for name, alive in (("fits.npy", 8), ("white.png", 16)):
        change = import_file(tmp_path / name, source)
        assert not isinstance(change, NewRun)
        change.apply(source.motor)
        assert source.motor.cells.sum() == alive
    with pytest.raises(AetheriaError, match="takes at most 24 x 32 cells, in 1 channel"):
        import_file(tmp_path / "large.npy", source)
    source.close()


def test_an_array_of_zeros_and_ones_opens_as_life_and_others_do_not(tmp_path: Path) -> None:
    np.save(tmp_path / "grid.npy", np.eye(100, 80))
    np.save(tmp_path / "small.npy", np.eye(3))
    np.save(tmp_path / "grey.npy", np.full((100, 80), 0.5))
    grid, small = import_file(tmp_path / "grid.npy", None), import_file(tmp_path / "small.npy", None)
    assert isinstance(grid, NewRun)
    assert isinstance(small, NewRun)
    assert (grid.config.grid.height, grid.config.grid.width) == (100, 80)
    assert (small.config.grid.height, small.config.grid.width) == (512, 512)
    with pytest.raises(AetheriaError, match="2-D array of 0 and 1"):
        import_file(tmp_path / "grey.npy", None)


def growing(channels: int, hidden: int) -> GrowingNCA:
    law = GrowingNCA(channels=channels, hidden_channels=hidden, fire_rate=1.0)
    torch.nn.init.normal_(law.update.weight)
    return law


def test_weights_go_into_the_open_law_where_they_fit(open_queue: OpenQueue, view: FakeView, tmp_path: Path) -> None:
    save_file(growing(6, 4).state_dict(), tmp_path / "w.safetensors")
    motor = Aetheria_Motor(growing(6, 4), 16, 6, "cpu", {"plan": "eager"})
    open_queue.controller.open(LiveSource(motor))
    open_queue.controller.step_many(3)
    wait_until(lambda: motor.step_count == 3, open_queue.controller)
    open_queue.open(tmp_path / "w.safetensors")
    wait_until(lambda: view.messages, open_queue.controller)
    assert view.messages[0].text == "The law continues with the weights of w.safetensors"
    assert motor_of(open_queue) is motor
    assert motor.step_count == 3
    with safe_open(tmp_path / "w.safetensors", "pt") as file:
        assert torch.equal(motor.law.get_parameter("update.weight"), file.get_tensor("update.weight"))


def test_weights_of_another_shape_open_a_growing_nca_of_theirs(open_queue: OpenQueue, tmp_path: Path) -> None:
    save_file(growing(7, 5).state_dict(), tmp_path / "w.safetensors")
    open_queue.controller.open(live())
    open_queue.open(tmp_path / "w.safetensors")
    run_callbacks(open_queue)
    assert motor_of(open_queue).shape == (1, 7, 96, 96)
    assert motor_of(open_queue).law.get_parameter("hidden.weight").shape == (5, 21, 1, 1)


def test_weights_that_fit_nothing_say_so(tmp_path: Path) -> None:
    save_file({"conv.weight": torch.zeros(3)}, tmp_path / "w.safetensors")
    source = live()
    with pytest.raises(AetheriaError, match=r"w\.safetensors: the weights fit no Growing NCA.*First open a config of the law"):
        import_file(tmp_path / "w.safetensors", source)
    source.close()


def test_a_saved_state_goes_on_in_the_run_it_is_of_and_else_in_one_of_its_own(
    open_queue: OpenQueue, view: FakeView, tmp_path: Path
) -> None:
    (tmp_path / "soup.toml").write_text(CONFIG)
    open_queue.open(tmp_path / "soup.toml")
    run_callbacks(open_queue)
    open_queue.controller.go_to(20)
    motor = motor_of(open_queue)
    wait_until(lambda: motor.step_count == 20, open_queue.controller)
    source = open_queue.controller.source
    assert isinstance(source, LiveSource)
    assert source.config is not None
    save_state(motor, tmp_path / "state.safetensors", source.config.to_toml())
    save_state(motor, tmp_path / "bare.safetensors")
    cells = motor.cells
    open_queue.controller.go_to(33)
    wait_until(lambda: motor.step_count == 33, open_queue.controller)
    open_queue.open(tmp_path / "state.safetensors")
    wait_until(lambda: view.messages, open_queue.controller)
    assert view.messages[0].text == "Continues from state.safetensors, at step 20"
    assert motor_of(open_queue) is motor
    assert motor.step_count == 20
    open_queue.controller.open(live())  # of another size
    made = import_file(tmp_path / "state.safetensors", live_source_of(open_queue))
    assert isinstance(made, NewRun)
    fresh = _prepared(made, "cpu")
    assert torch.equal(fresh.motor.cells, cells)
    assert fresh.motor.step_count == 20
    fresh.close()
    with pytest.raises(AetheriaError, match="a state of Life on 32 x 48 cells, saved without the config"):
        import_file(tmp_path / "bare.safetensors", live_source_of(open_queue))


def live_source_of(open_queue: OpenQueue) -> LiveSource:
    assert isinstance(open_queue.controller.source, LiveSource)
    return open_queue.controller.source


def test_a_pattern_goes_into_a_run_that_the_users_code_steps_without_a_restart(tmp_path: Path) -> None:
    (tmp_path / "glider.rle").write_text(GLIDER)
    motor = life()
    motor.step(7)
    source = LiveSource(motor, steps_it=False)
    change = import_file(tmp_path / "glider.rle", source)
    assert not isinstance(change, NewRun)
    change.apply(motor)
    assert (motor.step_count, int(motor.cells.sum()), change.restarts) == (7, 5, False)
    source.close()


def test_a_plan_that_could_not_be_made_in_the_background_is_told(open_queue: OpenQueue, view: FakeView, tmp_path: Path) -> None:
    def fails(*_: object, wanted: str, **options: Any) -> Any:
        if wanted == "eager":
            return choose_plan(*_, wanted=wanted, **options)  # type: ignore[arg-type]
        raise RuntimeError("the C++ compiler is missing")

    with warnings.catch_warnings(record=True), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("always")
        patch.setattr("aetheria.motor.planner.choose_plan", fails)
        notices = Notices(open_queue.controller, lambda: None)
        (tmp_path / "soup.toml").write_text(CONFIG.replace('plan = "eager"', 'plan = "compiled"'))
        open_queue.open(tmp_path / "soup.toml")
        wait_until(lambda: view.messages, open_queue.controller)
        notices.stop()
    assert view.messages[0].kind == "warning"
    assert "goes on by plan eager: same result, slower. Reason: the C++ compiler is missing" in view.messages[0].text
    step = motor_of(open_queue).step_count
    wait_until(lambda: motor_of(open_queue).step_count > step, open_queue.controller)
