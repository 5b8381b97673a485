"""The whole way from us to a receiver, real: our configuration, a network, and an access point at its end.

async with whole_way(folder, capsys) as way:
    way.net.smp.remove(...)                       # break something
    code, found = await way.doctor()              # `ehmi-ap doctor --json`
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ehmi_ap import cli, tables
from ehmi_ap.access_point import AccessPoint
from ehmi_ap.cli import doctor as command
from ehmi_ap.config import Config
from ehmi_ap.demo.pki import write_private
from ehmi_ap.discovery.published import PublishedCertificate
from ehmi_ap.model import Participant
from ehmi_ap.server import listening
from tests.pki import NOW, Identity
from tests.publisher import WANTED, Net, lists_of, published
from tests.simulated_network import ap_ca, ap_certificate, certificate, smp_ca

IDS = (WANTED.participant.value, WANTED.document.value, WANTED.process.value)
OWN = replace(WANTED, participant=Participant("0088:5790000201389", WANTED.participant.scheme))
PUBLIC_URL = "https://localhost/ours"


@dataclass
class Way:
    """The parts. `us` and `receiver` are folders with a configuration; what is in them may be changed before doctor()."""

    net: Net
    folder: Path
    us: Path
    receiver: Path
    ours: Identity
    stack: AsyncExitStack
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    own: str = OWN.participant.value
    ahead: timedelta = timedelta(0)  # by which our clock is wrong
    url: str = ""
    ap: AccessPoint = field(init=False)

    @property
    def lists(self) -> list[Any]:
        """The extension of an access point's certificate that says where its CRL is."""
        return lists_of(self.net.access_point)

    async def start(self) -> None:
        """The receiver's access point, and both of us registered."""
        self.ap = await self.stack.enter_async_context(AccessPoint(Config.load(self.receiver / "ehmi-ap.toml")))
        addresses = await self.stack.enter_async_context(listening(self.ap))
        self.url = addresses.as4.replace("127.0.0.1", "localhost")
        self.register()

    def register(self, **changes: Any) -> None:
        self.net.register(url=changes.pop("url", self.url), **changes)
        self.register_us()

    def register_us(self, identity: Identity | None = None, url: str = PUBLIC_URL) -> None:
        published_ = PublishedCertificate(certificate=certificate(identity or self.ours))
        self.net.register(OWN, url=url, certificates=(published_,))

    async def doctor(self, *more: object, as_json: bool = True) -> tuple[int, Any]:
        """Exit code and JSON, or what it printed."""
        self.net.write(self.us / "networks")
        clock = command._now
        self.monkeypatch.setattr(command, "_now", lambda: clock() + self.ahead)
        config = ("--network", self.net.network.name, "--config", self.us / "ehmi-ap.toml")
        own = ("--own", self.own) if self.own else ()
        return await self.command(*config, *own, *more, as_json=as_json)

    async def command(self, *arguments: object, as_json: bool = True) -> tuple[int, Any]:
        """`ehmi-ap doctor` with these arguments, at NOW unless they name another time."""
        argv = ["doctor", *IDS, "--at", NOW.isoformat(), *map(str, arguments), *(["--json"] if as_json else [])]
        code = await asyncio.to_thread(cli.main, argv)
        said = self.capsys.readouterr()
        assert said.err == "", said.err
        return code, json.loads(said.out) if as_json else said.out


@asynccontextmanager
async def whole_way(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, network: str = "test"
) -> AsyncIterator[Way]:
    """In a network of that name; nothing is started of the receiver before start()."""
    async with published(folder) as net, AsyncExitStack() as stack:
        net.network = replace(net.network, name=network)
        net.change("publishers", tls_trust="tls", client_certificate=True)
        ours = ap_certificate("we.example", key="d", extensions=lists_of(net.access_point))
        us, receiver = folder / "us", folder / "receiver"
        pmode = {"service": WANTED.process.value, "actions": [WANTED.document.value]}
        write_access_point(us, "we.example", ours, folder, {"network": network, "tls_trust": "tls", **pmode})
        anybody = {"trust": ["ap-ca"], "party_binding": "subject-cn", **pmode}
        write_access_point(receiver, "ap.example", net.access_point, folder, anybody)
        (us / "networks").mkdir()
        yield Way(
            net=net,
            folder=folder,
            us=us,
            receiver=receiver,
            ours=ours,
            stack=stack,
            capsys=capsys,
            monkeypatch=monkeypatch,
        )


def write_access_point(
    home: Path, party: str, identity: Identity, tls: Path, pmode: dict[str, object], **settings: object
) -> None:
    """A configuration, as an operator would write it; `tls` is the folder of TlsFiles."""
    for name in ("keys", "trust", "pmodes"):
        (home / name).mkdir(parents=True)
    write_keys(home, identity)
    write_private(home / "keys" / "token", b"token-of-the-tests-0123456789")
    for name, pem in (("ap-ca", ap_ca().pem), ("smp-ca", smp_ca().pem), ("tls", (tls / "ca.pem").read_bytes())):
        (home / "trust" / f"{name}.pem").write_bytes(pem)
    write_pmode(home, pmode)
    table = {
        "domain": party,
        "party": {"id": party},
        "as4": {
            "host": "127.0.0.1",
            "port": 0,
            "public_url": PUBLIC_URL,
            "tls": {"certificate": str(tls / "server.pem")},
        },
        "internal": {"port": 0},
        "discovery": {"tls": {"certificate": str(tls / "client.pem")}},
        "keys": {"signing": {"file": "keys/ap.pem"}},
        "backends": {"inbox": {"kind": "rest", "token": {"file": "keys/token"}}},
        "log": {"level": "error"},
        **settings,
    }
    (home / "ehmi-ap.toml").write_text(tables.to_toml(table))


def write_keys(home: Path, identity: Identity) -> None:
    write_private(home / "keys" / "ap.pem", identity.key_pem + identity.pem)


def write_pmode(home: Path, pmode: dict[str, object], *, name: str = "them") -> None:
    (home / "pmodes" / f"{name}.toml").write_text(tables.to_toml(pmode))
