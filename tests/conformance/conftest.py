"""Both clients: the TypeScript one is built when a test first asks for it, and runs in one Node.js process a module."""

from pathlib import Path

import pytest
import pytest_asyncio

from devtools import web
from tests.conformance.driven import Open, node, python_client


@pytest.fixture(scope="session")
def typescript_client_modules() -> Path:
    """The folder of the built ES modules."""
    return web.build()


@pytest_asyncio.fixture(params=["python", "typescript"], scope="module", loop_scope="module")
async def open_client(request: pytest.FixtureRequest):
    """Opens a client of either kind."""
    if request.param == "python":
        yield python_client
        return
    async with node(request.getfixturevalue("typescript_client_modules")) as process:
        opening: Open = process.client
        yield opening
