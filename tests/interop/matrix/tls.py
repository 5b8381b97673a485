"""TLS with client certificates, without a proxy between: each side's own listener and the other's own client.

Where the server's certificate has to be wrong for us, a relay with that certificate stands before phase4.
"""

from collections.abc import Iterator
from functools import partial

from ehmi_ap.lifecycle import State
from ehmi_ap.net.tls import server_context
from tests.interop import claims, samples
from tests.interop.cells import Cell, Way
from tests.interop.evidence import equal
from tests.interop.letters import Json, Letter
from tests.interop.matrix import terms
from tests.interop.ours import Ours
from tests.interop.proxy import Proxy
from tests.interop.scene import Scene

GROUP = "TLS"
XML = Letter(parts=(samples.XML,))
ARRIVES = "delivered once, byte for byte, and proven by a receipt"
NOT_OUT = "no connection: EBMS:0005 whose text says why; phase4 has nothing"
NOT_IN = "no connection: phase4 reports an exception; we have nothing"


def cells() -> Iterator[Cell]:
    mutual, lacking, ended = "both sides show a certificate", "the client shows none", "the client's has ended"
    server_ended, unknown = "the server's certificate has ended", "the server's CA is not known"
    for name, what, out, in_ in (
        ("mutual", mutual, _exchange_out, _exchange_in),
        (
            "no-client",
            lacking,
            partial(_no_connection_out, client=None, says="certificate"),
            partial(_no_connection_in, key=None),
        ),
        (
            "expired-client",
            ended,
            partial(_no_connection_out, client="expired_client", says="certificate"),
            partial(_no_connection_in, key="expired_client"),
        ),
        (
            "expired-server",
            server_ended,
            partial(_wrong_server, server="expired_server", says="expired"),
            partial(_no_connection_in, key="client", server="expired_server", says="CertificateExpiredException"),
        ),
        (
            "unknown-server",
            unknown,
            partial(_wrong_server, server="strange_server", says="is not accepted"),
            partial(_no_connection_in, key="client", server="strange_server", says="PKIX path building failed"),
        ),
    ):
        yield Cell(f"tls-{name}", GROUP, Way.OUT, what, ARRIVES if name == "mutual" else NOT_OUT, out)
        yield Cell(f"tls-{name}", GROUP, Way.IN, what, ARRIVES if name == "mutual" else NOT_IN, in_)


# -- to phase4


def _phase4(scene: Scene) -> str:
    assert scene.phase4.as4s is not None
    host, port = scene.phase4.as4s
    return f"https://{host}:{port}/as4"


async def _exchange_out(scene: Scene) -> None:
    async with scene.another("mutual-out", url=_phase4(scene), client="client") as ours:
        sent = await claims.send(scene, XML, terms.PLAIN, ours=ours)
        equal((sent.stored.state, sent.stored.attempts), (State.ACKNOWLEDGED, 1))
        await ours.proven(sent.stored)
    await claims.at_phase4(scene, sent.message_id, XML, terms.PLAIN)


async def _no_connection_out(scene: Scene, *, client: str | None, says: str) -> None:
    settings = {"client": client} if client else {}
    async with scene.another(f"no-connection-{client}", url=_phase4(scene), **settings) as ours:
        await _not_reached(scene, ours, says)


async def _wrong_server(scene: Scene, *, server: str, says: str) -> None:
    files = scene.files
    context = server_context(certificate=files / f"{server}.chain.pem", key=files / f"{server}.key.pem")
    relay = Proxy(server_tls=context)
    await relay.start()
    relay.target = scene.phase4.as4
    try:
        async with scene.another(server, url=relay.url) as ours:
            await _not_reached(scene, ours, says)
        equal(relay.exchanges, [])
    finally:
        await relay.stop()


async def _not_reached(scene: Scene, ours: Ours, says: str) -> None:
    sent = await claims.send(scene, XML, terms.PLAIN, ours=ours)
    claims.given_up(sent, "EBMS:0005", says, attempts=1)
    await claims.not_at_phase4(scene, sent.message_id)


# -- to us


async def _exchange_in(scene: Scene) -> None:
    async with scene.another("mutual-in", tls="server") as ours:
        result = await _sent_to(scene, ours, key="client")
        claims.success(result)
        await claims.at_c4(scene, result["message_id"], XML, terms.PLAIN, ours=ours)


async def _no_connection_in(scene: Scene, *, key: str | None, server: str = "server", says: str = "") -> None:
    """Whose own certificate is refused hears of it late or not at all (TLS 1.3), so that `says` may be anything."""
    async with scene.another(f"refusing-{key}-{server}", tls=server) as ours:
        result = await _sent_to(scene, ours, key=key)
        equal((result["receipt"], result["errors"], result["http_status"]), (None, [], None))
        equal(result["result"], "TRANSPORT_ERROR")
        assert says in result["exception"], result
        await claims.not_at_c4(scene, result["message_id"], ours=ours)


async def _sent_to(scene: Scene, ours: Ours, *, key: str | None) -> Json:
    host, port = ours.address
    tls = {"key": key, "trust": [scene.certificate("root")]}
    return await scene.phase4_sends(XML, terms.PLAIN, url=f"https://{host}:{port}/as4", tls=tls)
