"""Folders of the checkout that pages are made from."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONFIGS = ROOT / "configs"
RESULTS = ROOT / "benchmarks" / "results"
