"""Tokens against a real authorization server over mutual TLS: when one is asked for, and every reason for none."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from ehmi_ap.demo.authorization import Enrolment
from ehmi_ap.model import Organisation
from ehmi_ap.net.calls import Caller
from ehmi_ap.net.tls import client_context, server_context
from ehmi_ap.net.tokens import LONGEST, SHORTEST, NoToken, Tokens
from tests.delivery_status import Answerer, AuthorizationServer
from tests.servers import TlsFiles, peer

ONE = "EDS system/AuditEvent.crs SOR:8851000016006 GLN:5790000121526"
TWO = "EDS system/AuditEvent.crs SOR:263001000016001 GLN:5790000201389"
ENROLMENT = Enrolment(
    client_id="our-ap",
    subject="CN=client,O=Test,C=DK",
    device_id="Our-AP",
    organisations=frozenset(
        {Organisation("8851000016006", "5790000121526"), Organisation("263001000016001", "5790000201389")}
    ),
)

GOOD = {"access_token": "abc", "token_type": "Bearer", "expires_in": 300}


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return TlsFiles(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def server() -> AuthorizationServer:
    return AuthorizationServer(ENROLMENT)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def client(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock, certificate: str = "client", **options: Any
) -> AsyncIterator[Tokens]:
    """Our client at that server; `options` in place of what it is told to be."""
    context = server_context(certificate=tls.server, client_ca=tls.client_ca)
    own = client_context(anchors=[tls.ca.der], certificate=getattr(tls, certificate))
    async with peer(server, context) as url, Caller(own, timeout=5.0) as caller:
        issuer = url.removesuffix("/as4") + server.path
        yield Tokens(caller, **{"issuer": issuer, "client_id": "our-ap", "clock": clock, **options})


def saying(body: object, status: int = 200, **headers: str) -> Answerer:
    async def answerer(request: web.Request) -> web.Response:
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, headers=headers)

    return answerer


# -- when one is asked for


async def test_a_token_serves_until_shortly_before_its_end(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock
) -> None:
    async with client(tls, server, clock) as tokens:
        first = await tokens.get(ONE)
        clock.now += 269.9
        assert await tokens.get(ONE) == first
        clock.now += 0.2
        assert await tokens.get(ONE) != first
    assert server.scopes == [ONE, ONE]
    assert server.asked == ["/.well-known/oauth-authorization-server", "/mtls/token", "/mtls/token"]


async def test_each_organisation_has_its_own(tls: TlsFiles, server: AuthorizationServer, clock: Clock) -> None:
    async with client(tls, server, clock) as tokens:
        one, two = await tokens.get(ONE), await tokens.get(TWO)
        assert one != two
        assert (await tokens.get(ONE), await tokens.get(TWO)) == (one, two)
    assert server.scopes == [ONE, TWO]


async def test_many_who_need_it_ask_once(tls: TlsFiles, server: AuthorizationServer, clock: Clock) -> None:
    async with client(tls, server, clock) as tokens:
        found = await asyncio.gather(*(tokens.get(scope) for scope in (ONE, TWO) * 5))
    assert len(set(found)) == 2
    assert sorted(server.scopes) == sorted([ONE, TWO])


async def test_whoever_waited_asks_when_the_first_one_gave_up(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await go_on.wait()
        return await server.token(request)

    server.instead["/mtls/token"] = slowly
    async with client(tls, server, clock) as tokens:
        first = asyncio.ensure_future(tokens.get(ONE))
        await arrived.wait()
        second = asyncio.ensure_future(tokens.get(ONE))
        await asyncio.sleep(0)
        first.cancel()
        go_on.set()
        assert isinstance(await second, str)


async def test_a_token_that_was_refused_is_asked_for_anew_once(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock
) -> None:
    """By whoever shows it first: a drop of the one before does not touch its successor."""
    async with client(tls, server, clock) as tokens:
        first = await tokens.get(ONE)
        assert isinstance(first, str)
        tokens.drop(ONE, first)
        second = await tokens.get(ONE)
        tokens.drop(ONE, first)
        tokens.drop(TWO, first)
        assert await tokens.get(ONE) == second != first


@pytest.mark.parametrize(
    ("lives", "serves"),
    [
        (8, 6.0),
        (1e300, LONGEST - 30.0),
        (10**400, LONGEST - 30.0),
        (float("inf"), LONGEST - 30.0),
        (float("nan"), SHORTEST * 3 / 4),
        ("300", SHORTEST * 3 / 4),
        (None, SHORTEST * 3 / 4),
        (0, 0.0),
        (-5, 0.0),
    ],
    ids=str,
)
async def test_how_long_it_serves(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock, lives: Any, serves: float
) -> None:
    """What does not say how long it lives, or nonsense, serves for a short while; nothing for more than a day."""
    numbers = itertools.count()

    async def token(request: web.Request) -> web.Response:
        return web.json_response({**GOOD, "access_token": f"token-{next(numbers)}", "expires_in": lives})

    server.instead["/mtls/token"] = token
    async with client(tls, server, clock) as tokens:
        first = await tokens.get(ONE)
        assert isinstance(first, str)
        for _ in range(3):
            assert serves == 0 or await tokens.get(ONE) == first
            clock.now += serves / 3 + 0.001
        assert await tokens.get(ONE) != first


async def test_tokens_that_ended_are_forgotten(tls: TlsFiles, server: AuthorizationServer, clock: Clock) -> None:
    """Organisations come out of envelopes: what is kept for one goes with its token."""
    async with client(tls, server, clock) as tokens:
        await tokens.get(ONE)
        clock.now += 1000
        await tokens.get(TWO)
        assert set(tokens._tokens) == {TWO}
        assert dict(tokens._asking) == {}


# -- where it is asked for


@pytest.mark.parametrize("path", ["", "/", "/realms/nsp", "/realms/nsp/"])
@pytest.mark.parametrize("form", ["oauth", "openid"])
async def test_the_metadata_is_found_in_either_place(tls: TlsFiles, clock: Clock, path: str, form: str) -> None:
    """RFC 8414 3.1 before the path, with a last slash left out; OpenID Connect Discovery 4 behind it."""
    server = AuthorizationServer(ENROLMENT, path=path)

    async def metadata(request: web.Request) -> web.Response:
        issuer = f"https://{request.host}{path}"
        return web.json_response({**server.metadata(request), "issuer": issuer})

    short = path.rstrip("/")
    before, behind = f"/.well-known/oauth-authorization-server{short}", f"{short}/.well-known/openid-configuration"
    server.instead = {before: saying("", 404), behind: metadata} if form == "openid" else {before: metadata}
    server.instead[f"{path}/mtls/token"] = server.token
    async with client(tls, server, clock) as tokens:
        assert isinstance(await tokens.get(ONE), str)
    assert server.asked[:2] == ([before, behind] if form == "openid" else [before, f"{path}/mtls/token"])


async def test_a_server_without_an_alias_for_mutual_tls(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock
) -> None:
    async def metadata(request: web.Request) -> web.Response:
        return web.json_response({**server.metadata(request), "mtls_endpoint_aliases": {"revocation_endpoint": "x"}})

    server.instead = {"/.well-known/oauth-authorization-server": metadata, "/token": server.token}
    async with client(tls, server, clock) as tokens:
        assert isinstance(await tokens.get(ONE), str)
    assert server.asked[-1] == "/token"


async def test_an_endpoint_that_moved_is_found_again(tls: TlsFiles, server: AuthorizationServer, clock: Clock) -> None:
    async def moved(request: web.Request) -> web.Response:
        aliases = {"token_endpoint": f"https://{request.host}/new"}
        return web.json_response({**server.metadata(request), "mtls_endpoint_aliases": aliases})

    async with client(tls, server, clock) as tokens:
        await tokens.get(ONE)
        gone = saying("", 404)
        server.instead = {
            "/.well-known/oauth-authorization-server": moved,
            "/mtls/token": gone,
            "/new": server.token,
        }
        assert isinstance(await tokens.get(TWO), NoToken)
        assert isinstance(await tokens.get(TWO), str)


# -- none


async def refused(tls: TlsFiles, server: AuthorizationServer, clock: Clock, scope: str = ONE, **how: Any) -> NoToken:
    async with client(tls, server, clock, **how) as tokens:
        found = await tokens.get(scope)
    assert isinstance(found, NoToken)
    assert found.what
    assert found.fix
    return found


async def test_an_organisation_that_we_are_not_enrolled_for(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock
) -> None:
    scope = "EDS system/AuditEvent.crs SOR:1 GLN:5790000121526"
    found = await refused(tls, server, clock, scope)
    assert found.ours
    assert found.what == f"the authorization server refuses a token for {scope}: invalid_scope"
    assert "enrolment" in found.fix


@pytest.mark.parametrize("how", [{"client_id": "another"}, {"certificate": "other_client"}], ids=str)
async def test_a_client_that_is_not_the_one_that_was_enrolled(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock, how: dict[str, str]
) -> None:
    found = await refused(tls, server, clock, **how)
    assert found.ours
    assert found.what.endswith(": invalid_client")
    assert "certificate" in found.fix


async def test_a_certificate_that_the_server_does_not_take(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock
) -> None:
    await refused(tls, server, clock, certificate="stranger")
    assert server.asked == []


async def test_metadata_of_another_issuer(tls: TlsFiles, server: AuthorizationServer, clock: Clock) -> None:
    """RFC 8414 3.3; its token endpoint is not asked."""

    async def metadata(request: web.Request) -> web.Response:
        return web.json_response({**server.metadata(request), "issuer": "https://other.example"})

    server.instead["/.well-known/oauth-authorization-server"] = metadata
    found = await refused(tls, server, clock)
    assert found.ours
    assert "another issuer" in found.what
    assert "/mtls/token" not in server.asked


@pytest.mark.parametrize("endpoint", [None, 7, "", "http://localhost/token", {}], ids=str)
async def test_metadata_without_a_token_endpoint(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock, endpoint: Any
) -> None:
    async def metadata(request: web.Request) -> web.Response:
        changes = {"token_endpoint": endpoint, "mtls_endpoint_aliases": {"token_endpoint": endpoint}}
        return web.json_response({**server.metadata(request), **changes})

    server.instead["/.well-known/oauth-authorization-server"] = metadata
    assert "no token endpoint" in (await refused(tls, server, clock)).what


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("first", "second", "ours", "status"),
    [
        (saying("", 404), saying("", 404), True, 404),
        (saying("<html>", 200), saying("[1]", 200), True, 200),
        (saying(DEEP, 200), saying("", 404), True, 404),
        (saying("", 302, Location="/x"), saying("", 404), True, 404),
        (saying("", 503, **{"Retry-After": "9"}), saying("", 404), False, 503),
        (saying("", 404), saying("", 500), False, 500),
        (saying("", 429), saying("", 404), False, 429),
    ],
)
async def test_metadata_that_cannot_be_read(
    tls: TlsFiles,
    server: AuthorizationServer,
    clock: Clock,
    first: Answerer,
    second: Answerer,
    ours: bool,
    status: int,
) -> None:
    """A server in trouble is asked again, though its other place has nothing."""
    server.instead = {
        "/.well-known/oauth-authorization-server": first,
        "/.well-known/openid-configuration": second,
    }
    found = await refused(tls, server, clock)
    assert (found.ours, found.what) == (
        ours,
        f"the authorization server's metadata cannot be read: HTTP {status}",
    )
    assert found.retry_after == (9.0 if status == 503 else None)


@pytest.mark.parametrize(
    ("answer", "ours", "what"),
    [
        (saying({"error": "unauthorized_client"}, 400), True, ": unauthorized_client"),
        (saying({"error": "a\nforged line"}, 400), True, ": HTTP 400"),
        (saying({"error": {"deep": 1}}, 403), True, ": HTTP 403"),
        (saying("<html>", 401), True, ": HTTP 401"),
        (saying("", 500), False, "HTTP 500"),
        (saying("", 429, **{"Retry-After": "9"}), False, "HTTP 429"),
        (saying("", 307, Location="/other"), False, "HTTP 307"),
        (saying(""), False, "holds no bearer token"),
        (saying("null"), False, "holds no bearer token"),
        (saying(DEEP), False, "holds no bearer token"),
        (saying({**GOOD, "access_token": ""}), False, "holds no bearer token"),
        (saying({**GOOD, "access_token": "a b"}), False, "holds no bearer token"),
        (saying({**GOOD, "access_token": "a\r\nHost: x"}), False, "holds no bearer token"),
        (saying({**GOOD, "access_token": ["abc"]}), False, "holds no bearer token"),
        (saying({**GOOD, "access_token": "x" * 20_000}), False, "holds no bearer token"),
        (saying({**GOOD, "token_type": "DPoP"}), False, "holds no bearer token"),
        (saying({**GOOD, "scope": "EDS SOR:8851000016006"}), True, "without GLN:5790000121526 system/AuditEvent.crs"),
        (saying({**GOOD, "scope": ""}), True, "grants a token without EDS"),
        (saying("x" * 300_000), False, "is larger than"),
    ],
)
async def test_an_answer_without_a_token_that_serves(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock, answer: Answerer, ours: bool, what: str
) -> None:
    server.instead["/mtls/token"] = answer
    found = await refused(tls, server, clock)
    assert found.ours == ours
    assert what in found.what
    assert found.retry_after == (9.0 if "429" in what else None)
    assert "\n" not in found.what


@pytest.mark.parametrize("scope", [TWO + " " + ONE, " ".join(reversed(ONE.split())), None])
async def test_a_scope_in_another_order_or_a_wider_one_is_taken(
    tls: TlsFiles, server: AuthorizationServer, clock: Clock, scope: str | None
) -> None:
    """Keycloak says it in an order of its own."""
    server.instead["/mtls/token"] = saying({**GOOD, "scope": scope, "token_type": "bearer"})
    async with client(tls, server, clock) as tokens:
        assert await tokens.get(ONE) == "abc"


async def test_no_authorization_server(tls: TlsFiles, server: AuthorizationServer, clock: Clock) -> None:
    found = await refused(tls, server, clock, issuer=f"https://localhost:{unused_port()}")
    assert not found.ours
    assert "refuses connections" in found.what
    assert "[eds.tls]" in found.fix  # a server that does not take a certificate may seem to be down
