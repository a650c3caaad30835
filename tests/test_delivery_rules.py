"""Every rule of the delivery protocol that the project keeps is named by the code that keeps it and by a test that holds it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("vitals", "edge_agent", "hub")
RULES = tuple(range(1, 28))
LAST_RULE = 27
NAMED = re.compile(r"\bdelivery rules?\s+((?:\d+|,|and|to|–|\s)*\d)", re.IGNORECASE)


def rules_in(text: str) -> set[int]:
    """The rules that a text names: `delivery rule 4`, `Delivery rules 2 and 3`, `delivery rules 5, 11 and 13`, `rules 16 to 20`."""
    unwrapped = re.sub(r"\s*\n[\s#-]*", " ", text)
    return {number for words in NAMED.findall(unwrapped) for number in _numbers(words)}


def _numbers(words: str) -> Iterator[int]:
    for first, last in re.findall(r"(\d+)(?:\s*(?:to|–)\s*(\d+))?", words):
        yield from range(int(first), int(last or first) + 1)


@cache
def rules_kept() -> dict[int, set[str]]:
    """Of each rule, the modules and scripts that name it."""
    sources = [path for name in PACKAGES for kind in ("*.py", "*.lua") for path in (CHECKOUT / name).rglob(kind)]
    return _by_rule((path, rules_in(path.read_text(encoding="utf-8"))) for path in sources)


@cache
def rules_tested() -> dict[int, set[str]]:
    """Of each rule, the test modules in which a test's own docstring names it."""
    return _by_rule((path, _named_by_tests(path)) for path in (CHECKOUT / "tests").rglob("test_*.py"))


def _named_by_tests(path: Path) -> set[int]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tests = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, functions) and node.name.startswith("test_")
    ]
    return {rule for test in tests for rule in rules_in(ast.get_docstring(test) or "")}


def _by_rule(found: Iterator[tuple[Path, set[int]]]) -> dict[int, set[str]]:
    named: dict[int, set[str]] = {}
    for path, rules in found:
        for rule in rules:
            named.setdefault(rule, set()).add(path.relative_to(CHECKOUT).as_posix())
    return named


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("taken  # delivery rule 4", {4}),
        ("Delivery rules 2 and 3: the first", {2, 3}),
        ("(delivery rules 5, 11 and 13).", {5, 11, 13}),
        ("(delivery rules 16 to\n        20); after", {16, 17, 18, 19, 20}),
        ("-- (delivery\n-- rule 17)", {17}),
        ("(delivery rules 11–14)", {11, 12, 13, 14}),
        ("Delivery rule 7, its border.", {7}),
        ("Delivery rules 3 and 7. Later 9.", {3, 7}),
        ("rule 12 of something else", set()),
        ("no number: delivery rules", set()),
    ],
)
def test_rules_are_found_as_they_are_written(text: str, rules: set[int]):
    assert rules_in(text) == rules


def test_each_rule_is_named_by_the_code_that_keeps_it():
    assert [rule for rule in RULES if rule not in rules_kept()] == []


def test_each_rule_is_named_by_a_test_that_holds_it():
    assert [rule for rule in RULES if rule not in rules_tested()] == []


def test_no_rule_is_named_that_does_not_exist():
    assert [rule for rule in {*rules_kept(), *rules_tested()} if not 1 <= rule <= LAST_RULE] == []
