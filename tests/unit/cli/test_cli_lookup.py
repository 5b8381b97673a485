"""lookup: exit codes, JSON and the tree, over real DNS, TLS and HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from publisher import PROFILE, WANTED, Net, published

from ehmi_ap import cli
from ehmi_ap.body import MemoryBody
from ehmi_ap.demo import network as demo
from ehmi_ap.demo.bundle import RECEIVER, SENDER
from ehmi_ap.discovery.snapshots import read_snapshot
from ehmi_ap.ehmi import sbdh
from ehmi_ap.model import Payload
from tests import pair
from tests.pki import NOW
from tests.simulated_network import ap_ca, certificate, smp_ca

IDS = (WANTED.participant.value, WANTED.document.value, WANTED.process.value)


class Command:
    """`ehmi-ap lookup` beside the servers that it asks."""

    def __init__(self, net: Net, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.net, self._folder, self._capsys = net, folder, capsys
        self.trust = folder / "both.pem"
        self.trust.write_bytes(smp_ca().pem + ap_ca().pem)

    @property
    def usual(self) -> tuple[object, ...]:
        tls = ("--tls-trust", self._folder / "ca.pem", "--client-certificate", self._folder / "client.pem")
        return ("--network", self.net.write(self._folder), "--trust", self.trust, *tls, "--at", NOW.isoformat())

    async def __call__(self, *more: object, ids: tuple[str, ...] = IDS) -> tuple[int, str, str]:
        argv = [str(each) for each in ("lookup", *ids, *self.usual, *more)]
        code = await asyncio.to_thread(cli.main, argv)
        said = self._capsys.readouterr()
        return code, said.out, said.err

    async def json(self, *more: object, ids: tuple[str, ...] = IDS) -> tuple[int, Any]:
        code, out, err = await self(*more, "--json", ids=ids)
        assert err == ""
        return code, json.loads(out)


@pytest.fixture
async def lookup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Command]:
    monkeypatch.chdir(tmp_path)
    async with published(tmp_path) as net:
        net.register()
        yield Command(net, tmp_path, capsys)


async def test_a_receiver_is_found(lookup):
    code, found = await lookup.json()

    assert (code, found["outcome"], found["problem"]) == (0, "found", None)
    assert found["endpoint"] == {
        "url": "https://localhost/as4",
        "transport_profile": PROFILE,
        "certificate_sha256": certificate(lookup.net.access_point).sha256,
        "expires": f"{lookup.net.access_point.cert.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    }
    assert all(set(step) == {"what", "evidence", "ok", "warning"} and step["ok"] for step in found["steps"])


async def test_each_step_is_told_with_its_evidence(lookup):
    _, out, _ = await lookup()

    evidence = (
        lookup.net.name().removesuffix("."),  # the hashed name
        "1 NAPTR record",
        f'{lookup.net.smp.base}, of: 100 10 "U" "Meta:SMP"',
        f"{lookup.net.smp.base}/iso6523-actorid-upis%3A%3A0088%3A5790000121526/services/busdox-docid-qns%3A%3Aurn",
        "CN=SMP",
        f"https://localhost/as4 over {PROFILE}",
        certificate(lookup.net.access_point).sha256,
        f"until {lookup.net.access_point.cert.not_valid_after_utc:%Y-%m-%d}",
    )
    assert out.startswith("found\n")
    assert [each for each in evidence if each not in out] == []


async def test_the_signed_metadata_is_saved_for_when_nobody_can_be_asked(lookup, tmp_path):
    """As its SMP signed it: it proves itself again when it is read."""
    code, _, _ = await lookup("--save", tmp_path / "c4.xml")
    kept = read_snapshot("c4.xml", (tmp_path / "c4.xml").read_bytes(), lookup.net.network)
    assert (code, kept.participant, kept.document) == (0, WANTED.participant, WANTED.document)
    (tmp_path / "c4.xml").unlink()
    code, _, _ = await lookup("--save", tmp_path / "c4.xml", ids=("0088:5790000201389", *IDS[1:]))
    assert (code, (tmp_path / "c4.xml").exists()) == (1, False)


async def test_identifiers_are_taken_whole(lookup):
    """They contain `::`; a scheme that is no part of them is said by an argument, or is the network's."""
    scheme = ("--document-scheme", WANTED.document.scheme, "--process-scheme", WANTED.process.scheme)
    assert (await lookup.json(*scheme))[0] == 0
    assert (await lookup.json(ids=(str(WANTED.participant), str(WANTED.document), str(WANTED.process))))[0] == 0
    code, found = await lookup.json("--document-scheme", "", "--process-scheme", "other-scheme")
    assert (code, found["outcome"]) == (1, "not-supported")
    assert f"not for {WANTED.document.value}" in found["problem"]["what"]


async def test_a_broken_link_is_named_with_its_fix(lookup):
    lookup.net.smp.remove(WANTED.participant, WANTED.document)
    code, found = await lookup.json()

    assert (code, found["outcome"], found["endpoint"]) == (1, "not-registered", None)
    assert found["problem"]["reason"] == "PARTICIPANT_UNKNOWN_TO_SMP"
    assert "Ask the receiver at which SMP it is registered" in found["problem"]["fix"]
    assert [step["ok"] for step in found["steps"]][-2:] == [True, False]
    code, out, _ = await lookup()
    assert code == 1
    assert out.startswith("not-registered\n")
    assert "└── fix: Ask the receiver" in out


async def test_arguments_stand_in_the_place_of_what_the_network_says(lookup, unused_tcp_port):
    lookup.net.change("resolver", servers=())
    code, found = await lookup.json("--resolver", f"127.0.0.1:{unused_tcp_port}")
    assert (code, found["outcome"]) == (1, "unavailable")
    assert (await lookup.json("--resolver", lookup.net.server))[0] == 0
    code, found = await lookup.json("--resolver", lookup.net.server, "--at", "2099-01-01")
    assert (code, found["problem"]["reason"]) == (1, "SIGNER_EXPIRED")


async def test_only_what_trust_names_is_trusted(lookup):
    lookup.trust.write_bytes(smp_ca().pem)
    assert (await lookup.json())[1]["problem"]["reason"] == "ENDPOINT_UNTRUSTED"
    lookup.trust.write_bytes(ap_ca().pem)
    assert (await lookup.json())[1]["problem"]["reason"] == "SIGNER_UNTRUSTED"


async def test_a_configuration_has_the_rest(lookup, capsys, tmp_path):
    """Its networks/, trust/ and [discovery] stand in the place of arguments."""
    alpha, _ = pair.write_pair(tmp_path)
    settings = f'[discovery.tls]\ncertificate = "{tmp_path}/client.pem"\n'
    settings += f'[discovery.resolver]\nservers = ["{lookup.net.server}"]\n'
    alpha.config.write_text(alpha.config.read_text() + settings)
    for name, pem in (("smp-ca", smp_ca().pem), ("ap-ca", ap_ca().pem), ("tls", (tmp_path / "ca.pem").read_bytes())):
        (alpha.home / "trust" / f"{name}.pem").write_bytes(pem)
    lookup.net.change("resolver", servers=())
    lookup.net.change("publishers", tls_trust="tls", client_certificate=True)
    (alpha.home / "networks").mkdir()
    lookup.net.write(alpha.home / "networks")

    argv = ["lookup", *IDS, "--network", "test", "--config", str(alpha.config), "--at", NOW.isoformat(), "--json"]
    code = await asyncio.to_thread(cli.main, argv)
    assert (code, json.loads(capsys.readouterr().out)["outcome"]) == (0, "found")


async def test_wrong_arguments_are_64(lookup, capsys):
    assert (await lookup("--network", "nowhere"))[0] == 64
    assert (await lookup("--network", "nowhere.toml"))[0] == 64
    assert (await lookup("--resolver", "not-an-address"))[0] == 64
    assert (await lookup("--trust", "nowhere.pem"))[0] == 64
    assert (await lookup(ids=("", *IDS[1:])))[0] == 64
    lookup.net.change("publishers", tls_trust="smp-tls")
    argv = ["lookup", *IDS, "--network", str(lookup.net.write(Path.cwd())), "--trust", str(lookup.trust)]
    assert cli.main(argv) == 64
    assert "Name it with --tls-trust" in capsys.readouterr().err


def test_a_network_that_ships_is_incomplete_until_an_operator_completes_it(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["lookup", *IDS, "--network", "ehmi", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["outcome"], found["problem"]["reason"]) == ("misconfigured", "NETWORK_INCOMPLETE")


@pytest.mark.parametrize(("name", "gln", "there"), [("c2", RECEIVER.gln, "c3"), ("c3", SENDER.gln, "c2")])
def test_both_access_points_of_the_demo_find_each_other(
    net: demo.Network, document: bytes, name: str, gln: str, there: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By their own configurations, as the demo looks up."""
    config = getattr(net, name).ap.config.home / "ehmi-ap.toml"
    offer = sbdh.address(Payload(body=MemoryBody(document), mime_type="application/xml"))
    assert offer is not None
    ids = (f"0088:{gln}", offer.action, offer.service.value)
    assert cli.main(["lookup", *ids, "--network", "demo", "--config", str(config), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["endpoint"]["url"] == getattr(net, there).addresses.as4
    certificate = getattr(net, there).ap.agreements.keys.signing.certificate
    assert found["endpoint"]["certificate_sha256"] == certificate.sha256
    assert all(step["ok"] and not step["warning"] for step in found["steps"])
