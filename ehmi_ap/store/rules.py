"""What the stores take from lifecycle.TRANSITIONS; there is no other list of states in this room."""

from ehmi_ap.lifecycle import TRANSITIONS, Happening, State
from ehmi_ap.model import DeliveryEvent, Direction, PartyId, Property, UserMessage
from ehmi_ap.ports import found_lane

CLAIM: dict[State, State] = {}
"""Who may be claimed, and what it becomes. A lease that ran out is a miss that nobody reported, then a claim."""

for _state, _next in TRANSITIONS.items():
    if Happening.CLAIMED in _next:
        CLAIM[_state] = _next[Happening.CLAIMED]
    elif Happening.MISSED in _next:
        CLAIM[_state] = TRANSITIONS[_next[Happening.MISSED]][Happening.CLAIMED]

FINAL: frozenset[State] = frozenset(state for state, after in TRANSITIONS.items() if not after)
"""States out of which nothing leads."""

FAILED: frozenset[State] = frozenset(state for state, after in TRANSITIONS.items() if Happening.RESENT in after)
"""States that wait for a person."""

HELD: frozenset[State] = frozenset(CLAIM.values())
"""States in which a worker is at it."""

FEW = 8
"""So many envelopes with one identifier, and answers of one message, are looked at: two resends, and mistakes."""


def _reachable(state: State) -> frozenset[State]:
    found, new = {state}, {state}
    while new:
        new = {after for one in new for after in TRANSITIONS[one].values()} - found
        found |= new
    return frozenset(found)


_OUTBOUND = _reachable(State.ACCEPTED)


def direction_of(state: State) -> Direction:
    """Whose states these are: no state belongs to both directions."""
    return Direction.OUTBOUND if state in _OUTBOUND else Direction.INBOUND


_OF_THE_CLAIM = (Happening.MISSED, Happening.GIVEN_UP)


def next_state(state: State, happening: Happening, *, attempts: int, attempt: int | None) -> State | None:
    """Where a happening leads from a state; None: it is not allowed there.

    `attempts` is the message's, `attempt` that of the worker who reports: a miss counts only for the latest claim.
    """
    if happening in _OF_THE_CLAIM and attempt is not None and attempt != attempts:
        return None
    return TRANSITIONS[state].get(happening)


def partner(message: UserMessage, direction: Direction) -> str:
    """The PartyId value of the other access point."""
    return (message.to if direction is Direction.OUTBOUND else message.from_).id.value


def lane_of(direction: Direction, pmode: str, backend: str, *, found: PartyId | None = None) -> str:
    """What `pass_over` of claim() names; `found` is the access point where a look-up found it."""
    if direction is Direction.INBOUND:
        return backend
    return pmode if found is None else found_lane(pmode, found)


def end_entity(properties: tuple[Property, ...], name: str) -> str | None:
    """The value of originalSender or finalRecipient, if the message names it."""
    return next((item.value for item in properties if item.name == name), None)


def backend_of(event: DeliveryEvent, backend: str) -> str:
    """Whom an event is told: the one it names, or the message's."""
    return event.backend or backend
