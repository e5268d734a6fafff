"""No source unpickles, evaluates or imports the content of a file; the test parses the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import ROOT

SOURCES = sorted([*(ROOT / "aetheria").rglob("*.py"), *(ROOT / "viewer").rglob("*.py")])
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "xmlrpc"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
HARMLESS = {  # only so
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "np.lib.format.read_array": ("allow_pickle", False),
}


def faults(tree: ast.AST) -> Iterator[str]:
    """What in a source could run what a file says."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            yield from (f"line {node.lineno}: imports {n}" for n in names if n.split(".")[0] in FORBIDDEN_MODULES)
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
            yield f"line {node.lineno}: calls {node.func.id}"
        called = ast.unparse(node.func)
        if called in HARMLESS:
            keyword, value = HARMLESS[called]
            if {k.arg: getattr(k.value, "value", None) for k in node.keywords}.get(keyword) is not value:
                yield f"line {node.lineno}: {called} without {keyword}={value}"
        if any(k.arg == "allow_pickle" and getattr(k.value, "value", None) is not False for k in node.keywords):
            yield f"line {node.lineno}: allow_pickle"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_a_file_says(path: Path) -> None:
    assert list(faults(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "def f():\n    import yaml.loader",
        "eval(text)",
        "exec(open(path).read())",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=flag)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "numpy.save(path, a, allow_pickle=True)",
    ],
)
def test_the_reader_of_sources_finds_what_it_is_to_find(code: str) -> None:
    assert list(faults(ast.parse(code)))


def test_the_reader_of_sources_lets_pass_what_is_harmless() -> None:
    code = "import json\ntorch.load(p, weights_only=True)\nnp.load(p, allow_pickle=False)\nmodel.eval()\njson.load(f)"
    assert list(faults(ast.parse(code))) == []
