"""The gallery: every shipped config by the family of its law, with its picture and the comment at its head."""

import re
from functools import cache

from aetheria.laws import find_law
from aetheria.runs.config import load_config, shipped_configs
from site_pages.folders import CONFIGS


def gallery_page() -> str:
    """The page of all shipped configs."""
    page = """# Gallery

Each of these is a config that comes with Aetheria. `aetheria run NAME` records it, and `aetheria view NAME` opens it in the
window; both take other settings, as in `--set seed=7`. The pictures are made by `make thumbnails`.
"""
    by_family: dict[str, list[str]] = {}
    for name in shipped_configs():
        by_family.setdefault(_family(name), []).append(name)
    for family in sorted(by_family):
        page += f"\n## {family.title()}\n\n" + "\n".join(map(_entry, by_family[family]))
    return page


@cache
def comment_of(name: str) -> str:
    """The comment at the head of a shipped config, without its marks."""
    lines = []
    for line in shipped_configs()[name].read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines).strip()


def _family(name: str) -> str:
    law = find_law(load_config(name).law.name)
    parts = law.__module__.split(".")
    return parts[2] if parts[:2] == ["aetheria", "laws"] else "others"


def _entry(name: str) -> str:
    config = load_config(name)
    picture = CONFIGS / "thumbnails" / f"{name}.png"
    image = f"![{config.title}](../configs/thumbnails/{name}.png){{ width=256 }}\n" if picture.is_file() else ""
    about = re.sub(r"^What to look for: (\w)", lambda found: found[1].upper(), comment_of(name))
    toml = shipped_configs()[name].read_text("utf-8").strip()
    source = "\n".join(f"    {line}".rstrip() for line in toml.splitlines() if not line.startswith("#"))
    return f"""### {name}

**{config.title or name}** · law `{config.law.name}`

{image}
{about}

```sh
aetheria view {name}
```

??? note "configs/{name}.toml"

    ```toml
{source}
    ```
"""
