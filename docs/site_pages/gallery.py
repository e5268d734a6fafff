"""The gallery: every shipped config by the family of its law, with its picture and the comment at its head."""

import re
from functools import cache

from gallery import film

from aetheria.laws import laws_by_family
from aetheria.runs.config import load_config, shipped_configs
from site_pages.folders import CONFIGS
from viewer.model.gallery import gallery_entries


def gallery_page() -> str:
    """The page of all shipped configs."""
    page = """# Gallery

Each of these is a config that comes with Aetheria. `aetheria run NAME` records it, and `aetheria view NAME` opens it in the
window; both take other settings, as in `--set seed=7`. The pictures are made by `make thumbnails`, the films by
`docs/films.py`.
"""
    entries = gallery_entries()
    for family in laws_by_family():
        members = [_entry(entry.name) for entry in entries if entry.family == family]
        if members:
            page += "\n".join(["", f"## {family}", "", *film(family), *members])
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
