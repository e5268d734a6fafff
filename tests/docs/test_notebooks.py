"""The notebooks in examples/ are the tutorials, whose code tests/docs/test_code_blocks.py runs."""

import json
from pathlib import Path

import notebooks
import pytest

from tests.docs.code_blocks import blocks
from tests.paths import ROOT

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


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


def test_a_notebook_runs_in_a_kernel(tmp_path: Path) -> None:
    """One of them: their code is that of the tutorials, all of which are run without one."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    read = nbformat.read(ROOT / "examples" / "quantum.ipynb", 4)
    nbformat.validate(read)
    nbclient.NotebookClient(read, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.get("data", {}) for cell in read.cells if cell.cell_type == "code" for output in cell.outputs]
    assert any("<img" in data.get("text/html", "") for data in shown), "no motor shows itself"
