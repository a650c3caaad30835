"""One fuzzer process: `python -m fuzz.one RUNS SEED FOLDER NAME...`; more targets than one share its inputs by their first byte.

Ends with 0 when every input was read or refused. An undeclared error ends it with its traceback; the input lies in FOLDER.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["device_drivers", "vitals"]):
    from fuzz.targets import Target, targets
    from simulators.models.model import Body
    from simulators.models.registry import MODELS

LONGEST_INPUT = 512


def characteristics(key: str) -> tuple[str, ...]:
    """Those of the driver's simulated device."""
    return MODELS[key](lambda _: Body()).characteristics if key in MODELS else ()


def shared(chosen: list[Target]) -> Target:
    """One target of many."""

    def target(data: bytes) -> None:
        if data:
            chosen[data[0] % len(chosen)](data[1:])

    return target


def main() -> None:
    runs, seed, folder, *names = sys.argv[1:]
    found = targets(characteristics)
    chosen = [found[name] for name in names]
    target = chosen[0] if len(chosen) == 1 else shared(chosen)
    corpus = Path(folder) / "corpus"
    options = [
        f"-runs={runs}",
        f"-seed={seed}",
        f"-max_len={LONGEST_INPUT}",
        f"-artifact_prefix={folder}/",
        "-verbosity=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
