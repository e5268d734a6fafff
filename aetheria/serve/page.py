"""The web page that a server hands out: three files, without anything of another host."""

from functools import cache
from importlib import resources

_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_FILES = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}


@cache
def _content(name: str) -> bytes:
    return resources.files("aetheria.serve").joinpath(name).read_bytes()


def page_file(path: str) -> tuple[bytes, dict[str, str]] | None:
    """A file of the page as it is sent, with its headers; None where the path is none of them."""
    name = _FILES.get(path)
    if name is None:
        return None
    return _content(name), {"Content-Type": f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8", **_HEADERS}
