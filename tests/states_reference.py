"""Writes docs/reference/states.md out of lifecycle.TRANSITIONS: `python -m tests.states_reference`.

tests/test_reference_pages.py fails when the page says something else than the table does.
"""

from collections.abc import Iterator
from pathlib import Path

from ehmi_ap.lifecycle import TRANSITIONS, Happening, State
from ehmi_ap.model import Direction
from ehmi_ap.store.rules import FAILED, FINAL, direction_of

FILE = Path(__file__).parent.parent / "docs" / "reference" / "states.md"

MEANINGS = {
    State.ACCEPTED: "C1's message is stored and waits: for its first attempt, or for the next one",
    State.SENDING: "a worker has claimed it, and one attempt is under way",
    State.ACKNOWLEDGED: "the peer has it; its verified receipt is stored, or was lost "
    "([decision 23](../decisions/0023-acknowledged-without-evidence.md))",
    State.FAILED: "given up: refused by the peer, or out of retries; a person must look",
    State.RECEIVED: "the peer's message is stored and its receipt is ready; C4 does not have it yet",
    State.DELIVERING: "a worker has claimed it, and one delivery is under way",
    State.DELIVERED: "C4 took it, or fetched and acknowledged it",
    State.UNDELIVERED: "given up: C4 did not take it in time; a person must look",
    State.ANSWERED: "a message to the test service: its receipt is stored, and nobody is given it",
}

CAUSES = {
    (State.ACCEPTED, Happening.CLAIMED): "it is due and a worker is free",
    (State.ACCEPTED, Happening.SETTLED): "the receipt of an earlier attempt was posted late",
    (State.SENDING, Happening.SETTLED): "a receipt that proves exactly what was sent, or the peer says on a retry that "
    "it has the message already",
    (State.SENDING, Happening.MISSED): "not looked up, no connection, no receipt, or one that proves nothing, and "
    "there is time for another try; or a refusal, after which a fresh look-up led elsewhere",
    (State.SENDING, Happening.GIVEN_UP): "the peer answered with an error, the answer will be the same next time, or "
    "the retries are used up",
    (State.FAILED, Happening.RESENT): "an operator sends it again",
    (State.FAILED, Happening.SETTLED): "a receipt was posted after we had given up",
    (State.RECEIVED, Happening.CLAIMED): "it is due and a worker is free",
    (State.RECEIVED, Happening.SETTLED): "C4 fetched and acknowledged it over REST",
    (State.DELIVERING, Happening.SETTLED): "the backend took it",
    (State.DELIVERING, Happening.MISSED): "the backend did not take it, and there is time for another try",
    (State.DELIVERING, Happening.GIVEN_UP): "the backend did not take it for as long as delivery is tried",
    (State.UNDELIVERED, Happening.RESENT): "an operator delivers it again",
}

STARTS = {State.ACCEPTED: "submitted", State.RECEIVED: "verified and stored", State.ANSWERED: "test message stored"}

HEAD = """\
# States of a message

<!-- Written by `python -m tests.states_reference` out of `ehmi_ap.lifecycle.TRANSITIONS`; change that table. -->

A message's row in the store is its place in the queue, and its state is a column of that row. A state changes only as
the table below says, in one transaction with the events that tell of it. Outbound is from C1 to the peer, inbound
from the peer to C4; no state belongs to both.

"""

TAIL = """
## What this means in practice

- Each claim is a lease (`[workers] lease`). The worker renews it while it works. When its process dies, the lease runs
  out and another worker takes the message up; a process that finds itself alone on the store does not wait for that.
- A miss counts as an attempt. When the next one is due is `[retry]` of the P-Mode for sending. For delivery it is the
  access point's own schedule. The peer's Retry-After can lengthen a wait.
- What is in a final state goes by [`[retention]`](configuration.md#retention), and so does what waits for a person.
  Nothing else is ever deleted.
- `ehmi-ap resend ID` and `POST /api/v1/messages/{id}/resend` are the only ways out of a state that waits for a person,
  beside a receipt that arrives late.
"""


def render() -> str:
    """The whole page."""
    return HEAD + "".join(_direction(direction) for direction in Direction) + _transitions() + TAIL


def _direction(direction: Direction) -> str:
    states = [state for state in State if direction_of(state) is direction]
    rows = "".join(f"| `{state.value}` | {MEANINGS[state]} | {_kind(state)} |\n" for state in states)
    diagram = "\n".join(f"    {line}" for line in _diagram(states))
    return (
        f"## {direction.value.capitalize()}\n\n```mermaid\nstateDiagram-v2\n{diagram}\n```\n\n"
        f"| state | meaning | |\n|---|---|---|\n{rows}\n"
    )


def _kind(state: State) -> str:
    return "final" if state in FINAL else "waits for a person" if state in FAILED else ""


def _diagram(states: list[State]) -> Iterator[str]:
    for state in states:
        if state in STARTS:
            yield f"[*] --> {state.value}: {STARTS[state]}"
        for happening, after in TRANSITIONS[state].items():
            yield f"{state.value} --> {after.value}: {happening.value}"
        if state in FINAL:
            yield f"{state.value} --> [*]"


def _transitions() -> str:
    rows = "".join(
        f"| `{state.value}` | {happening.value} | `{after.value}` | {CAUSES[state, happening]} |\n"
        for state, row in TRANSITIONS.items()
        for happening, after in row.items()
    )
    return f"## Every change\n\n| from | what happens | to | because |\n|---|---|---|---|\n{rows}"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
