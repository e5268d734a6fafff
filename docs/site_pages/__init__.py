"""Pages of the site that are made at each build, by their place in it."""

from collections.abc import Callable

from site_pages.commands import commands_page
from site_pages.configuration import run_config_page, sweep_config_page, training_config_page
from site_pages.gallery import gallery_page
from site_pages.law_parameters import law_parameters_page
from site_pages.performance import performance_page, result_pages
from site_pages.project import project_pages
from site_pages.python_api import api_pages

PAGES: dict[str, Callable[[], str]] = {
    "gallery.md": gallery_page,
    "performance.md": performance_page,
    "reference/commands.md": commands_page,
    "reference/law_parameters.md": law_parameters_page,
    "reference/run_config.md": run_config_page,
    "reference/sweep_config.md": sweep_config_page,
    "reference/training_config.md": training_config_page,
    **api_pages(),
    **project_pages(),
    **result_pages(),
}
