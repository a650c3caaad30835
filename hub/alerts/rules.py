"""The rule file: TOML in, typed rules out, with errors that name file, rule and field."""

import string
import tomllib
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated

import msgspec

from hub.errors import ConfigurationError
from vitals.events import Severity, Text
from vitals.parameters import Parameter

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Holds where the parameter's number is beyond a limit; a missing number is beyond none."""

    parameter: Parameter
    above: Decimal | None = None
    below: Decimal | None = None

    def holds(self, number: Decimal | None) -> bool:
        if number is None:
            return False
        return (self.above is not None and number > self.above) or (self.below is not None and number < self.below)


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One rule: any of its conditions raises `alert_type`."""

    alert_type: _Name
    severity: Severity
    message: Text
    any: Annotated[tuple[Condition, ...], msgspec.Meta(min_length=1)]
    data: tuple[Parameter, ...] = ()

    @property
    def parameters(self) -> frozenset[Parameter]:
        """What must be in a reading for the rule to have an opinion."""
        return frozenset(condition.parameter for condition in self.any)


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: list[Rule] = []


def load_rules(path: Path | None) -> tuple[Rule, ...]:
    """The rules of a file, or those that come with the hub. Raises ConfigurationError."""
    if path is None:
        text = resources.files(__package__).joinpath("default_rules.toml").read_text(encoding="utf-8")
        return parse_rules(text, "default_rules.toml")
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"rules_file: {path} can't be read: {error.strerror}") from error
    return parse_rules(text, path.name)


def parse_rules(text: str, name: str) -> tuple[Rule, ...]:
    """The rules in `text`. Raises ConfigurationError, which begins with `name`."""
    try:
        rules = msgspec.convert(tomllib.loads(text), _File).rules
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"{name}: {error}") from error
    for place, rule in enumerate(rules):
        _check(rule, f"{name}: rules[{place}] ({rule.alert_type})")
    names = [rule.alert_type for rule in rules]
    if twice := {alert_type for alert_type in names if names.count(alert_type) > 1}:
        raise ConfigurationError(
            f"{name}: alert_type {', '.join(sorted(twice))} is given twice; each rule needs its own"
        )
    return tuple(rules)


def _check(rule: Rule, where: str) -> None:
    for condition in rule.any:
        if condition.above is None and condition.below is None:
            raise ConfigurationError(f"{where}: {condition.parameter} has no limit; give `above` or `below`")
    fields = {field for _, field, _, _ in string.Formatter().parse(rule.message) if field is not None}
    if unknown := fields - set(Parameter):
        raise ConfigurationError(
            f"{where}: message names {{{min(unknown)}}}, which is no value; there are {', '.join(Parameter)}"
        )
