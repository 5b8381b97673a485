"""What the access point says no with, as the errors of this package."""

from collections.abc import Mapping
from typing import Any

import requests

from ehmi_ap.errors import (
    ApError,
    ConfigError,
    Fault,
    NoSignersAgreed,
    NotAllowed,
    NotFound,
    SignatureRefused,
    StoreError,
    SubmissionConflict,
    SubmissionError,
    TransportError,
)

_LEAVES: tuple[type[ApError], ...] = (
    NotFound,
    NotAllowed,
    SubmissionError,
    SubmissionConflict,
    SignatureRefused,
    NoSignersAgreed,
    StoreError,
)


class ClientError(ApError):
    """The access point said no; `problem` is its application/problem+json, `status` the HTTP status."""

    code = "client"
    fault = Fault.C1
    default_fix = "Correct the request; docs/reference/rest.md describes what can be asked."

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        what = problem.get("detail") or problem.get("title") or f"the access point answered {status}"
        super().__init__(str(what), fix=_choice(problem) or problem.get("fix"))
        self.status = status
        self.problem = dict(problem)


class ServerFailed(ClientError):
    """The access point failed on its side; the same request may succeed later."""

    code = "client.server"
    fault = Fault.US
    retryable = True
    default_fix = "Try again later; look into the access point's log if it stays so."


def _choice(problem: Mapping[str, Any]) -> str | None:
    """The messages that share a MessageId, for who cannot see the query that the server's own fix speaks of."""
    given = problem.get("candidates")
    candidates = [each for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    among = [f"{each.get('direction')} {each.get('party')}" for each in candidates]
    return f"Choose one with direction and party: {'; '.join(among)}." if among else None


def raise_problem(answer: requests.Response) -> None:
    """Raise what an answer that is not a success means."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    kind = ServerFailed if answer.status_code >= 500 else ClientError
    error = kind(answer.status_code, problem)
    if problem.get("code") == ConfigError.code:
        raise ConfigError([str(finding) for finding in problem.get("findings", ())]) from error
    for leaf in _LEAVES:
        if problem.get("code") == leaf.code:
            raise leaf(error.what, fix=error.fix) from error
    raise error


def unreachable(url: str, error: Exception) -> TransportError:
    return TransportError(
        f"the access point at {url} cannot be reached or broke off ({type(error).__name__})",
        fix="Check the URL and that the access point runs; a submission with its message_id may be repeated.",
    )
