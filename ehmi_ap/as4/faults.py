"""From crypto's words to ebMS's: which eb:Error a failure of XML security becomes (as4-wire 6.4, decision 5).

What is not allowed, points at nothing or is too much does not comply with the policy (0103), wherever it stands;
anything else is the business of the step it happened in: 0101 in a signature, 0102 in decryption.
"""

from types import TracebackType

from ehmi_ap.errors import (
    BudgetExceeded,
    EbmsError,
    NotAllowedAlgorithm,
    PeerError,
    PolicyNoncompliance,
    ReferenceNotFound,
    XmlSecurityError,
)

_POLICY = (NotAllowedAlgorithm, ReferenceNotFound, BudgetExceeded)


class spoken_as:  # noqa: N801 - reads as a statement: with spoken_as(FailedAuthentication):
    """Turns an XmlSecurityError of the block into an eb:Error: `otherwise`, unless it is a matter of policy."""

    __slots__ = ("_otherwise",)

    def __init__(self, otherwise: type[EbmsError]) -> None:
        self._otherwise = otherwise

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, XmlSecurityError):
            leaf = PolicyNoncompliance if isinstance(error, _POLICY) else self._otherwise
            raise leaf(error.what) from error


class Faults:
    """The first fault of each step: steps may run in any order, the lowest number is what is answered."""

    def __init__(self) -> None:
        self._found: dict[int, PeerError] = {}

    def at(self, step: int) -> "_Step":
        """A block whose PeerError is noted under `step` and not raised."""
        return _Step(self, step)

    def note(self, step: int, error: PeerError) -> None:
        self._found.setdefault(step, error)

    def any(self) -> bool:
        return bool(self._found)

    def up_to(self, step: int) -> bool:
        """Whether any step up to this one found a fault."""
        return any(found <= step for found in self._found)

    def raise_first(self) -> None:
        if self._found:
            raise self._found[min(self._found)]


class _Step:
    __slots__ = ("_faults", "_step")

    def __init__(self, faults: Faults, step: int) -> None:
        self._faults = faults
        self._step = step

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if isinstance(error, PeerError):
            self._faults.note(self._step, error)
            return True
        return False
