"""Errors of the REST as application/problem+json (RFC 9457), each with what to do about it.

`code` is the machine's word for the cause, `fault` says whose it is, `fix` what to change, and `resend` whether
the same request may succeed later unchanged. No problem carries a payload, a header value or a trace.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web
from pydantic import TypeAdapter

from ehmi_ap.errors import (
    Ambiguous,
    ApError,
    ConfigError,
    Fault,
    HttpRefusal,
    NoSignersAgreed,
    NotAllowed,
    NotFound,
    RequestRefused,
    SendingBlocked,
    SignatureRefused,
    StoreError,
    SubmissionConflict,
    SubmissionError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 30
"""Seconds after which a request that failed through our own fault may be tried again."""

_STATUS: tuple[tuple[type[ApError], int], ...] = (
    (SubmissionConflict, 409),
    (SignatureRefused, 403),
    (NoSignersAgreed, 403),
    (SubmissionError, 422),
    (NotFound, 404),
    (NotAllowed, 409),
    (ConfigError, 422),
    (SendingBlocked, 503),
    (StoreError, 503),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of several messages that share a MessageId: add these two to the query to choose it."""

    direction: str
    party: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What went wrong, whose fault it is, what to do, and whether the same request may succeed later."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    fault: str
    fix: str
    resend: bool
    findings: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


_PROBLEM = TypeAdapter(Problem)


def problem_of(error: Exception) -> Problem:
    """The problem that an error is answered with. What is not ours to show becomes one sentence."""
    if isinstance(error, HttpRefusal):
        error = RequestRefused(error.status, error.public)
    if isinstance(error, web.HTTPException):
        error = RequestRefused(error.status, HTTPStatus(error.status).description or error.reason)
    if not isinstance(error, ApError):
        return _problem(500, "internal", Fault.US, "The access point failed.", ApError.default_fix, resend=True)
    status = error.status if isinstance(error, RequestRefused) else _status(error)
    return _problem(
        status,
        error.code,
        error.fault,
        error.what,
        error.fix,
        resend=error.retryable or status in (408, 429, 503),
        findings=error.findings if isinstance(error, ConfigError) else (),
        candidates=tuple(Candidate(direction=direction, party=party) for direction, party in _candidates(error)),
    )


def answer(error: Exception) -> web.Response:
    """The HTTP answer to an error."""
    problem = problem_of(error)
    response = web.Response(status=problem.status, body=_PROBLEM.dump_json(problem), content_type=MEDIA_TYPE)
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = error.headers["Allow"]
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="ehmi-ap"'
    if problem.status == 503:
        response.headers["Retry-After"] = str(RETRY_AFTER)
    if problem.status in (400, 408, 413, 415):
        response.force_close()  # the rest of the body may still be on its way
    return response


def _candidates(error: ApError) -> Sequence[tuple[str, str]]:
    return error.candidates if isinstance(error, Ambiguous) else ()


def _status(error: ApError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def _problem(
    status: int,
    code: str,
    fault: Fault,
    detail: str,
    fix: str,
    *,
    resend: bool,
    findings: tuple[str, ...] = (),
    candidates: tuple[Candidate, ...] = (),
) -> Problem:
    return Problem(
        type=f"urn:ehmi-ap:problem:{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        fault=fault.value,
        fix=fix,
        resend=resend,
        findings=findings,
        candidates=candidates,
    )
