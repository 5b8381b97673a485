"""A closed network without SML and SMP: receivers are found in signed metadata that is stored on disk."""

import asyncio
from pathlib import Path

import pytest

from ehmi_ap.access_point import AccessPoint
from ehmi_ap.body import MemoryBody
from ehmi_ap.config import Config
from ehmi_ap.demo.pages import segments
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.smp_urls import metadata_urls
from ehmi_ap.model import EventKind, MessageId, Participant, Payload, Submission
from ehmi_ap.server import listening
from ehmi_ap.tables import to_toml
from tests.conformance.discovery_service import NETWORK, discovery_service
from tests.pair import Side, write_pair

C1, C4 = Participant("0088:1"), Participant("0088:4")


def message(receiver: Participant) -> Submission:
    payload = Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml")
    return Submission(payloads=(payload,), sender=C1, receiver=receiver)


async def sent(ap: AccessPoint, submission: Submission) -> tuple[bool, str | None, str]:
    """How C1's message ended: failed, code, and what was found."""
    message_id: MessageId = await ap.submit(submission)
    found = ""
    async with asyncio.timeout(30):
        async for event in ap.events(message_id=message_id):
            if event.kind is EventKind.DISCOVERED:
                found = event.detail
            if event.kind is EventKind.SENT:
                return event.failed, event.code, found
    raise AssertionError("it was stopped")


def write_template(side: Side) -> None:
    template = {"network": NETWORK, "service": "SRV_CLOSED", "actions": ["ACT_CLOSED"], "party_id_uri": False}
    (side.home / "pmodes" / "closed.toml").write_text(to_toml(template))
    file = side.home / "pmodes" / ("beta.toml" if side.name == "alpha" else "alpha.toml")
    file.unlink()


@pytest.mark.parametrize("zones", [True, False], ids=["smp-is-down", "no-smp"])
async def test_the_stored_metadata_says_where_the_receiver_is(tmp_path: Path, zones: bool) -> None:
    """What was downloaded while there was an SMP serves now; who is not in it cannot be sent to."""
    alpha, beta = write_pair(tmp_path, settings='[discovery]\noffline = "offline"\n')
    for side in (alpha, beta):
        write_template(side)
        (side.home / "offline" / NETWORK).mkdir(parents=True)
    async with discovery_service([alpha, beta]) as service:
        participant = Participant(C4.value, "iso6523-actorid-upis")
        service.register(participant, beta.identity, beta.url, "CLOSED")
        document = Identifier("ACT_CLOSED", "busdox-docid-qns")
        page = service.smp.page(segments(metadata_urls("", participant, document, smp2=False)[0]))
        assert page is not None
    network = alpha.home / "networks" / f"{NETWORK}.toml"
    if not zones:
        network.write_text(network.read_text().replace('zones = ["sml.test"]', ""))
    (alpha.home / "offline" / NETWORK / "c4.xml").write_bytes(page.body)
    (alpha.home / "offline" / NETWORK / "broken.xml").write_bytes(page.body.replace(b"/as4", b"/as5"))
    async with AccessPoint(Config.load(beta.config)) as c3, listening(c3), AccessPoint(Config.load(alpha.config)) as c2:
        [warning] = [text for text in c2.agreements.warnings if text.startswith("offline/")]
        assert "broken.xml: is not used: " in warning
        failed, code, found = await sent(c2, message(C4))
        assert (failed, code) == (False, None)
        assert found.endswith("from the offline folder")
        if not zones:
            failed, code, _ = await sent(c2, message(Participant("0088:9")))
            assert (failed, code) == (True, "discovery.not-registered")
        [entry] = [each for each in c2.directory.entries() if each.wanted.participant == participant]
        assert entry.wanted.document == document
