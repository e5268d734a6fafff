"""Actions of the Edit menu: tools, the selection, the clipboard and undo. No Qt."""

from viewer.controllers.action import Action

EDIT_ACTIONS: tuple[Action, ...] = (
    Action("tools.pan", "&Move", ("V",), "&Edit", "Move the view with the mouse, without a brush"),
    Action("tools.draw", "&Draw", ("D",), "&Edit", "Paint live cells; the right button erases", "live"),
    Action("tools.erase", "&Erase", ("E",), "&Edit", "Paint dead cells", "live"),
    Action("tools.random", "Ra&ndom", ("X",), "&Edit", "Paint random cells", "live"),
    Action("tools.stamp", "&Stamp", ("S",), "&Edit", "Stamp a pattern or a creature", "live"),
    Action("tools.vortex", "&Vortex", ("W",), "&Edit", "Paint a vortex of the phase", "phase"),
    Action("tools.wave", "&Plane wave", ("Q",), "&Edit", "Paint a plane wave", "phase"),
    Action("tools.larger", "&Larger brush", ("B",), "&Edit", "Enlarge the brush", "live"),
    Action("tools.smaller", "S&maller brush", ("Shift+B",), "&Edit", "Shrink the brush", "live"),
    Action("tools.turn", "&Turn the pattern", ("Shift+S",), "&Edit", "Turn the stamped pattern by 90 degrees", "live"),
    Action(
        "tools.mirror",
        "M&irror the pattern",
        ("Ctrl+M",),
        "&Edit",
        "Mirror the stamped pattern left to right",
        "live",
    ),
    Action(
        "window.dialogs.resize_grid",
        "Resize the &grid...",
        ("Ctrl+Shift+G",),
        "&Edit",
        "Enlarge the grid, or cut it down to its live part; the cells stay in their place",
        "stepped",
    ),
    Action("tools.undo", "&Undo", ("Ctrl+Z", "Z"), "&Edit", "Undo the last stroke or edit", "live"),
    Action(
        "tools.redo", "&Redo", ("Ctrl+Shift+Z", "Shift+Z", "Ctrl+Y"), "&Edit", "Repeat the last undone stroke or edit", "live"
    ),
    Action(
        "selection.select",
        "Sele&ct",
        ("L", "F4"),
        "&Edit",
        "Select a rectangle with the mouse; a click selects nothing",
        "live",
    ),
    Action("selection.all", "Select &all", ("Ctrl+A",), "&Edit", "Select all cells", "live"),
    Action("selection.remove", "Select n&othing", ("Ctrl+K",), "&Edit", "Remove the selection", "live"),
    Action("window.edit_menu.cut", "Cu&t", ("Ctrl+X",), "&Edit", "Copy the selected cells, and clear them", "live"),
    Action("window.edit_menu.copy", "Cop&y", ("Ctrl+C",), "&Edit", "Copy the selected cells: states as RLE text", "live"),
    Action(
        "window.edit_menu.paste",
        "&Paste",
        ("Ctrl+V",),
        "&Edit",
        "Take the copied cells in hand; a click pastes them, Esc puts them away",
        "live",
    ),
    Action(
        "window.edit_menu.paste_into_selection",
        "Paste &into the selection",
        ("Shift+V",),
        "&Edit",
        "Paste at the top left corner of the selection",
        "live",
    ),
    Action(
        "window.edit_menu.paste_file",
        "Paste a &file...",
        ("Ctrl+Alt+V",),
        "&Edit",
        "Take the cells of a pattern file or an array in hand",
        "live",
    ),
    Action(
        "paste.next_mode",
        "Paste m&ode",
        ("Shift+M",),
        "&Edit",
        "Combine pasted cells by or, xor or copy: the next of them",
        "live",
    ),
    Action("selection.clear", "Clear", ("Del",), "&Edit", "Clear the selected cells", "live"),
    Action(
        "selection.clear_outside", "Clear outside", ("Shift+Del",), "&Edit", "Clear all cells but the selected ones", "live"
    ),
    Action(
        "selection.fill",
        "Random fill",
        ("Ctrl+Shift+X",),
        "&Edit",
        "Fill the selection with random cells, of the density in the tools panel",
        "live",
    ),
    Action(
        "selection.turn_right", "Turn right", (">",), "&Edit", "Turn the cells in hand, or the selected ones, clockwise", "live"
    ),
    Action(
        "selection.turn_left",
        "Turn left",
        ("<",),
        "&Edit",
        "Turn the cells in hand, or the selected ones, counter-clockwise",
        "live",
    ),
    Action(
        "selection.flip_across",
        "Flip left to right",
        ("H",),
        "&Edit",
        "Mirror the cells in hand, or the selected ones, left to right",
        "live",
    ),
    Action(
        "selection.flip_down",
        "Flip top to bottom",
        ("Y",),
        "&Edit",
        "Mirror the cells in hand, or the selected ones, top to bottom",
        "live",
    ),
)
