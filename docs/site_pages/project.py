"""Pages on the project, read from the files at the root of the checkout."""

from collections.abc import Callable
from functools import partial

from site_pages.folders import ROOT

PROJECT_FILES = ("CHANGELOG", "CONTRIBUTING", "SECURITY")


def project_pages() -> dict[str, Callable[[], str]]:
    """The changelog and others, as they are in the checkout."""
    return {f"project/{name.lower()}.md": partial((ROOT / f"{name}.md").read_text, "utf-8") for name in PROJECT_FILES}
