"""What every step of one look-up has at hand, and the steps themselves as they are noted.

A look-up is a generator: it yields questions and is sent answers. Whatever ends it is raised as a DiscoveryError, and
becomes its last step.
"""

from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.discovery.found import Step, Wanted
from ehmi_ap.discovery.network import Network
from ehmi_ap.errors import DiscoveryError
from ehmi_ap.questions import Answer, Question

T = TypeVar("T")
Asking = Generator[Question, Answer, T]

_LONGEST = 4000


class Trail:
    """The steps of a look-up, in their order. Their evidence is made of what others wrote: it is shown as text only."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._what = "Begin"

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(self._steps)

    def begin(self, what: str) -> None:
        """The next step; what is seen, or fails, from now on is its."""
        self._what = what

    def saw(self, evidence: str, *, warning: bool = False) -> None:
        self._steps.append(Step(what=printable(self._what), evidence=printable(evidence), warning=warning))

    def failed(self, error: DiscoveryError) -> tuple[Step, ...]:
        """All steps; the last is the one that `error` ended."""
        return (*self._steps, Step(what=printable(self._what), evidence=printable(str(error)), ok=False))


def printable(value: str) -> str:
    """Without what a terminal might act on, and not without end."""
    shown = value[:_LONGEST]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    return shown if len(value) <= _LONGEST else f"{shown} ..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One look-up. `publishers` and `receivers` are the anchors that the network names for them; `now` is aware."""

    wanted: Wanted
    network: Network
    publishers: tuple[Certificate, ...]
    receivers: tuple[Certificate, ...]
    now: datetime
    trail: Trail = field(default_factory=Trail)
