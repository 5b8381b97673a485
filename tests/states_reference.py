"""Writes docs/reference/states.md out of lifecycle.TRANSITIONS and the kinds of events: `python -m tests.states_reference`.

tests/test_reference_pages.py fails when the page says something else than the table does.
"""

from collections.abc import Iterator
from pathlib import Path

from ehmi_ap.ehmi.reliability import Arrival, ReceiptArrival
from ehmi_ap.lifecycle import TRANSITIONS, Happening, State
from ehmi_ap.model import Direction, EventKind
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

EVENTS = {
    EventKind.RECEIVED: "stored: from C1, or from the peer with the receipt that it was given",
    EventKind.SENT: "the receipt of the peer is verified and stored, or C4 has it; failed: given up",
    EventKind.DISCOVERED: "a look-up found the receiver's access point, for the first time or elsewhere than before",
    EventKind.ATTEMPT: "one attempt to send or to deliver did not settle it",
    EventKind.ERROR: "the peer answered, or posted, an eb:Error",
    EventKind.REFUSED: "we refused a message of the peer after we knew its sender",
    EventKind.DUPLICATE: "the same AS4 message arrived again: answered with the first receipt, not delivered",
    EventKind.RESENT: "an operator opened it again",
    EventKind.ANSWERED: "an `envelope-receipt` or an `acknowledgement` of it passed (`code`), in the message that the text "
    "names; failed: the receipt is a negative one",
    EventKind.UNANSWERED: "its envelope receipt did not pass by the time that its envelope says; one may still come",
    EventKind.SEEN_BEFORE: "its envelope is not new, by what the same sender sent before; it is delivered all the same",
}

SEEN = {
    Arrival.REPEAT: "EnvelopeIdentifier and MessageIdentifier were used before, together",
    Arrival.RESEND: "the MessageIdentifier was used before, for the same receiver, in another envelope",
    Arrival.REFUSE: "the EnvelopeIdentifier was used before, with another MessageIdentifier or for another receiver",
    ReceiptArrival.IGNORE: "a receipt, and not the first for its envelope",
    ReceiptArrival.CONTRADICTION: "a positive receipt after a negative one for the same envelope, or the reverse",
}

STARTS = {State.ACCEPTED: "submitted", State.RECEIVED: "verified and stored", State.ANSWERED: "test message stored"}

HEAD = """\
# States of a message

<!-- Written by `python -m tests.states_reference` out of `ehmi_ap.lifecycle.TRANSITIONS` and EventKind; change those. -->

A message's row in the store is its place in the queue, and its state is a column of that row. A state changes only as
the table below says, in one transaction with the events that tell of it. Outbound is from C1 to the peer, inbound
from the peer to C4; no state belongs to both.

"""

EVENTS_HEAD = """
## Events

What happened to a message is its timeline (`ehmi-ap show`, `GET /api/v1/messages/{id}/events`), and each event is told to the
backend of the message.

"""

SEEN_HEAD = """
`code` of `seen-before` is a row of EHMI's rules for reliable messaging ([decision 52](../decisions/0052-duplicates-of-an-msh.md)).
Those rules are for message service handlers: an access point tells both ends what it saw, and what is asked of them.

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
    directions = "".join(_direction(direction) for direction in Direction)
    return HEAD + directions + _transitions() + EVENTS_HEAD + _events() + SEEN_HEAD + _seen() + TAIL


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


def _events() -> str:
    rows = "".join(f"| `{kind.value}` | {EVENTS[kind]} |\n" for kind in EventKind)
    return f"| kind | what happened |\n|---|---|\n{rows}"


def _seen() -> str:
    rows = "".join(f"| `{row.value}` | {SEEN[row]} |\n" for row in SEEN)
    return f"| code | what was seen |\n|---|---|\n{rows}"


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
