"""The reference pages say all that there is to type and to set; their tables are held by tests/docs/test_documents.py."""

import argparse
import importlib.util
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bedside.annotations import struct_in
from bedside.configuration import load
from bedside.main import COMMANDS, parser
from hub.settings import HubSettings

ROOT = Path(__file__).parents[2]
CLI = (ROOT / "docs/reference/cli.md").read_text()
CONFIGURATION = (ROOT / "docs/reference/configuration.md").read_text()

_spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "tables.py")
tables = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tables)


def options(command: str) -> Iterator[str]:
    """Every option of a command and of its actions, but for its help."""

    def below(one: argparse.ArgumentParser) -> Iterator[str]:
        for action in one._actions:
            yield from (option for option in action.option_strings if option not in ("-h", "--help"))
            if isinstance(action, argparse._SubParsersAction):
                for inner in action.choices.values():
                    yield from below(inner)

    root = parser(command)
    (chosen,) = (action.choices[command] for action in root._actions if isinstance(action, argparse._SubParsersAction))
    return below(chosen)


def section(command: str) -> str:
    return CLI.partition(f"\n## bedside {command}\n")[2].partition("\n## ")[0]


def keys(kind: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, msgspec.structs.FieldInfo]]:
    for field in msgspec.structs.fields(kind):
        inner = struct_in(field.type)
        if inner is None:
            yield f"{prefix}{field.name}", field
        else:
            yield from keys(inner, f"{prefix}{field.name}.")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_stands_in_its_commands_section_with_an_example(command):
    said = section(command)
    assert [option for option in options(command) if f"`{option}" not in said] == []
    assert "example" in said


@pytest.mark.parametrize(("key", "field"), list(keys(HubSettings)), ids=lambda it: it if isinstance(it, str) else "")
def test_every_key_stands_with_its_default_and_a_meaning(key, field):
    (row,) = (line for line in CONFIGURATION.splitlines() if line.startswith(f"| `{key}`"))
    _, names, form, default, meaning, _ = (cell.strip() for cell in row.split(" |" if "\\|" in row else "|"))
    assert f"`BEDSIDE_{key.upper().replace('.', '__')}`" in names
    assert form
    assert len(meaning) > 5
    if field.default is not msgspec.NODEFAULT and field.default not in (None, True, False, ()):
        assert default == f"`{field.default}`"


def test_no_meaning_is_left_of_a_key_that_is_gone():
    assert set(tables.MEANINGS) == {key for key, _ in keys(HubSettings)}


def test_the_example_of_the_page_is_accepted(tmp_path):
    example = CONFIGURATION.partition("```toml\n")[2].partition("```")[0]
    file = tmp_path / "hub.toml"
    file.write_text(example)
    assert load(HubSettings, file=file, environment={}).settings.production is tomllib.loads(example)["production"]
