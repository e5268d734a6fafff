"""Commands on laws and their weights."""

from pathlib import Path
from typing import Annotated, Any

import typer

from aetheria.cli.shared import out, plain, program
from aetheria.core.errors import ConfigError
from aetheria.core.shell import shell_quoted


def laws() -> None:
    """List the laws by family, with parameters, radius, grid dimensions, fields, the notation of their rules and an example."""
    from aetheria.laws import laws_by_family, parameters, plugins

    notations, configs = _notations(), _configs()
    for number, (family, members) in enumerate(laws_by_family().items()):
        out.print(f"{chr(10) * (number > 0)}[bold underline]{family}[/]")
        for law in members:
            name = law.__name__
            out.print(f"[bold]{name}[/]  {plain((law.__doc__ or '').strip().splitlines()[0])}")
            shown = [f"{key}={p.default}" if p.default is not p.empty else key for key, p in parameters(law).items()]
            out.print(f"  parameters  {plain(', '.join(shown))}")
            out.print(f"  radius      {_radius(name)}")
            out.print(f"  grids       {', '.join(f'{rank}-D' for rank in law.ranks)}")
            out.print(f"  fields      {', '.join(law.fields)} (shows {law.default_field})")
            if name in notations:
                out.print(f"  notation    {plain(', '.join(notations[name]))}")
            if example := _example(name, notations, configs):
                out.print(f"  example     {plain(example)}")
    for name, point in plugins().items():
        out.print(f"[bold]{plain(name)}[/]  registered by {plain(point.value)}")


def _notations() -> dict[str, list[str]]:
    """Rule texts that each law runs, by its name."""
    from aetheria.laws.rules import NOTATIONS

    found: dict[str, list[str]] = {}
    for family in NOTATIONS.values():
        for text in family.examples:
            rule = family.read("".join(text.split()))
            if rule is not None and rule.law is not None:
                found.setdefault(rule.law, []).append(text)
    return found


def _configs() -> dict[str, str]:
    """A shipped config of each law, by the law's name."""
    from aetheria.runs.config import load_config, shipped_configs

    return {load_config(name).law.name: name for name in reversed(shipped_configs())}


def _example(law: str, notations: dict[str, list[str]], configs: dict[str, str]) -> str:
    if law in configs:
        return f"{program()} run {configs[law]}"
    return f"{program()} run {shell_quoted(notations[law][0])} --steps 1000" if law in notations else ""


def _radius(name: str) -> str:
    from aetheria.laws import LAWS, build_law, parameters

    needed: dict[str, Any] = {key: 1 for key, p in parameters(LAWS[name]).items() if p.default is p.empty}
    radius = getattr(build_law(name, **needed), "radius", None)
    if radius is not None:
        return f"{radius} cells"
    local = build_law(name, **needed, normalise="none")
    return f'{getattr(local, "radius", "?")} cells; unlimited with normalise="grid", the default'


def quantise(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS.safetensors", help="The weights of a law.")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The file to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Store weights in eight bits: a quarter of the size, loaded like any weights, with a small rounding error."""
    from aetheria.files.atomic import check_output
    from aetheria.laws.int8_weights import quantise_file

    check_output(target, overwrite)
    quantise_file(weights, target)
    before, after = weights.stat().st_size, target.stat().st_size
    out.print(f"{plain(target)}: {after / 1024:,.0f} KiB, {before / after:.1f} times smaller than {before / 1024:,.0f} KiB")


def import_weights(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of a Growing NCA: .pt, .safetensors, .npz ...")],
    target: Annotated[Path, typer.Option("--out", metavar="OUT.safetensors", help="The file to write.")],
    layout: Annotated[str, typer.Option("--layout", help="The order of its numbers, by name: see docs/training.md.")] = "",
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change the layout; repeatable.")] = None,
    part: Annotated[str | None, typer.Option("--part", help="Beginning of the names, if several parts hold weights.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Rearrange the weights of a Growing NCA of another program, whose layout is stated, for GrowingNCA."""
    from aetheria.files.atomic import check_output
    from aetheria.laws.neural.foreign_weights import import_growing_nca
    from aetheria.laws.neural.nca_layout import LAYOUTS, find_layout

    if not layout:
        raise ConfigError(f"--layout: missing; expected one of {', '.join(LAYOUTS)}, as docs/training.md describes them")
    stated = find_layout(layout, dict(map(_change, set_ or [])))
    check_output(target, overwrite)
    found = import_growing_nca(weights, stated, part)
    found.save(target)
    law, name = found.law, plain(target)
    out.print(f"{name}: GrowingNCA of {law.channels} channels, {law.hidden.out_channels} hidden, from layout {layout}")
    for remark in found.remarks:
        out.print(f"  {plain(remark)}")
    out.print(f"Next: {plain(program())} view {name}")


def _change(text: str) -> tuple[str, Any]:
    """A key and its value, in TOML or as a bare word."""
    from aetheria.files.untrusted import read_toml

    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f'--set {text}: expected key=value, as in "edges=periodic"')
    try:
        return key.strip(), read_toml(f"value = {value}", "--set")["value"]
    except ConfigError:
        return key.strip(), value.strip()
