"""The table of states, and when to try again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehmi_ap.lifecycle import TRANSITIONS, Happening, RetryPolicy, State, next_attempt

START = datetime(2026, 11, 23, tzinfo=UTC)
STEADY = RetryPolicy(jitter=0)


def waits(policy: RetryPolicy, limit: int = 1000) -> list[float]:
    """Seconds between attempts until it gives up, each attempt made the moment it is due."""
    now, found = START, list[float]()
    for attempts in range(1, limit):
        due = next_attempt(policy, attempts=attempts, first_at=START, now=now, chance=0.5)
        if due is None:
            return found
        found.append((due - now).total_seconds())
        now = due
    raise AssertionError("it never gives up")


# The table


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_what_is_claimed_can_end_in_every_way() -> None:
    """Whoever claims can say that it is done, missed or given up; a miss leads back to where it was claimed."""
    for state, after in TRANSITIONS.items():
        if Happening.CLAIMED in after:
            held = TRANSITIONS[after[Happening.CLAIMED]]
            assert set(held) == {Happening.SETTLED, Happening.MISSED, Happening.GIVEN_UP}
            assert held[Happening.MISSED] is state
            assert held[Happening.SETTLED] is after[Happening.SETTLED]


def test_what_is_given_up_can_be_opened_again() -> None:
    for after in TRANSITIONS.values():
        if Happening.GIVEN_UP in after:
            assert TRANSITIONS[after[Happening.GIVEN_UP]][Happening.RESENT] is after[Happening.MISSED]


def test_nothing_leads_out_of_what_is_settled() -> None:
    for after in TRANSITIONS.values():
        if Happening.SETTLED in after:
            assert TRANSITIONS[after[Happening.SETTLED]] == {}


def test_a_late_receipt_counts_until_there_is_one() -> None:
    late = {state for state, after in TRANSITIONS.items() if after.get(Happening.SETTLED) is State.ACKNOWLEDGED}
    assert late == {State.ACCEPTED, State.SENDING, State.FAILED}


# When to try again (design decision 3)


def test_waits_double_from_half_a_minute_to_half_an_hour_within_a_day() -> None:
    found = waits(STEADY)
    assert found[:8] == [30, 60, 120, 240, 480, 960, 1800, 1800]
    assert 86400 - 1800 < sum(found) <= 86400


def test_the_conformance_set_is_five_retries_under_three_minutes() -> None:
    policy = RetryPolicy(first_wait=30, factor=1, jitter=0, attempts=6)
    assert waits(policy) == [30] * 5


def test_one_attempt_is_one_attempt() -> None:
    assert waits(RetryPolicy(attempts=1)) == []


def test_the_window_counts_from_the_first_attempt() -> None:
    at = START + timedelta(seconds=STEADY.window - 30)
    due = next_attempt(STEADY, attempts=1, first_at=START, now=at, chance=0)
    assert due == START + timedelta(seconds=STEADY.window)
    late = at + timedelta(microseconds=1)
    assert next_attempt(STEADY, attempts=1, first_at=START, now=late, chance=0) is None


@pytest.mark.parametrize(
    ("not_before", "wait"),
    [(None, 30), (0.0, 30), (10.0, 30), (31.5, 31.5), (1800.0, 1800), (86000.0, 1800)],
)
def test_retry_after_lengthens_a_wait_but_not_without_end(not_before: float | None, wait: float) -> None:
    due = next_attempt(STEADY, attempts=1, first_at=START, now=START, chance=0, not_before=not_before)
    assert due == START + timedelta(seconds=wait)


@given(attempts=st.integers(1, 10**6), chance=st.floats(0, 1, exclude_max=True))
def test_jitter_shortens_by_no_more_than_its_share(attempts: int, chance: float) -> None:
    """And no number of attempts overflows."""
    policy = RetryPolicy(window=1e9)
    due = next_attempt(policy, attempts=attempts, first_at=START, now=START, chance=chance)
    full = next_attempt(policy, attempts=attempts, first_at=START, now=START, chance=0)
    assert due is not None
    assert full is not None
    share = (due - START) / (full - START)
    assert 0.8 - 1e-6 <= share <= 1
