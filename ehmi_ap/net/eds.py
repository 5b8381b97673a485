"""EHMI's delivery status service: `ports.Eds`, one AuditEvent a call (EDS IG 1.0.2; spec/eds.md 3, 4).

Each organisation we speak for has a token of its own: scope SOR and GLN. What EDS answers is taken for one of four:
taken; refused for good (the event will never be right); later; or ours to mend (token, certificate, enrolment).
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ehmi_ap.model import Organisation
from ehmi_ap.net.answers import object_of
from ehmi_ap.net.calls import Answered, Caller, Unanswered
from ehmi_ap.net.tokens import NoToken, Tokens
from ehmi_ap.reports import StatusAnswer, StatusOutcome

FHIR = "application/fhir+json"
SCOPE = "EDS system/AuditEvent.crs"
_TAKEN = (200, 201)
_PERMANENT = (400, 409, 410, 412, 413, 415, 422)
_NOT_HERE = (404, 405)  # one cannot post there, whatever one posts
_NAME = re.compile(r"[A-Za-z0-9.:_-]{1,100}")
"""SOR codes and GLNs come out of envelopes; a blank in one would ask for another scope."""
_DIGITS = re.compile(r"\d{4,}")
_LONGEST = 500


class EdsClient:
    """EDS at `base`, an https URL; `AuditEvent` is below it."""

    def __init__(self, caller: Caller, tokens: Tokens, *, base: str, scope: str = SCOPE) -> None:
        self._caller = caller
        self._tokens = tokens
        self._url = f"{base.rstrip('/')}/AuditEvent"
        self._scope = scope

    async def report(self, event: bytes, organisation: Organisation) -> StatusAnswer:
        """POST one AuditEvent (FHIR JSON) on behalf of `organisation`; a token that is refused is renewed once."""
        if not (_NAME.fullmatch(organisation.sor) and _NAME.fullmatch(organisation.gln)):
            what = "the envelope's SOR code or GLN is none that a token can be asked for"
            return StatusAnswer(outcome=StatusOutcome.REFUSED, what=what, fix="Tell who made the envelope.")
        scope = f"{self._scope} SOR:{organisation.sor} GLN:{organisation.gln}"
        answer: Answered | Unanswered | None = None
        for _ in range(2):
            token = await self._tokens.get(scope)
            if isinstance(token, NoToken):
                return _without_token(token)
            answer = await self._caller.call(self._url, data=event, content_type=FHIR, accept=FHIR, token=token)
            if not isinstance(answer, Answered) or answer.status != 401:
                break
            self._tokens.drop(scope, token)
        assert answer is not None
        return _unanswered(answer) if isinstance(answer, Unanswered) else _answered(answer)


def _without_token(token: NoToken) -> StatusAnswer:
    outcome = StatusOutcome.MISCONFIGURED if token.ours else StatusOutcome.LATER
    return StatusAnswer(outcome=outcome, what=token.what, fix=token.fix, retry_after=token.retry_after)


def _unanswered(answer: Unanswered) -> StatusAnswer:
    if answer.status in _TAKEN:
        return StatusAnswer(outcome=StatusOutcome.TAKEN, what=f"EDS answers with HTTP {answer.status}; {answer.what}")
    if answer.ours:
        fix = "Check [eds.tls] and `base`: EDS wants the certificate that the token is bound to."
        return StatusAnswer(outcome=StatusOutcome.MISCONFIGURED, what=f"EDS: {answer.what}", fix=fix)
    fix = "Check the way to EDS, and that it takes the certificate of [eds.tls]; it is tried again."
    return StatusAnswer(outcome=StatusOutcome.LATER, what=f"EDS: {answer.what}", fix=fix)


def _answered(answer: Answered) -> StatusAnswer:
    said = f"EDS answers with HTTP {answer.status}{_said(answer.body)}"
    if answer.status in _TAKEN:
        return StatusAnswer(outcome=StatusOutcome.TAKEN, what=said, reference=_reference(answer.location))
    if answer.status in (401, 403):
        fix = "Check that this access point is enrolled for the organisation, and its device id (`[eds] device`)."
        return StatusAnswer(outcome=StatusOutcome.MISCONFIGURED, what=said, fix=fix)
    if answer.status in _PERMANENT:
        fix = "Compare the event with EDS's profiles (`ehmi-ap eds preview`); it is not sent again by itself."
        return StatusAnswer(outcome=StatusOutcome.REFUSED, what=said, fix=fix)
    if answer.status in _NOT_HERE or 300 <= answer.status < 400:
        return StatusAnswer(outcome=StatusOutcome.MISCONFIGURED, what=said, fix="Correct `base`: EDS is elsewhere.")
    fix = "It is tried again; tell the operator of EDS if it lasts."
    return StatusAnswer(outcome=StatusOutcome.LATER, what=said, fix=fix, retry_after=answer.retry_after)


def _reference(location: str | None) -> str | None:
    usable = location is not None and location.isascii() and location.isprintable() and len(location) <= _LONGEST
    return location if usable else None


def _said(body: bytes) -> str:
    """What an OperationOutcome says, on one line. EDS may repeat values of the event: longer numbers are left out."""
    texts = "; ".join(_issues(object_of(body)))
    line = "".join(each if each.isprintable() else " " for each in texts)
    return f": {_DIGITS.sub('…', line)[:_LONGEST]}" if line else ""


def _issues(outcome: Mapping[str, Any]) -> Iterator[str]:
    issues = outcome.get("issue")
    for issue in issues if isinstance(issues, list) else ():
        if isinstance(issue, dict) and issue.get("severity") in ("fatal", "error"):
            details = issue.get("details")
            text = issue.get("diagnostics") or (details.get("text") if isinstance(details, dict) else None)
            code = issue.get("code")
            yield f"{code}: {text}" if text else str(code)
