"""Reference of the laws' parameters, from their constructors: values, default and meaning of each."""

import inspect
import typing
from typing import Any

from aetheria.laws import LAWS, parameters
from site_pages.configuration import described_type, toml
from site_pages.docstrings import code, described, summary, table


def law_parameters_page() -> str:
    """The page on the parameters of the laws, by family."""
    page = """# Parameters of the laws

The keys of `[law]` in a config beside `name`, `weights` and `seed`, and the arguments of each class in Python. *Live*
parameters are changed while a run is stepped: `motor.set_control(name, value)`, or a slider of the viewer.
"""
    for family, laws in families().items():
        page += f"\n## {family.title()}\n" + "".join(map(_section, laws))
    return page


def families() -> dict[str, dict[str, Any]]:
    """Aetheria's own laws, by the folder of their family."""
    found: dict[str, dict[str, Any]] = {}
    for name, law in LAWS.items():
        if law.__module__.startswith("aetheria.laws."):
            found.setdefault(law.__module__.split(".")[2], {})[name] = law
    return found


def parameter_meanings(law: Any) -> dict[str, str]:
    """What the law's docstrings say of its parameters."""
    found: dict[str, str] = {}
    for one in reversed(inspect.getmro(law)):
        for docstring in (one.__dict__.get("__doc__"), getattr(one.__dict__.get("__init__"), "__doc__", None)):
            for name, meaning in described(docstring, "Args").items():
                if not (name in found and meaning.startswith("see `")):  # "see `QuantumLaw`", whose words are shown here
                    found[name] = meaning
    return found


def _section(name: str) -> str:
    law = LAWS[name]
    hints = typing.get_type_hints(law.__init__, include_extras=True)
    meanings = parameter_meanings(law)
    rows = []
    for key, parameter in parameters(law).items():
        default = "" if parameter.default in (inspect.Parameter.empty, None) else toml(parameter.default)
        live = ", live" if key in getattr(law, "controls", ()) else ""
        values = described_type(hints.get(key, Any)) + (", required" if parameter.default is inspect.Parameter.empty else "")
        rows.append((code(key), values + live, code(default), meanings.get(key, "")))
    listed = table(("key", "values", "default", "meaning"), rows) if rows else "No parameters."
    return f"\n### {name}\n\n{summary(law.__doc__).splitlines()[0]} [In Python](python/laws_{family_of(law)}.md)\n\n{listed}\n"


def family_of(law: Any) -> str:
    """The folder of the law's family."""
    return str(law.__module__.split(".")[2])
