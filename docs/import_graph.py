"""Draws the import graph of a checkout: rooms as boxes, on floors so that each imports only from floors below.

python docs/import_graph.py --out docs/import_graph.png                # packages of this checkout
python docs/import_graph.py --checkout ../before --out before.png      # the same of another one
"""

import argparse
import ast
from collections import defaultdict
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOTS = ("aetheria", "viewer")
_WIDTH, _FLOOR, _BOX, _SWAY = 1800, 84, 26, 260
_COLOURS = {"aetheria": "#dce9f7", "viewer": "#f7e9dc"}
Graph = dict[str, set[str]]


def rooms(checkout: Path) -> Graph:
    """The rooms that each room imports; a room is a package, or a module, directly inside `aetheria` or `viewer`."""
    graph: Graph = defaultdict(set)
    for root in ROOTS:
        for file in sorted((checkout / root).rglob("*.py")):
            room = _room(".".join(file.relative_to(checkout).with_suffix("").parts))
            graph[room] |= {target for target in map(_room, _imported(checkout, file)) if target not in (room, *ROOTS)}
    return dict(graph)


def floors(graph: Graph) -> list[list[str]]:
    """Rooms by floor, the lowest first; rooms that import each other in a circle stand on one floor."""
    level: dict[str, int] = {}

    def height(room: str, above: tuple[str, ...]) -> int:
        if room in level or room in above:
            return level.get(room, 0)
        level[room] = 1 + max((height(below, (*above, room)) for below in graph.get(room, ())), default=-1)
        return level[room]

    for room in sorted(graph):
        height(room, ())
    found = [sorted(room for room in graph if level[room] == floor) for floor in range(max(level.values()) + 1)]
    return [floor for floor in found if floor]


def draw(graph: Graph, title: str) -> Image.Image:
    """The graph as a picture, imports as lines downwards."""
    storeys = floors(graph)
    image = Image.new("RGB", (_WIDTH, _FLOOR * len(storeys) + 60), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    places: dict[str, tuple[float, float]] = {}
    for number, floor in enumerate(reversed(storeys)):
        for k, room in enumerate(floor):
            sway = _SWAY * (number % 3 - 1) if len(floor) == 1 else 0  # lines over several floors must not coincide
            places[room] = (_WIDTH * (k + 0.5) / len(floor) + sway, 70 + _FLOOR * number)
    for room, targets in graph.items():
        for target in targets & places.keys():
            pen.line((*places[room], *places[target]), fill="#9aa5b1", width=1)
    for room, (x, y) in places.items():
        name = room.partition(".")[2]
        half = pen.textlength(name, font) / 2 + 8
        pen.rounded_rectangle((x - half, y - _BOX / 2, x + half, y + _BOX / 2), 6, _COLOURS[room.partition(".")[0]], "#44505c")
        pen.text((x, y), name, "black", font, "mm")
    arrows = sum(map(len, graph.values()))
    pen.text((16, 14), f"{title}: {len(graph)} rooms, {len(storeys)} floors, {arrows} imports between rooms", "black", font)
    return image


def _imported(checkout: Path, file: Path) -> set[str]:
    """Full names of the modules of ours that a file imports, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ROOTS:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                path = checkout / full.replace(".", "/")
                found.add(full if path.is_dir() or path.with_suffix(".py").exists() else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] in ROOTS}
    return found


def _room(module: str) -> str:
    return ".".join(module.removesuffix(".__init__").split(".")[:2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkout", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--title", default="imports")
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    graph = {room: targets for room, targets in rooms(wanted.checkout).items() if room not in ROOTS}
    draw(graph, wanted.title).save(wanted.out, optimize=True)


if __name__ == "__main__":
    main()
