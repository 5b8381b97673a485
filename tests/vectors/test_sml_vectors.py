"""Requests of another client of SMLs, peppol-sml-client 12.3.9: ours say the same, and the tests' service takes theirs.

So neither our WSDL nor that service has only our word for it. The recordings are one play, in the order of their numbers.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from xml.etree.ElementTree import canonicalize

import pytest

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.model import Participant
from ehmi_ap.net.tls import client_context
from ehmi_ap.sml import Publisher, Sml, SmlUnreadable
from tests.sml_stub import FIRST, ROOT, Refused, SmlStub, Told, envelope, say

DATA = Path(__file__).parent / "data" / "sml" / "peppol-sml-client"
KEY = "aB1-cD2-eF3=gH4"


def who(*values: str) -> list[Participant]:
    return [Participant(value, "iso6523-actorid-upis") for value in values]


def recorded(name: str) -> Told:
    head, _, body = (DATA / f"{name}.request").read_bytes().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
    return Told(path=first.split()[1], action=headers["soapaction"].strip('"'), headers=headers, body=body)


def change(sml: Sml) -> None:
    told = recorded("13-prepare-change-certificate").body
    [pem] = re.findall(b"-----BEGIN.*?-----END CERTIFICATE-----", told, re.DOTALL)
    sml.prepare_change_certificate(Certificate.from_pem(pem), date(2030, 1, 1), today=date(2029, 1, 1))


ASKED: dict[str, Callable[[Sml], object]] = {
    "01-is-alive": lambda sml: sml.check_alive(),
    "02-create-smp": lambda sml: sml.create_publisher(
        Publisher(id="FIRST-SMP", logical_address="https://smp.first.example/", physical_address="192.0.2.1")
    ),
    "04-update-smp": lambda sml: sml.update_publisher(
        Publisher(id="FIRST-SMP", logical_address="https://smp.first.example/", physical_address="192.0.2.9")
    ),
    "05-read-smp": lambda sml: sml.read_publisher("FIRST-SMP"),
    "06-create": lambda sml: sml.create("FIRST-SMP", who("0088:5790000121526")),
    "07-create-list": lambda sml: sml.create("FIRST-SMP", who("0088:5790000201389", "0088:5790000123117")),
    "08-create-with-service": lambda sml: sml.create("FIRST-SMP", who("0088:5790000127092"), service="Meta:SMP"),
    "09-list": lambda sml: list(sml.participants("FIRST-SMP")),
    "11-prepare-to-migrate": lambda sml: sml.prepare_to_migrate("FIRST-SMP", who("0088:5790000127092")[0], KEY),
    "12-migrate": lambda sml: sml.migrate("NEW-SMP", who("0088:5790000127092")[0], KEY),
    "13-prepare-change-certificate": change,
    "14-delete": lambda sml: sml.delete("FIRST-SMP", who("0088:5790000121526")),
    "15-delete-list": lambda sml: sml.delete("FIRST-SMP", who("0088:5790000201389", "0088:5790000123117")),
    "16-delete-smp": lambda sml: sml.delete_publisher("FIRST-SMP"),
}


@pytest.fixture
def sml(tmp_path: Path) -> Iterator[tuple[SmlStub, Sml]]:
    """A service that says nothing to anything, and our client of it."""
    shown = tmp_path / "first.pem"
    shown.write_bytes(FIRST.key_pem + FIRST.chain_pem)
    with SmlStub() as stub, Sml(stub.url, client_context(anchors=[ROOT.der], certificate=shown)) as client:
        stub.scene = lambda handler: say(handler, 200, envelope(""))
        yield stub, client


def said(body: bytes) -> str:
    """A request without what carries no meaning: prefixes, and an empty page number, which asks for the first."""
    text = canonicalize(body.decode(), rewrite_prefixes=True)
    return re.sub(r"<(\w+:NextPageIdentifier)></\1>", "", text)


@pytest.mark.parametrize("name", ASKED)
def test_our_requests_say_what_theirs_say(name: str, sml: tuple[SmlStub, Sml]) -> None:
    """Path, SOAPAction and content; but their list of deletions lacks the SMP, without which DomiSML refuses it."""
    stub, client = sml
    with suppress(SmlUnreadable):  # an SMP that is read has to be there
        ASKED[name](client)
    [ours], theirs = stub.told, recorded(name)
    assert (ours.path, ours.action) == (theirs.path, theirs.action)
    assert ours.headers["content-type"] == theirs.headers["content-type"]
    body = ours.body
    if name == "15-delete-list":
        body = re.sub(rb"<(ns\d:ServiceMetadataPublisherID)>FIRST-SMP</\1>", b"", body)
        assert body != ours.body
    assert said(body) == said(theirs.body)


def test_the_service_of_the_tests_takes_what_they_send() -> None:
    """One play, as it was recorded."""
    answers = {}
    with SmlStub() as stub:
        stub.page = 3
        for file in sorted(DATA.iterdir()):
            if file.stem == "15-delete-list":
                with pytest.raises(Refused, match="SMP ''"):
                    stub.answer(recorded(file.stem), "CN=first operator")
                continue
            answers[file.stem] = stub.answer(recorded(file.stem), "CN=first operator")
            if file.stem == "02-create-smp":
                stub.publishers["NEW-SMP"] = stub.publishers["FIRST-SMP"]
    assert "192.0.2.9" in answers["05-read-smp"]
    assert answers["09-list"].count("0088:") == 3
    assert answers["10-list-next"].count("0088:") == 1
    assert stub.participants == {("iso6523-actorid-upis", "0088:5790000127092"): ("NEW-SMP", "Meta:SMP")}


def test_every_recording_is_looked_at() -> None:
    assert {file.stem for file in DATA.iterdir()} == {*ASKED, "10-list-next"}
