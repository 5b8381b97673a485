"""One pair of access points for each transport, used by all tests in turn: each test has messages of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.conformance.catalogue import TRANSPORTS
from tests.conformance.world import World, open_world


@pytest.fixture(scope="session", params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    """How messages travel between C2 and C3."""
    return str(request.param)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def both(transport: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The two access points; started once, because that costs more than a test."""
    async with open_world(tmp_path_factory.mktemp("conformance"), transport) as world:
        yield world


@pytest.fixture
def world(both: World) -> World:
    """The two access points, with nothing on their links."""
    both.c2.link.clear()
    both.c3.link.clear()
    return both
