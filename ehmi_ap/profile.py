"""A network's profile as a value: what it fixes of P-Modes, and what it asks of a message."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ehmi_ap.envelope import Envelope
from ehmi_ap.model import Participant, Payload, Service, UserMessage


@dataclass(frozen=True, slots=True)
class Finding:
    """What a profile's check found in a message; `level` is off, warn or reject, `path` the place in the document."""

    rule: str
    level: str
    what: str
    fix: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressing:
    """What a business envelope says about who gets it and what it is."""

    sender: Participant
    receiver: Participant
    service: Service
    action: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a profile says of a message: its findings, and its business envelope where that could be read."""

    findings: Sequence[Finding]
    envelope: Envelope | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A network's rules: P-Mode values that differ from our defaults, and what it asks of a message.

    `address` reads the routing facts from the leading payload of a submission, and answers None for a payload that is
    no such envelope; `check` judges a message before it is sent and before it is acknowledged, and says what its
    envelope is. `signed`: what C1 hands to us and what we hand to C4 is signed, unless they are built together with us.
    """

    name: str
    values: Mapping[str, object] = field(default_factory=dict)
    address: Callable[[Payload], Addressing | None] | None = None
    check: Callable[[UserMessage], Checked] | None = None
    signed: bool = False
