"""Everything the user can do, in one table: menus, tooltips, shortcuts and the shortcuts page are made from it. No Qt.

An action's name says who does it: "toggle_play" the controller, "tools.undo" the component of that name, "window.quit"
the window, "window.entrance.open_file" a part of it.
"""

from dataclasses import dataclass
from typing import Literal

from viewer.sources.source import FrameSource

# What must be open: anything ("source"), a run ("live") or a recording; "run": something that can be started and stopped here,
# which a run that the user's own code steps cannot; "stepped": a run that the viewer steps; "phase": a run of amplitudes.
Needs = Literal["nothing", "source", "run", "live", "stepped", "phase", "recording"]


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Attributes:
        name: who does it; see the module.
        text: in the menu, with & before the key that picks it there.
        keys: shortcuts, the first one shown; as Qt writes them.
        menu: which menu holds it.
        tip: one sentence.
        needs: what must be open; see `why_not`.
        checked: the name of the model's attribute (or the window's dock) that it toggles; empty for one that just acts.
    """

    name: str
    text: str
    keys: tuple[str, ...]
    menu: str
    tip: str
    needs: Needs = "source"
    checked: str = ""


MENUS = ("&File", "&Run", "&Look", "&Edit", "&Recording", "&Window", "&Help")

ACTIONS: tuple[Action, ...] = (
    Action(
        "window.entrance.open_file",
        "&Open...",
        ("Ctrl+O",),
        "&File",
        "Open a config, a recording, a pattern, an image or weights",
        "nothing",
    ),
    Action(
        "window.entrance.show_gallery",
        "&Gallery",
        ("Ctrl+G",),
        "&File",
        "Choose from the simulations that come with Aetheria",
        "nothing",
    ),
    Action("window.file_menu.record", "&Record...", ("R",), "&File", "Record the run to a file; again to stop", "live"),
    Action("window.file_menu.film", "&Film...", ("M",), "&File", "Film what is shown, or the recording; again to stop"),
    Action("window.file_menu.save_view", "Save &picture...", ("F12",), "&File", "Save the cells as they are seen, as PNG"),
    Action(
        "window.file_menu.save_state", "&Save the state...", ("Ctrl+S",), "&File", "Save cells, memory, step and seed", "live"
    ),
    Action("window.file_menu.load_state", "&Load a state...", ("Ctrl+L",), "&File", "Go on from a saved state", "live"),
    Action(
        "window.file_menu.copy_config", "Cop&y the config", ("Ctrl+Shift+C",), "&File", "Copy the config as it is now, as TOML"
    ),
    Action("window.file_menu.save_numbers", "Save &numbers...", ("Ctrl+Shift+E",), "&File", "Save what is plotted as a table"),
    Action("window.entrance.close_source", "&Close", ("Ctrl+W",), "&File", "Close what is open and go back to the gallery"),
    Action("window.quit", "&Quit", ("Ctrl+Q",), "&File", "Close the window", "nothing"),
    Action("toggle_play", "&Play or pause", ("Space", "Return"), "&Run", "Start or stop stepping", "run"),
    Action("step_once", "One &step", (".",), "&Run", "Take one step and stop", "run"),
    Action("window.dialogs.step_many", "&N steps...", ("Ctrl+.",), "&Run", "Take a number of steps and stop", "stepped"),
    Action("faster", "&Faster", ("+", "="), "&Run", "More beats a second, up to unlimited", "run"),
    Action("slower", "S&lower", ("-",), "&Run", "Fewer beats a second", "run"),
    Action("unlimited", "&Unlimited speed", ("0",), "&Run", "As fast as this machine can", "run"),
    Action("stride_up", "Double the step scale", ("]",), "&Run", "Twice as many steps a beat, or frames of a recording", "run"),
    Action("stride_down", "Halve the step scale", ("[",), "&Run", "Half as many steps a beat, or frames of a recording", "run"),
    Action("reset", "&Reset to the start", ("Ctrl+Backspace",), "&Run", "Initial cells and settings again, at step 0", "run"),
    Action("new_seed", "New &seed", ("Ctrl+N",), "&Run", "Start again from other random cells", "stepped"),
    Action("window.dialogs.go_to", "&Go to step...", ("Ctrl+J",), "&Run", "Go to a step and stop there", "run"),
    Action("fit", "&Fit the grid", ("F",), "&Look", "Show the whole grid"),
    Action("one_to_one", "&1:1", ("1",), "&Look", "One cell to one pixel of the screen"),
    Action("zoom_in", "Zoom &in", ("Ctrl++", "Ctrl+="), "&Look", "Twice as large"),
    Action("zoom_out", "Zoom &out", ("Ctrl+-",), "&Look", "Half as large"),
    Action("window.canvas.pan_left", "Move &left", ("Ctrl+Left",), "&Look", "Look further to the left"),
    Action("window.canvas.pan_right", "Move &right", ("Ctrl+Right",), "&Look", "Look further to the right"),
    Action("window.canvas.pan_up", "Move &up", ("Ctrl+Up",), "&Look", "Look further up"),
    Action("window.canvas.pan_down", "Move &down", ("Ctrl+Down",), "&Look", "Look further down"),
    Action("toggle_follow", "Fo&llow", ("Shift+F",), "&Look", "Keep the centre of mass in the middle", "live", "follow"),
    Action("toggle_grid", "&Grid lines", ("G",), "&Look", "Lines between cells that are large enough", "source", "grid_lines"),
    Action(
        "inspect.toggle_pin",
        "&Pin the cell",
        ("I",),
        "&Look",
        "Inspect the cell under the mouse, and stay",
        "source",
        "pinned",
    ),
    Action("next_field", "&Next field", ("N",), "&Look", "Show the next field of the law"),
    Action("previous_field", "&Previous field", ("Shift+N",), "&Look", "Show the field before"),
    Action("next_universe", "Next &universe", ("U",), "&Look", "Show the next universe of the batch"),
    Action("next_colours", "Next &colour map", ("C",), "&Look", "Paint in other colours"),
    Action("levels_auto", "Levels: &auto", ("A",), "&Look", "From the lowest to the highest value in view"),
    Action("levels_percentile", "Levels: p&ercentile", ("P",), "&Look", "Without the outermost values"),
    Action("levels_locked", "Levels: loc&ked", ("K",), "&Look", "As they are now, whatever comes"),
    Action("toggle_theme", "&Light or dark", ("Ctrl+T",), "&Look", "Switch between a light and a dark window", "nothing"),
    Action("series.clear", "&Clear the plots", ("Ctrl+Shift+K",), "&Window", "Forget the numbers collected so far"),
    Action(
        "window.dismiss", "&Dismiss", ("Esc",), "&Window", "Put the message away, or stop waiting; back to the cells", "nothing"
    ),
    Action(
        "parameters.reset_all",
        "Reset the la&w",
        ("Ctrl+Shift+L",),
        "&Run",
        "The law's parameters as they were at first",
        "live",
    ),
    Action("tools.pan", "&Move", ("V",), "&Edit", "Put the brush away: the mouse moves the view"),
    Action("tools.draw", "&Draw", ("D",), "&Edit", "Paint live cells; the right button erases", "live"),
    Action("tools.erase", "&Erase", ("E",), "&Edit", "Paint dead cells", "live"),
    Action("tools.random", "Ra&ndom", ("X",), "&Edit", "Paint random cells", "live"),
    Action("tools.stamp", "&Stamp", ("S",), "&Edit", "Put down a pattern or an animal", "live"),
    Action("tools.vortex", "&Vortex", ("W",), "&Edit", "Put down a vortex of the phase", "phase"),
    Action("tools.wave", "&Plane wave", ("Q",), "&Edit", "Paint a plane wave", "phase"),
    Action("tools.larger", "&Larger brush", ("B",), "&Edit", "A brush of more cells", "live"),
    Action("tools.smaller", "S&maller brush", ("Shift+B",), "&Edit", "A brush of fewer cells", "live"),
    Action("tools.turn", "&Turn the pattern", ("Shift+S",), "&Edit", "Turn the pattern that is stamped by 90 degrees", "live"),
    Action(
        "tools.mirror",
        "M&irror the pattern",
        ("Shift+M",),
        "&Edit",
        "Exchange left and right of the pattern that is stamped",
        "live",
    ),
    Action("tools.undo", "&Undo stroke", ("Ctrl+Z",), "&Edit", "Take the last stroke back", "live"),
    Action("tools.redo", "&Redo stroke", ("Ctrl+Shift+Z", "Ctrl+Y"), "&Edit", "Paint again what was taken back", "live"),
    Action("player.first", "&First frame", ("Home",), "&Recording", "Go to the first frame", "recording"),
    Action("player.leap_back", "&Ten frames back", ("PgUp",), "&Recording", "Go ten frames back", "recording"),
    Action("player.back", "Frame &back", ("Left",), "&Recording", "Go one frame back", "recording"),
    Action("player.forward", "Frame &on", ("Right",), "&Recording", "Go one frame on", "recording"),
    Action("player.leap_forward", "Ten frames o&n", ("PgDown",), "&Recording", "Go ten frames on", "recording"),
    Action("player.last", "&Last frame", ("End",), "&Recording", "Go to the last frame", "recording"),
    Action("player.toggle_loop", "Loo&p", ("O",), "&Recording", "After the last frame comes the first", "recording", "loop"),
    Action(
        "player.toggle_newest",
        "&Stay at the newest",
        ("Shift+End",),
        "&Recording",
        "Show each frame that a run still being recorded adds",
        "recording",
        "newest",
    ),
    Action(
        "window.reruns.run_config",
        "&Run this config",
        ("Ctrl+R",),
        "&Recording",
        "Run the config of the recording live, from step 0 and without the changes made by hand",
        "recording",
    ),
    Action(
        "window.reruns.go_on",
        "&Go on from here",
        ("Ctrl+Shift+R",),
        "&Recording",
        "Run again up to the frame in view, with every change made by hand, and go on live",
        "recording",
    ),
    Action(
        "window.side_by_side.compare_with",
        "&Compare with...",
        ("Ctrl+D",),
        "&Recording",
        "Show a recording beside what is open, at the same step",
    ),
    Action(
        "window.side_by_side.compare_itself",
        "Compare with &itself",
        ("Ctrl+Shift+D",),
        "&Recording",
        "Show two fields of the recording side by side",
        "recording",
    ),
    Action(
        "window.side_by_side.close_second",
        "Close the s&econd picture",
        ("Ctrl+Shift+W",),
        "&Recording",
        "Away with the picture on the right",
    ),
    Action(
        "window.dock_layout.reset", "&Reset layout", ("Ctrl+Shift+0",), "&Window", "Panels where they were at first", "nothing"
    ),
    Action("window.dialogs.show_shortcuts", "&Shortcuts", ("?",), "&Help", "All keys on one page", "nothing"),
    Action(
        "window.dialogs.show_help", "&What one sees", ("F1",), "&Help", "What the window shows and how to steer it", "nothing"
    ),
)


def why_not(needs: Needs, source: FrameSource | None) -> str:
    """Why an action that needs this cannot be done now; empty when it can."""
    if needs == "nothing":
        return ""
    if source is None:
        return "nothing is open"
    if needs in ("live", "stepped", "phase") and not source.live:
        return "this is a recording"
    if needs == "phase" and not any(choice.cyclic for choice in source.fields):
        return "only laws of complex amplitudes have a phase"
    if needs == "recording" and source.live:
        return "this is no recording"
    if needs in ("run", "stepped") and not source.runs:
        return "your own code steps this run"
    return ""
