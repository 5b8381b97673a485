"""The steps at which a victim dies are those of the product of today: `make crash` would only notice in the middle."""

import pytest

from tests.crash.victim import ASYNC_STEPS, SYNC_STEPS


@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_every_step_is_there(side: str) -> None:
    for owner, attribute in (*ASYNC_STEPS[side].values(), *SYNC_STEPS[side].values()):
        assert callable(getattr(owner, attribute))
