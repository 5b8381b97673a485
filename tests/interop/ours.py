"""Our side: access points as an operator would have them, with listener, store, directory backend and P-Modes.

    async with opened(folder, identities_folder, terms, url=proxy.url) as ours:
        message_id = await ours.submit(letter, terms)
        stored = await ours.settled(message_id)

They run in this process, on one event loop with the proxies; nothing of them is replaced.
"""

import asyncio
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.as4.conclude import conclude
from ehmi_ap.body import read_all
from ehmi_ap.config import Config
from ehmi_ap.model import Acknowledged, DeliveryEvent, Direction, EventKind, MessageId, Wire
from ehmi_ap.ports import Query, Stored
from ehmi_ap.server import listening
from ehmi_ap.tables import to_toml
from tests.interop.letters import Json, Letter, Terms

SETTLED = 270.0
"""Seconds until a message that nothing settles is called stuck; above every timeout of a P-Mode here."""


@dataclass(frozen=True, slots=True)
class Ours:
    """A running access point of ours."""

    ap: AccessPoint
    address: tuple[str, int]
    inbox: Path

    async def submit(self, letter: Letter, terms: Terms) -> MessageId:
        return await self.ap.submit(letter.submission(terms))

    async def settled(self, message_id: str, direction: Direction = Direction.OUTBOUND) -> Stored:
        """Wait until the message is sent or given up, or delivered; what is then stored."""
        await self.happened(message_id, EventKind.SENT, direction)
        stored = await self.stored(message_id, direction)
        assert stored is not None
        return stored

    async def happened(
        self, message_id: str, kind: EventKind, direction: Direction = Direction.OUTBOUND
    ) -> DeliveryEvent:
        """Wait until this happens to the message."""
        async with asyncio.timeout(SETTLED):
            async for event in self.ap.events(message_id=MessageId(message_id)):
                if event.kind is kind and event.direction is direction:
                    return event
        raise AssertionError("the access point stopped")

    async def told(self, message_id: str) -> list[DeliveryEvent]:
        """Everything that happened to the message so far."""
        return [event async for event in self.ap.events(message_id=MessageId(message_id), follow=False)]

    async def stored(self, message_id: str, direction: Direction) -> Stored | None:
        found = await self.ap.store.find(Query(message_id=MessageId(message_id), direction=direction))
        return found[0] if found else None

    async def receipt(self, stored: Stored) -> bytes:
        """The receipt of a message, as it is stored."""
        wire = await self.ap.store.receipt(stored.key)
        assert wire is not None, "no receipt is stored"
        return read_all(wire.body)

    async def proven(self, stored: Stored) -> Wire:
        """The receipt we got for a message, judged once more from the store; it proves all that was sent."""
        wire = await self.ap.store.receipt(stored.key)
        sent = await self.ap.store.sent(stored.message.message_id)
        assert wire is not None, "no receipt is stored"
        assert sent is not None
        outcome = conclude(
            wire,
            message_id=stored.message.message_id,
            references=sent.references,
            pmode=next(pmode for pmode in self.ap.agreements.pmodes if pmode.name == stored.pmode),
            trust=self.ap.agreements.trust,
            now=datetime.now(UTC),
        )
        assert isinstance(outcome, Acknowledged), outcome
        return wire

    def delivered(self, message_id: str) -> list[Json]:
        """What C4 finds of a message in its inbox, one for each delivery, in the form of `Letter.content`."""
        found = []
        for path in sorted(self.inbox.glob("*/message.json")):
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["message_id"] == message_id:
                found.append(_content(told, path.parent))
        return found

    def clear(self) -> None:
        """C4 takes everything out of its inbox."""
        for path in self.inbox.glob("[!.]*"):
            shutil.rmtree(path)


def _content(told: Json, folder: Path) -> Json:
    kept = ("from", "to", "service", "action", "agreement", "properties", "conversation_id", "message_id")
    return {
        **{key: told[key] for key in kept},
        "ref_to": told["ref_to_message_id"],
        "payloads": [_payload(item, folder) for item in told["payloads"]],
    }


def _payload(item: Json, folder: Path) -> Json:
    data = (folder / item["file"]).read_bytes()
    return {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
        "mime_type": item["mime_type"],
        "charset": item["character_set"],
        "properties": item["properties"],
    }


@asynccontextmanager
async def opened(
    home: Path,
    identities: Path,
    terms: Iterable[Terms],
    *,
    url: str,
    signing: str = "ours",
    tls: str | None = None,
    client: str | None = None,
) -> AsyncIterator[Ours]:
    """Write a configuration into `home` and run it. `url` is where phase4 is; `signing` names our key.

    `tls` names the key of a listener that demands a client certificate, `client` what we show to a listener that does.
    """
    _write(home, identities, terms, url=url, signing=signing, tls=tls, client=client)
    async with AccessPoint(Config.load(home / "ehmi-ap.toml")) as ap, listening(ap) as addresses:
        port = int(addresses.as4.rpartition(":")[2].partition("/")[0])
        inbox = home / "files" / "inbox"
        yield Ours(ap, ("127.0.0.1", port), inbox)


def _write(
    home: Path, identities: Path, terms: Iterable[Terms], *, url: str, signing: str, tls: str | None, client: str | None
) -> None:
    (home / "pmodes").mkdir(parents=True)
    shutil.copytree(identities, home / "trust", ignore=shutil.ignore_patterns("*.key.pem", "*.p12", "*.chain.pem"))
    key = {"file": str(identities / f"{signing}.key.pem"), "certificate": str(identities / f"{signing}.chain.pem")}
    as4: Json = {"host": "127.0.0.1", "port": 0, "public_url": "https://ehmi-ap.example/as4"}
    if tls is None:
        as4["insecure_http"] = True
    else:
        as4["tls"] = {**_tls(identities, tls), "client_ca": str(identities / "root.pem")}
    table: Json = {
        "domain": "ehmi-ap.example",
        "party": {"id": "ehmi-ap"},
        "as4": as4,
        "internal": {"port": 0},
        "keys": {"signing": key},
        "web": {"insecure_http": True, **({"tls": _tls(identities, client)} if client else {})},
        "backends": {"files": {"kind": "directory", "path": "files", "built_together": True}},
    }
    (home / "ehmi-ap.toml").write_text(to_toml(table), encoding="utf-8")
    for each in terms:
        pmode = each.table(url=url) | ({"tls_trust": "root"} if url.startswith("https://") else {})
        (home / "pmodes" / f"{each.name}.toml").write_text(to_toml(pmode), encoding="utf-8")


def _tls(identities: Path, name: str) -> Json:
    return {"certificate": str(identities / f"{name}.chain.pem"), "key": str(identities / f"{name}.key.pem")}
