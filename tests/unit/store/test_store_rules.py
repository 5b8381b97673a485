"""What the stores derive from lifecycle.TRANSITIONS."""

import pytest

from ehmi_ap.lifecycle import TRANSITIONS, Happening, State
from ehmi_ap.model import Direction
from ehmi_ap.store.rules import CLAIM, FINAL, HELD, direction_of, next_state


def test_claims_of_what_waits_and_of_what_was_left() -> None:
    assert CLAIM == {
        State.ACCEPTED: State.SENDING,
        State.SENDING: State.SENDING,
        State.RECEIVED: State.DELIVERING,
        State.DELIVERING: State.DELIVERING,
    }
    assert {State.SENDING, State.DELIVERING} == HELD


def test_final_states_wait_for_nobody() -> None:
    assert {State.ACKNOWLEDGED, State.DELIVERED, State.ANSWERED} == FINAL


def test_a_state_has_one_direction() -> None:
    outbound = {state for state in State if direction_of(state) is Direction.OUTBOUND}
    assert outbound == {State.ACCEPTED, State.SENDING, State.ACKNOWLEDGED, State.FAILED}


@pytest.mark.parametrize("happening", [h for h in Happening if h is not Happening.CLAIMED])
def test_without_an_attempt_the_table_decides(happening: Happening) -> None:
    for state in State:
        assert next_state(state, happening, attempts=3, attempt=None) is TRANSITIONS[state].get(happening)


def test_a_miss_counts_for_the_latest_claim_only() -> None:
    for happening, after in ((Happening.MISSED, State.ACCEPTED), (Happening.GIVEN_UP, State.FAILED)):
        assert next_state(State.SENDING, happening, attempts=2, attempt=1) is None
        assert next_state(State.SENDING, happening, attempts=2, attempt=2) is after
    assert next_state(State.SENDING, Happening.SETTLED, attempts=2, attempt=1) is State.ACKNOWLEDGED
