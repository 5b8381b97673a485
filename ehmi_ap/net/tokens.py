"""Access tokens of an OAuth 2 authorization server: client_credentials, the client known by its TLS certificate.

Sources: RFC 6749 4.4, RFC 8705 2.1 and 5, RFC 8414; FAPI 2.0 as EHMI has it (spec/eds.md 4). There is one token for
each scope, asked for when it is needed, kept until shortly before it ends, and asked for by one at a time. A token is
opaque to us and stands in no log.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from weakref import WeakValueDictionary

from ehmi_ap.net.answers import object_of
from ehmi_ap.net.calls import Answered, Caller, Unanswered

FORM = "application/x-www-form-urlencoded"
EARLY = 30.0
"""Seconds before its end at which a token is no longer used; of a short-lived one, a quarter of its life."""
SHORTEST = 60.0
"""Seconds a token is taken to live where the server does not say."""
LONGEST = 24 * 3600.0
"""Seconds after which a token is asked for anew, however long it says that it lives."""
WELL_KNOWN = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]{1,16000}={0,2}")  # RFC 6750 2.1
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,60}")


@dataclass(frozen=True, slots=True)
class NoToken:
    """Why there is no token. `ours`: the server refuses us, and asking again as we are does not help."""

    what: str
    fix: str
    ours: bool
    retry_after: float | None = None  # seconds


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    until: float  # of the clock


class Tokens:
    """The tokens of one client at one authorization server."""

    def __init__(self, caller: Caller, *, issuer: str, client_id: str, clock: Callable[[], float]) -> None:
        """`issuer` is the server's identifier, an https URL (RFC 8414 2); `clock` counts seconds, never backwards."""
        self._caller = caller
        self._issuer = issuer
        self._client_id = client_id
        self._clock = clock
        self._endpoint: str | None = None
        self._tokens: dict[str, _Token] = {}
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, scope: str) -> str | NoToken:
        """A token for `scope`: the one at hand, or a new one."""
        async with self._asking.setdefault(scope, asyncio.Lock()):
            kept = self._tokens.get(scope)
            if kept is not None and self._clock() < kept.until:
                return kept.value
            fresh = await self._ask(scope)
            if isinstance(fresh, NoToken):
                self._endpoint = None  # it may have moved
                return fresh
            now = self._clock()
            self._tokens = {name: each for name, each in self._tokens.items() if now < each.until}
            self._tokens[scope] = fresh
            return fresh.value

    def drop(self, scope: str, token: str) -> None:
        """It was refused where it was shown; the next get() asks for another."""
        kept = self._tokens.get(scope)
        if kept is not None and kept.value == token:
            del self._tokens[scope]

    async def _ask(self, scope: str) -> _Token | NoToken:
        endpoint = await self._token_endpoint()
        if isinstance(endpoint, NoToken):
            return endpoint
        form = {"grant_type": "client_credentials", "scope": scope, "client_id": self._client_id}
        asked_at = self._clock()
        answer = await self._caller.call(endpoint, data=urlencode(form).encode(), content_type=FORM)
        if isinstance(answer, Unanswered):
            return _unanswered(answer)
        said = object_of(answer.body)
        if answer.status != 200:
            return _refused(answer, said, scope)
        return _token(said, scope, asked_at)

    async def _token_endpoint(self) -> str | NoToken:
        """From the server's metadata: the mTLS alias where there is one (RFC 8705 5); kept."""
        if self._endpoint is None:
            found = await self._metadata()
            if isinstance(found, NoToken):
                return found
            if found.get("issuer") != self._issuer:
                return NoToken(
                    "the authorization server's metadata names another issuer",
                    "Write `issuer` exactly as the server does; if it is right, do not trust this server.",
                    ours=True,
                )
            aliases = found.get("mtls_endpoint_aliases")
            alias = aliases.get("token_endpoint") if isinstance(aliases, dict) else None
            endpoint = alias or found.get("token_endpoint")
            if not isinstance(endpoint, str) or not endpoint.startswith("https://"):
                return NoToken("the authorization server's metadata has no token endpoint", _SERVER, ours=False)
            self._endpoint = endpoint
        return self._endpoint

    async def _metadata(self) -> Mapping[str, Any] | NoToken:
        """RFC 8414 3.1 puts the well-known path before that of the issuer, OpenID Connect behind it."""
        parts = urlsplit(self._issuer)
        path = parts.path.rstrip("/")
        answers: list[Answered] = []
        for url in (
            f"{parts.scheme}://{parts.netloc}{WELL_KNOWN[0]}{path}",
            f"{parts.scheme}://{parts.netloc}{path}{WELL_KNOWN[1]}",
        ):
            answer = await self._caller.call(url)
            if isinstance(answer, Unanswered):
                return _unanswered(answer)
            found = object_of(answer.body)
            if answer.status == 200 and found:
                return found
            answers.append(answer)
        worst = max(answers, key=lambda answer: answer.status)  # a server in trouble does not say where its metadata is
        what = f"the authorization server's metadata cannot be read: HTTP {worst.status}"
        ours = worst.status < 500 and worst.status not in (408, 429)
        fix = "Check `issuer`." if ours else _LATER
        return NoToken(what, fix, ours=ours, retry_after=worst.retry_after)


_LATER = "It is tried again; tell the operator of the authorization server if it lasts."
_SERVER = "Tell the operator of the authorization server."
_ENROL = "Check client_id, certificate and organisation against the enrolment (`ehmi-ap eds enrolment` prints it)."
_CERTIFICATE = "Check the certificate of [eds.tls]: the authorization server has to know it."
_WAY = "Check the way to the authorization server, and that it knows the certificate of [eds.tls]; it is tried again."


def _unanswered(answer: Unanswered) -> NoToken:
    fix = _CERTIFICATE if answer.ours else _WAY
    return NoToken(f"the authorization server: {answer.what}", fix, ours=answer.ours)


def _refused(answer: Answered, said: Mapping[str, Any], scope: str) -> NoToken:
    """RFC 6749 5.2: 400 and 401 with a word; everything else is the server's own trouble."""
    if answer.status in (400, 401, 403):
        error = said.get("error")
        word = error if isinstance(error, str) and _WORD.fullmatch(error) else f"HTTP {answer.status}"
        what = f"the authorization server refuses a token for {scope}: {word}"
        return NoToken(what, _CERTIFICATE if word == "invalid_client" else _ENROL, ours=True)
    what = f"the authorization server answers with HTTP {answer.status}"
    return NoToken(what, _LATER, ours=False, retry_after=answer.retry_after)


def _token(said: Mapping[str, Any], scope: str, asked_at: float) -> _Token | NoToken:
    value, kind = said.get("access_token"), str(said.get("token_type", ""))
    if not isinstance(value, str) or not _BEARER.fullmatch(value) or kind.lower() != "bearer":
        return NoToken("the authorization server's answer holds no bearer token", _SERVER, ours=False)
    granted = said.get("scope")
    lacking = set(scope.split()) - set(granted.split()) if isinstance(granted, str) else set()
    if lacking:
        what = f"the authorization server grants a token without {' '.join(sorted(lacking))}"
        return NoToken(what, _ENROL, ours=True)
    lives = said.get("expires_in")
    lives = max(0.0, min(lives, LONGEST)) if isinstance(lives, int | float) and lives == lives else SHORTEST
    return _Token(value, asked_at + lives - min(EARLY, lives / 4))
