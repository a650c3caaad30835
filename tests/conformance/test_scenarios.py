"""Each scenario, against each client: a scripted hub on a real socket, and all that the client's user sees."""

import json
from pathlib import Path

import pytest

from tests.conformance.driven import Open
from tests.conformance.script import play

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

SCENARIOS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "scenarios").glob("*.json"))
}


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_a_client_does_as_the_scenario_says(scenario: str, open_client: Open):
    await play(SCENARIOS[scenario], open_client)
