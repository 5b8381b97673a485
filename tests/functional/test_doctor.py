"""doctor: from the participant to the receipt, over real DNS, SMP, TLS and AS4; and every link broken on purpose."""

import inspect
import re
import tomllib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ehmi_ap.flows.checkup import REASONS
from ehmi_ap.model import EventKind
from tests import links_reference
from tests.broken_links import LINKS, Link
from tests.publisher import WANTED
from tests.simulated_network import ap_ca, smp_ca
from tests.whole_way import Way, whole_way, write_pmode


@pytest.fixture
async def way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Way]:
    monkeypatch.chdir(tmp_path)
    async with whole_way(tmp_path, capsys, monkeypatch) as made:
        await made.start()
        yield made


async def test_all_links_hold(way: Way) -> None:
    code, found = await way.doctor()
    assert (code, found["outcome"], found["problem"]) == (0, "found", None), found
    assert found["endpoint"]["url"] == way.url
    assert all(step["ok"] and not step["warning"] for step in found["steps"]), found["steps"]


async def test_nobody_gets_the_test_message(way: Way) -> None:
    """It was answered, and given to nobody: not to the receiver's backend, not to a store of ours."""
    assert (await way.doctor())[0] == 0
    assert [event.kind async for event in way.ap.events(follow=False)] == [EventKind.RECEIVED]
    assert not (way.us / "data").exists()


async def test_the_steps_are_told_to_people(way: Way) -> None:
    code, out = await way.doctor(as_json=False)
    assert code == 0
    assert out.startswith("found\n├── ok         Read what is wanted\n")
    assert "├── ok         Send a test message\n│   └── acknowledged by " in out
    way.register_us(url="https://localhost/old")
    code, out = await way.doctor(as_json=False)
    assert code == 1
    assert "├── broken     Look ourselves up\n" in out
    assert "├── ok         Send a test message\n" in out
    assert "└── problem    our entry leads to https://localhost/old" in out


async def test_it_goes_on_behind_a_broken_link(way: Way) -> None:
    """With what can be checked all the same; the rest is noted with its reason."""
    way.net.smp.remove(WANTED.participant, WANTED.document)
    _, found = await way.doctor()
    told = {step["what"]: step for step in found["steps"]}
    assert told["Connect to the endpoint"] == told["Send a test message"] | {"what": "Connect to the endpoint"}
    assert told["Connect to the endpoint"]["evidence"] == "not done: no endpoint was found"
    assert told["Connect to the endpoint"]["warning"]
    assert (told["Look ourselves up"]["ok"], told["Look ourselves up"]["warning"]) == (True, False)


async def test_a_wrong_clock_is_told_before_what_it_breaks(way: Way) -> None:
    way.ahead = timedelta(days=365 * 20)
    code, found = await way.doctor("--at", "2046-11-23")
    assert (code, found["problem"]["reason"]) == (1, "CLOCK_OFF")
    broken = [step["what"] for step in found["steps"] if not step["ok"]]
    assert broken[0] == "Check who signed"


async def test_without_a_configuration_nothing_is_sent(way: Way) -> None:
    """The look-up and TLS can be checked all the same, with the CAs that arguments name."""
    network, cas = way.net.write(way.folder), way.folder / "cas.pem"
    cas.write_bytes(smp_ca().pem + ap_ca().pem)
    tls = ["--tls-trust", way.folder / "ca.pem", "--client-certificate", way.folder / "client.pem"]
    arguments = ["--network", network, "--trust", cas, *tls]
    code, found = await way.command(*arguments, "--endpoint-trust", way.folder / "ca.pem")
    assert (code, found["outcome"]) == (0, "found")
    left_out = {step["what"]: step["evidence"] for step in found["steps"] if step["warning"]}
    why = "not done: there is no configuration, with our keys and our URL"
    assert left_out == {"Look ourselves up": why, "Send a test message": why}
    code, found = await way.command(*arguments)
    assert (code, found["problem"]["reason"]) == (1, "ENDPOINT_TLS")


async def test_the_p_mode_is_that_of_the_network(way: Way) -> None:
    """Of several, one for the document, or the one that is named."""
    pmode = tomllib.loads((way.us / "pmodes" / "them.toml").read_text())
    write_pmode(way.us, {**pmode, "actions": ["urn:other"], "tls_trust": "ap-ca"}, name="others")
    assert (await way.doctor())[0] == 0
    code, found = await way.doctor("--pmode", "others")
    assert (code, found["problem"]["reason"]) == (1, "ENDPOINT_TLS")
    for path in (way.us / "pmodes").iterdir():
        path.unlink()
    code, found = await way.doctor("--endpoint-trust", way.folder / "ca.pem")
    assert code == 0
    assert 'no P-Mode has `network = "test"`' in found["steps"][-1]["evidence"]


@pytest.mark.parametrize("arguments", [["--pmode", "nobody"], ["--own", ""], ["--endpoint-trust", "nowhere.pem"]])
async def test_wrong_arguments_are_64(way: Way, arguments: list[str]) -> None:
    code, said = await way.doctor(*arguments)
    assert (code, said["error"]["code"]) == (64, "usage")


@pytest.mark.parametrize("link", LINKS, ids=lambda link: link.what)
async def test_a_broken_link_is_named(way: Way, link: Link) -> None:
    """With its outcome, its reason, the sentence and the fix of the table."""
    if inspect.isawaitable(broken := link.breaks(way)):
        await broken
    code, found = await way.doctor()
    problem = found["problem"]
    assert (code, found["outcome"], problem and problem["reason"]) == (1, link.outcome, link.reason), found
    assert re.fullmatch(".*".join(map(re.escape, link.says.split("..."))), problem["what"]), problem["what"]
    assert problem["fix"] == link.fix


def test_the_page_says_what_is_tested_here() -> None:
    """Otherwise: python -m tests.links_reference"""
    assert links_reference.FILE.read_text(encoding="utf-8") == links_reference.render()


def test_every_reason_of_the_doctors_own_is_tried() -> None:
    assert REASONS.keys() <= {link.reason for link in LINKS}
