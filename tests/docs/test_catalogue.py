"""The TypeScript client's catalogue is the hub's own."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("docs_catalogue", ROOT / "docs" / "catalogue.py")
catalogue = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(catalogue)


def test_the_catalogue_is_that_of_the_code():
    assert catalogue.FILE.read_text(encoding="utf-8") == catalogue.catalogue(), "run ./dev docs"
