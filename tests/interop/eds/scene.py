"""Keycloak and an EDS, and our clients of them."""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ehmi_ap import cli
from ehmi_ap.model import Organisation
from ehmi_ap.net.calls import Answered, Caller, Unanswered
from ehmi_ap.net.eds import EdsClient
from ehmi_ap.net.tls import client_context
from ehmi_ap.net.tokens import Tokens
from ehmi_ap.reports import StatusAnswer
from ehmi_ap.tables import to_toml
from tests import audit_events
from tests.interop import maven, report
from tests.interop.eds import identities, realm
from tests.interop.eds.identities import Identities
from tests.interop.eds.keycloak import Keycloak
from tests.interop.eds.realm import Json
from tests.interop.eds.service import Eds
from tests.interop.fhir.scene import shared
from tests.interop.peer import PeerFailed

DEVICE = "Our-AP"


class Overheard(Caller):
    """Our calls as they are, and what became of each: the end of the URL, and the status."""

    def __init__(self, tls: ssl.SSLContext, calls: list[tuple[str, int | None]]) -> None:
        super().__init__(tls)
        self._calls = calls

    async def call(self, url: str, **how: Any) -> Answered | Unanswered:
        answer = await super().call(url, **how)
        self._calls.append((url.rpartition("/")[2], answer.status))
        return answer


@dataclass(frozen=True, slots=True)
class Client:
    """An `EdsClient` of ours with its tokens, and the calls that it made."""

    eds: EdsClient
    tokens: Tokens
    calls: list[tuple[str, int | None]] = field(default_factory=list)

    async def report(self, event: Json, organisation: Organisation | None = None) -> StatusAnswer:
        """On behalf of the sender of the event, if nobody else is named."""
        return await self.eds.report(json.dumps(event).encode(), organisation or pair(event))


@dataclass(frozen=True, slots=True)
class Scene:
    """`data` is the folder with the envelopes; `keycloak` and `eds` are there whenever a cell begins."""

    data: Path
    ids: Identities
    keycloak: Keycloak
    eds: Eds

    @property
    def versions(self) -> Mapping[str, object]:
        return {"keycloak": self.keycloak.version, **self.eds.versions}

    @asynccontextmanager
    async def client(
        self,
        *,
        client_id: str = "our-ap",
        asks: str = "ap",
        shows: str = "",
        clock: Callable[[], float] = lambda: 0.0,
    ) -> AsyncIterator[Client]:
        """One that `asks` for tokens with a certificate, and `shows` EDS the same one if no other is named."""
        calls: list[tuple[str, int | None]] = []
        async with Overheard(self.tls(asks), calls) as asking, Overheard(self.tls(shows or asks), calls) as showing:
            tokens = Tokens(asking, issuer=self.keycloak.issuer, client_id=client_id, clock=clock)
            yield Client(EdsClient(showing, tokens, base=self.eds.base), tokens, calls)

    def tls(self, name: str) -> ssl.SSLContext:
        """That of our clients, with somebody's certificate."""
        return client_context(anchors=[self.ids.ca.der], certificate=self.ids.chain(name), key=self.ids.key(name))

    async def begin(self, cell_id: str) -> None:
        """Both are there."""
        await asyncio.gather(self.keycloak.start(), self.eds.start())

    async def end(self, cell_id: str) -> None:
        """What a cell stopped, the next one starts if there is one."""


def pair(event: Json, *, role: int = 0) -> Organisation:
    """The sender of an event, or its receiver."""
    agent = event["agent"][role]
    return Organisation(agent["who"]["identifier"]["value"], agent["extension"][0]["valueIdentifier"]["value"])


@asynccontextmanager
async def opened(folder: Path, keep: Path | None) -> AsyncIterator[Scene]:
    """Raises Missing without Java, Maven or the profiles; PeerFailed when something does not start."""
    home, _ = maven.keycloak(), maven.fhir()
    data = shared()
    ids = identities.made(folder / "identities")
    keycloak = Keycloak(home, folder / "keycloak", ids)
    if keycloak.version != report.KEYCLOAK:
        raise PeerFailed(f"the cells are about Keycloak {report.KEYCLOAK}, this is {keycloak.version}")
    eds = Eds(data / "eds", folder, ids, issuer=keycloak.issuer)
    served = sorted(
        {(each.sor, each.gln) for _, event in audit_events.ours(data) for each in (pair(event), pair(event, role=1))}
    )
    try:
        await asyncio.gather(keycloak.start(), eds.start())
        ours = _enrolment(folder / "ap", ids, "ap", DEVICE, served, keycloak.issuer, eds.base)
        theirs = _enrolment(folder / "other", ids, "other", "Another-AP", served[:1], keycloak.issuer, eds.base)
        ca = ids.ca.cert.subject.rfc4514_string()
        clients = [
            realm.client("our-ap", ours, ca=ca),
            realm.client("our-ap-briefly", ours, ca=ca, life=1),
            realm.client("our-ap-unbound", ours, ca=ca, bound=False),
            realm.client("another-ap", theirs, ca=ca),
        ]
        await keycloak.create(realm.realm(clients, [ours, theirs]))
        yield Scene(data, ids, keycloak, eds)
    finally:
        await asyncio.gather(keycloak.stop(), eds.stop())


def _enrolment(
    folder: Path, ids: Identities, name: str, device: str, served: Sequence[tuple[str, str]], issuer: str, base: str
) -> Json:
    """What the operator of the authorization server is given: `ehmi-ap eds enrolment` of an access point."""
    folder.mkdir()
    shown = {"certificate": str(ids.chain(name)), "key": str(ids.key(name))}
    table = {
        "domain": "ehmi-ap.example",
        "party": {"id": "ehmi-ap"},
        "as4": {"host": "127.0.0.1", "port": 0, "public_url": "https://ehmi-ap.example/as4", "tls": shown},
        "keys": {"signing": {"file": shown["key"], "certificate": shown["certificate"]}},
        "eds": {
            "base": base,
            "issuer": issuer,
            "tls": shown,
            "device": {"id": device},
            "organisations": [{"name": f"Organisation {sor}", "sor": sor, "gln": gln} for sor, gln in served],
        },
    }
    (folder / "trust").mkdir()
    (folder / "pmodes").mkdir()
    config = folder / "ehmi-ap.toml"
    config.write_text(to_toml(table), encoding="utf-8")
    printed = io.StringIO()
    with redirect_stdout(printed):
        cli.main(["eds", "enrolment", "--config", str(config)])
    enrolment: Json = json.loads(printed.getvalue())
    return enrolment
