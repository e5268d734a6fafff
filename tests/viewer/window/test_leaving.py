"""A program that ends while threads still step and plan ends cleanly."""

import subprocess
import sys

import pytest

_SCRIPT = """
import sys, time
from viewer.sources.opening import open_config
source = open_config("quickstart")
source.play(True)
time.sleep(float(sys.argv[1]))
if sys.argv[2] == "closed":
    source.close()
"""


@pytest.mark.parametrize("how", ["closed", "left open"])
@pytest.mark.parametrize("seconds", [0.0, 0.15])
def test_a_program_that_ends_at_once_ends_cleanly(seconds: float, how: str) -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, str(seconds), how], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
