"""The table of actions, from which menus, tooltips, shortcuts and the shortcuts page are made. No Qt.

The name of an action is the path of its method: "toggle_play" on the controller, "tools.undo" on the component of that name,
"window.quit" on the window, "window.pages.open_file" on a part of it.
"""

from viewer.controllers.action import Action as Action
from viewer.controllers.action import Needs as Needs
from viewer.controllers.edit_actions import EDIT_ACTIONS
from viewer.sources.source import FrameSource

MENUS = ("&File", "&Run", "&View", "&Edit", "&Recording", "&Window", "&Help")

ACTIONS: tuple[Action, ...] = (
    Action(
        "window.pages.open_file",
        "&Open...",
        ("Ctrl+O",),
        "&File",
        "Open a config, a recording, a pattern, an image or weights",
        "nothing",
    ),
    Action(
        "window.pages.show_gallery",
        "&Gallery",
        ("Ctrl+G",),
        "&File",
        "Choose from the shipped simulations",
        "nothing",
    ),
    Action("window.file_menu.record", "&Record...", ("R",), "&File", "Record the run to a file, or stop recording", "motor"),
    Action("window.file_menu.film", "&Film...", ("M",), "&File", "Film the view or the recording, or stop filming"),
    Action("window.file_menu.save_view", "Save &image...", ("F12",), "&File", "Save the view as PNG"),
    Action(
        "window.file_menu.save_state", "&Save the state...", ("Ctrl+S",), "&File", "Save cells, memory, step and seed", "motor"
    ),
    Action(
        "window.file_menu.save_cells",
        "Save the c&ells...",
        ("Ctrl+Shift+S",),
        "&File",
        "Save all cells as a pattern (RLE), a NumPy array or an image",
        "motor",
    ),
    Action(
        "window.file_menu.save_selection",
        "Save the selec&tion...",
        ("Ctrl+Alt+S",),
        "&File",
        "Save the selected cells as a pattern (RLE), a NumPy array or an image",
        "motor",
    ),
    Action("window.file_menu.load_state", "&Load a state...", ("Ctrl+L",), "&File", "Continue from a saved state", "motor"),
    Action("window.file_menu.copy_config", "Cop&y the config", ("Ctrl+Shift+C",), "&File", "Copy the present config as TOML"),
    Action("window.file_menu.save_numbers", "Save &numbers...", ("Ctrl+Shift+E",), "&File", "Save the plotted numbers as CSV"),
    Action("window.pages.close_source", "&Close", ("Ctrl+W",), "&File", "Close the simulation and return to the gallery"),
    Action("window.quit", "&Quit", ("Ctrl+Q",), "&File", "Close the window", "nothing"),
    Action("toggle_play", "&Play or pause", ("Space", "Return"), "&Run", "Start or stop stepping", "run"),
    Action("step_once", "One &step", (".",), "&Run", "Take one step and stop", "run"),
    Action("window.dialogs.step_many", "&N steps...", ("Ctrl+.",), "&Run", "Take a number of steps and stop", "stepped"),
    Action("faster", "&Faster", ("+", "="), "&Run", "Raise the speed, up to unlimited", "run"),
    Action("slower", "S&lower", ("-", "_"), "&Run", "Lower the speed", "run"),
    Action("unlimited", "&Unlimited speed", ("0",), "&Run", "Run as fast as possible", "run"),
    Action("stride_up", "Double the step scale", ("]",), "&Run", "Double the steps per update, or the frames", "run"),
    Action("stride_down", "Halve the step scale", ("[",), "&Run", "Halve the steps per update, or the frames", "run"),
    Action("reset", "&Reset to the start", ("Ctrl+Backspace",), "&Run", "Restore initial cells and settings, at step 0", "run"),
    Action("new_seed", "New &seed", ("Ctrl+N",), "&Run", "Restart from other random cells", "own"),
    Action("window.dialogs.go_to", "&Go to step...", ("Ctrl+J",), "&Run", "Go to a step and stop", "run"),
    Action("fit", "&Fit the grid", ("F", "Ctrl+F"), "&View", "Show the whole grid"),
    Action("selection.fit", "Fit the s&election", ("Ctrl+Shift+F",), "&View", "Show the selected cells", "live"),
    Action("one_to_one", "&1:1", ("1",), "&View", "Show one pixel per cell"),
    Action("zoom_in", "Zoom &in", ("Ctrl++", "Ctrl+=", "Ctrl+]"), "&View", "Double the scale"),
    Action("zoom_out", "Zoom &out", ("Ctrl+-", "Ctrl+["), "&View", "Halve the scale"),
    Action("window.canvas.pan_left", "Move &left", ("Ctrl+Left",), "&View", "Move the view to the left"),
    Action("window.canvas.pan_right", "Move &right", ("Ctrl+Right",), "&View", "Move the view to the right"),
    Action("window.canvas.pan_up", "Move &up", ("Ctrl+Up",), "&View", "Move the view up"),
    Action("window.canvas.pan_down", "Move &down", ("Ctrl+Down",), "&View", "Move the view down"),
    Action("next_slice", "Next &slice", ("Shift+PgUp",), "&View", "Show the next slice of the volume", "volume"),
    Action("previous_slice", "Previous s&lice", ("Shift+PgDown",), "&View", "Show the previous slice of the volume", "volume"),
    Action("next_axis", "Slice a&xis", ("Shift+X",), "&View", "Slice the volume across its next axis", "volume"),
    Action("toggle_follow", "Fo&llow", ("Shift+F",), "&View", "Keep the centre of mass in the middle", "motor", "follow"),
    Action("toggle_grid", "&Grid lines", ("G",), "&View", "Draw lines between large cells", "source", "grid_lines"),
    Action(
        "inspect.toggle_pin",
        "&Pin the cell",
        ("I",),
        "&View",
        "Keep inspecting the cell under the mouse",
        "source",
        "pinned",
    ),
    Action("next_field", "&Next field", ("N",), "&View", "Show the next field of the law"),
    Action("previous_field", "&Previous field", ("Shift+N",), "&View", "Show the previous field of the law"),
    Action("next_universe", "Next &universe", ("U",), "&View", "Show the next universe of the batch"),
    Action("next_colours", "Next &colour map", ("C",), "&View", "Use the next colour map"),
    Action("next_mix", "One field, &RGB or blend", ("Shift+C",), "&View", "Show three fields as colours, or blend two"),
    Action("levels_auto", "Levels: &auto", ("A",), "&View", "The range of the field, or of the visible values"),
    Action("levels_range", "Levels: &range", ("Shift+A",), "&View", "From the lowest to the highest visible value"),
    Action("levels_percentile", "Levels: p&ercentile", ("P",), "&View", "Without the outermost values"),
    Action("levels_symmetric", "Levels: s&ymmetric", ("Shift+P",), "&View", "At equal distances from zero"),
    Action("levels_locked", "Levels: loc&ked", ("K",), "&View", "Keep the present levels"),
    Action("toggle_log", "Loga&rithmic colours", ("Shift+K",), "&View", "Colours by the logarithm of the values"),
    Action("toggle_theme", "&Light or dark", ("Ctrl+T",), "&View", "Switch between light and dark theme", "nothing"),
    Action(
        "window.dock_layout.toggle_full_screen",
        "&Full screen",
        ("F11",),
        "&Window",
        "Fill the screen with the window",
        "nothing",
    ),
    Action("series.clear", "&Clear the plots", ("Ctrl+Shift+K",), "&Window", "Discard the numbers collected so far"),
    Action(
        "window.dismiss",
        "&Dismiss",
        ("Esc",),
        "&Window",
        "Dismiss the message, or cancel opening or pasting; back to the cells",
        "nothing",
    ),
    Action(
        "parameters.reset_all",
        "Reset the la&w",
        ("Ctrl+Shift+L",),
        "&Run",
        "Restore the law's initial parameters",
        "live",
    ),
    *EDIT_ACTIONS,
    Action("player.first", "&First frame", ("Home",), "&Recording", "Go to the first frame", "recording"),
    Action("player.leap_back", "&Ten frames back", ("PgUp",), "&Recording", "Go ten frames back", "recording"),
    Action("player.back", "Frame &back", ("Left",), "&Recording", "Go one frame back", "recording"),
    Action("player.forward", "Frame f&orward", ("Right",), "&Recording", "Go one frame forward", "recording"),
    Action("player.leap_forward", "Te&n frames forward", ("PgDown",), "&Recording", "Go ten frames forward", "recording"),
    Action("player.last", "&Last frame", ("End",), "&Recording", "Go to the last frame", "recording"),
    Action("player.toggle_loop", "Loo&p", ("O",), "&Recording", "Start again after the last frame", "recording", "loop"),
    Action(
        "player.toggle_newest",
        "&Stay at the newest",
        ("Shift+End",),
        "&Recording",
        "Follow the newest frame of a run still being recorded",
        "recording",
        "newest",
    ),
    Action(
        "window.reruns.run_config",
        "&Run this config",
        ("Ctrl+R",),
        "&Recording",
        "Run the config of the recording live, from step 0 and without its edits",
        "file",
    ),
    Action(
        "window.reruns.continue_from_here",
        "Contin&ue from here",
        ("Ctrl+Shift+R",),
        "&Recording",
        "Run again up to the present frame, with every edit, and continue live",
        "file",
    ),
    Action(
        "window.side_by_side.compare_with",
        "&Compare with...",
        ("Ctrl+D",),
        "&Recording",
        "Show a recording beside the open one, at the same step",
    ),
    Action(
        "window.side_by_side.compare_itself",
        "Compare with &itself",
        ("Ctrl+Shift+D",),
        "&Recording",
        "Show two fields of the recording side by side",
        "file",
    ),
    Action(
        "window.side_by_side.toggle_difference",
        "&Difference of both views",
        ("Ctrl+Alt+D",),
        "&Recording",
        "Show the left view minus the right one, or the second view again",
    ),
    Action(
        "window.side_by_side.close_second",
        "Close the s&econd view",
        ("Ctrl+Shift+W",),
        "&Recording",
        "Close the view on the right",
    ),
    Action(
        "window.dock_layout.reset",
        "&Reset layout",
        ("Ctrl+Shift+0",),
        "&Window",
        "Restore the initial layout of the panels",
        "nothing",
    ),
    Action("window.dialogs.show_shortcuts", "&Shortcuts", ("?",), "&Help", "All keys on one page", "nothing"),
    Action("window.dialogs.show_help", "&Help", ("F1",), "&Help", "Explains the view, the panels and the keys", "nothing"),
)


def why_unavailable(needs: Needs, source: FrameSource | None) -> str:
    """The reason why an action with these needs is unavailable; empty when it is available."""
    if needs == "nothing":
        return ""
    if source is None:
        return "nothing is open"
    if needs in ("live", "stepped", "phase", "motor", "own") and not source.live:
        return "this is a recording"
    if needs == "phase" and not any(choice.cyclic for choice in source.fields):
        return "only laws of complex amplitudes have a phase"
    if needs == "volume" and source.plane.slice is None:
        return "only grids of three dimensions have slices"
    if needs in ("recording", "file") and source.live:
        return "this is not a recording"
    if needs == "file" and source.elsewhere:
        return "the recording is on the server"
    if needs in ("motor", "own") and source.elsewhere:
        return "a server steps this run"
    if needs in ("run", "stepped", "own") and not source.runs:
        return "the server only shows it" if source.elsewhere else "your own code steps this run"
    return ""
