"""The notebooks in examples/ are the tutorials, and run in a kernel."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import notebooks
import pytest

from tests.docs.code_blocks import blocks
from tests.paths import ROOT

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
# What the value of a cell shows, in HTML.
SHOWN = dict.fromkeys(("grow", "learn", "lenia", "life", "quantum"), "<img") | {"sweep": "<table"}


@pytest.mark.parametrize("tutorial", TUTORIALS, ids=lambda path: path.stem)
def test_a_notebook_is_its_tutorial(tutorial: Path) -> None:
    written = json.loads((ROOT / "examples" / f"{tutorial.stem}.ipynb").read_text("utf-8"))
    assert written == notebooks.notebook(tutorial), "python docs/notebooks.py makes it again"
    code = ["".join(cell["source"]) for cell in written["cells"] if cell["cell_type"] == "code"]
    assert code == [block.text.strip() for block in blocks(tutorial.read_text("utf-8")) if block.language == "python"]


def test_there_is_no_notebook_without_a_tutorial() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.ipynb")} == {path.stem for path in TUTORIALS}


def test_notebooks_have_the_form_that_readers_of_them_ask_for() -> None:
    made = notebooks.notebook(TUTORIALS[0])
    assert (made["nbformat"], made["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in made["cells"]}) == len(made["cells"])
    for cell in made["cells"]:
        more = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert cell.keys() == {"cell_type", "id", "metadata", "source"} | more


def test_links_of_a_notebook_lead_to_files() -> None:
    for path in (ROOT / "examples").glob("*.ipynb"):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                for target in notebooks._LINK.findall("".join(cell["source"])):
                    assert (path.parent / target[0]).exists(), f"{path.name}: {target[0]}"


@pytest.fixture(scope="module")
def kernel() -> Iterator[Any]:
    """One for all notebooks: torch is imported once."""
    manager = pytest.importorskip("jupyter_client.manager", reason="jupyter_client is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    running = manager.KernelManager(kernel_name="python3")
    running.start_kernel()
    yield running
    running.shutdown_kernel(now=True)


@pytest.mark.parametrize("name", [path.stem for path in TUTORIALS])
def test_a_notebook_runs_in_a_kernel(name: str, kernel: Any, tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    read = nbformat.read(ROOT / "examples" / f"{name}.ipynb", 4)
    nbformat.validate(read)
    # As in a kernel of its own: no names of the notebook before it, and an empty folder.
    read.cells.insert(0, nbformat.v4.new_code_cell(f"%reset -f\nimport os\nos.chdir({str(tmp_path)!r})"))
    client = nbclient.NotebookClient(read, km=kernel, timeout=300)
    try:
        client.execute()
    finally:
        if client.kc is not None:
            client.kc.stop_channels()
    outputs = [output for cell in read.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [one.text for one in outputs if one.get("name") == "stderr" and "Warning" in one.text], (
        "a warning for every reader"
    )
    if name in SHOWN:
        assert any(SHOWN[name] in output.get("data", {}).get("text/html", "") for output in outputs), "nothing shows itself"
