"""Keycloak and an EDS, and our clients of them."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ehmi_ap.demo.bundle import RECEIVER, SENDER
from ehmi_ap.model import Organisation
from ehmi_ap.net.eds import SCOPE, EdsClient
from ehmi_ap.net.tls import client_context
from ehmi_ap.net.tokens import Tokens
from tests import audit_events
from tests.interop import maven, report
from tests.interop.eds import clients, enrolment, identities, realm
from tests.interop.eds.clients import Calls, Client, Overheard, Said, party
from tests.interop.eds.identities import Identities
from tests.interop.eds.keycloak import Keycloak
from tests.interop.eds.realm import Json
from tests.interop.eds.service import Eds
from tests.interop.fhir.scene import shared
from tests.interop.peer import PeerFailed


@dataclass(frozen=True, slots=True)
class Scene:
    """`events` are those of one access point, of all envelopes at hand; `keycloak` and `eds` run when a cell begins."""

    folder: Path
    events: Sequence[Json]
    ids: Identities
    keycloak: Keycloak
    eds: Eds

    @property
    def versions(self) -> Mapping[str, object]:
        return {"keycloak": self.keycloak.version, **self.eds.versions}

    @property
    def event(self) -> Json:
        """One about a patient, of two organisations that are enrolled."""
        return next(each for each in self.events if each["meta"]["profile"][0].endswith("EdsPatientDeliveryStatus"))

    @asynccontextmanager
    async def client(
        self,
        *,
        client_id: str = "our-ap",
        asks: str = "ap",
        shows: str = "",
        scope: str = SCOPE,
        clock: Callable[[], float] = lambda: 0.0,
    ) -> AsyncIterator[Client]:
        """One that `asks` for tokens with somebody's certificate, and `shows` EDS the same if no other is named."""
        calls: Calls = []
        async with Overheard(self.tls(asks), calls) as asking, Overheard(self.tls(shows or asks), calls) as showing:
            tokens = Tokens(asking, issuer=self.keycloak.issuer, client_id=client_id, clock=clock)
            yield Client(EdsClient(showing, tokens, base=self.eds.base, scope=scope), tokens, calls)

    async def token(self) -> str:
        """A token of Keycloak, as our client gets it, for the sender of `event`."""
        sender = party(self.event)
        async with self.client() as client:
            found = await client.tokens.get(f"{SCOPE} SOR:{sender.sor} GLN:{sender.gln}")
        assert isinstance(found, str), found
        return found

    async def post(self, token: str = "", *, shows: str | None = "ap", event: Json | None = None) -> Said:
        """An event by hand, by default `event`."""
        headers = {"Content-Type": clients.FHIR} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = json.dumps(event or self.event)
        return await clients.post(f"{self.eds.base}/AuditEvent", self.tls(shows), data=data, headers=headers)

    def tls(self, name: str | None) -> ssl.SSLContext:
        """That of our clients, with somebody's certificate or none."""
        anchors = [self.ids.ca.der]
        if name is None:
            return client_context(anchors=anchors)
        return client_context(anchors=anchors, certificate=self.ids.chain(name), key=self.ids.key(name))

    async def begin(self, cell_id: str) -> None:
        """Both run."""
        await asyncio.gather(self.keycloak.start(), self.eds.start())

    async def end(self, cell_id: str) -> None:
        """What a cell stopped, the next one starts, if there is one."""


def claims(token: str) -> Json:
    """What a token says, and the header of its signature."""
    parts = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split(".")[:2]]
    return {"header": json.loads(parts[0]), **json.loads(parts[1])}


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
    events = [each for _, each in audit_events.ours(data) if each["source"]["type"][0]["code"] == "AP"]
    scene = Scene(folder, events, ids, keycloak, eds)
    try:
        await scene.begin("")
        await keycloak.create(_realm(scene))
        yield scene
    finally:
        await asyncio.gather(keycloak.stop(), eds.stop())


def _realm(scene: Scene) -> Json:
    """Two access points: ours, for all who are in the events and the demo's sender, and another one for its receiver."""
    sender, receiver = (Organisation(each.sor, each.gln) for each in (SENDER, RECEIVER))
    served = {party(each, role=role) for each in scene.events for role in (0, 1)} | {sender}
    urls = {"issuer": scene.keycloak.issuer, "base": scene.eds.base}
    ours = enrolment.settings(scene.ids, "ap", audit_events.DEVICES[0].id, served, **urls)
    theirs = enrolment.settings(scene.ids, "other", "Another-AP", {receiver}, **urls)
    ours, theirs = (enrolment.printed(scene.folder / each["device"]["id"], each) for each in (ours, theirs))
    ca = scene.ids.ca.cert.subject.rfc4514_string()
    everybody = [
        realm.client("our-ap", ours, ca=ca),
        realm.client("unbound", ours, ca=ca, bound=False),
        realm.client("elsewhere", ours, ca=ca, audience="https://other.example"),
        realm.client("another-ap", theirs, ca=ca),
        realm.client("subject-by-openssl", ours, ca=ca, subject=realm.dn(scene.ids.as_openssl_prints("ap"))),
        realm.client("subject-as-it-is", ours, ca=ca, subject=ours["tls_client_auth_subject_dn"]),
    ]
    return realm.realm(everybody, [ours, theirs])
