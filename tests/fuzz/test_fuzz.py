"""The short form of `./dev fuzz`, and that a fuzzer finds what it is there to find."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from device_drivers.registry import DRIVERS, FORMATS
from device_drivers.sessions import Session, SessionContext
from fuzz.__main__ import names
from fuzz.corpus import seeds
from fuzz.targets import decoder, targets
from fuzz.targets import session as fuzzed_session
from tests.device_drivers.families import family

RUNS = 60_000
SECONDS = 300


@pytest.mark.slow
def test_no_input_makes_a_decoder_or_a_conversation_fail():
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "--together", "--runs", str(RUNS), "--json"],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    (outcome,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert outcome["failure"] is None, (outcome["failure"], outcome["found"])
    assert done.returncode == 0
    assert outcome["runs"] == RUNS


def test_every_format_and_every_driver_is_fuzzed_and_begins_with_examples():
    assert len(names()) == len(FORMATS) + len(DRIVERS)
    assert [name for name in names() if not seeds(name)] == []


@pytest.mark.parametrize("error", [KeyError, OverflowError, IndexError])
def test_an_undeclared_error_is_not_swallowed(error):
    def broken(data: bytes) -> object:
        raise error

    with pytest.raises(error):
        decoder(replace(FORMATS["2A35"], decode=broken))(b"\0" * 7)


def test_a_decoder_that_reads_its_own_bytes_otherwise_is_found():
    wrong = replace(FORMATS["2A08"], encode=lambda message: bytes(7))
    with pytest.raises(AssertionError):
        decoder(wrong)(bytes.fromhex("e20704110f3308"))


def test_each_target_takes_its_own_examples():
    found = targets(lambda key: tuple(family.characteristics()))
    for name in names():
        for seed in seeds(name):
            found[name](seed)


def test_conversations_are_fuzzed_with_their_options_and_nothing_is_remembered():
    """So that an input which fails does so again."""
    seen = []

    def session(context: SessionContext) -> Session:
        seen.append((dict(context.options), dict(context.memory)))
        context.memory["kept"] = "1"
        return DRIVERS["nonin-df13"].session(context)

    target = fuzzed_session(replace(DRIVERS["nonin-df13"], session=session), ())
    for data in (b"\x00", b"\x01", b""):
        target(data)
    assert [options for options, _ in seen] == [
        {"select_format": on, "set_time": on, "unverified": on} for on in (False, True, False)
    ]
    assert [memory for _, memory in seen] == [{}] * 3


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("cms50-v7-start-date", "07ffffffff808088"),
        (
            "and-pbt",
            (
                "50574341504902005b000000970100dc070915003628dc070916080c16ed4a801f090055432d3431313531323034303030313700005042542d43"
                "0000000000f0002353542c2b3037382e30356b670d0a52542c303438362e314f0d0a46542c32352e3734250d0a48542c2b313734306d6d0d0a"
                "42542c30313638336b630d0a4d542c3035352e326b670d0a57542c3034322e356b670d0a49442c30310d0a"
            ),
        ),
    ],
)
def test_what_a_fuzzer_once_found_is_mended(key, found):
    data = bytes.fromhex(found)
    for last in range(256):
        decoder(FORMATS[key])(data[:-1] + bytes((last,)))
    decoder(FORMATS[key])(data + bytes(1))
