"""The documentation is true where a program can tell: tables are the code's own, links lead somewhere."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "simulators/recordings/README.md"])
GUIDE = "realtime-guide.md"
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)(#[^)\s]*)?\)")
FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)

_spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "tables.py")
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)


@pytest.mark.parametrize("document", tables.documents(), ids=lambda path: path.name)
def test_the_tables_are_those_of_the_code(document: Path):
    text = document.read_text(encoding="utf-8")
    assert tables.filled(text) == text, "run ./dev docs"


def test_every_table_is_shown_somewhere():
    text = "".join(document.read_text(encoding="utf-8") for document in tables.documents())
    assert [name for name in tables.TABLES if f"<!-- table: {name} -->" not in text] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path):
    text = FENCED.sub("", document.read_text(encoding="utf-8"))
    broken = [link for link, _ in LINK.findall(text) if not (document.parent / link).exists()]
    assert broken == []


def test_the_search_for_links_finds_them():
    assert LINK.findall("[a](docs/x.md) [b](https://example.org) [c](y.md#part)") == [
        ("docs/x.md", ""),
        ("y.md", "#part"),
    ]
