"""One access point for all tests of a module: no refused message changes it."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

pytest.register_assert_rewrite("tests.functional.bad_input.receiver")

from tests.functional.bad_input.receiver import Receiver, receiving  # noqa: E402 - after it is registered


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path_factory.mktemp("receiver")) as running:
        yield running
