"""ehmiSBDH: what is read, what is refused, and that nothing personal is shown (spec/ehmi.md 2)."""

import re
import resource
import sys
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ehmi_ap import gln
from ehmi_ap.body import CHUNK, MemoryBody
from ehmi_ap.ehmi import envelope, names, sbdh
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import MessageId, Participant, Party, PartyId, Payload, Property, Service, UserMessage
from ehmi_ap.pmode import TEST_SERVICE
from ehmi_ap.profiles import with_levels
from ehmi_ap.profiles.ehmi import PROFILE

CPR = "2509479989"
DOCUMENTID = (
    "urn:dk:healthcare:medcom:messaging:fhir:structuredefinition::homecareobservation-message"
    "##urn:dk:medcom:fhir:homecareobservation-message::1.2"
)
SCOPES = {
    "DOCUMENTID": DOCUMENTID,
    "PROCESSID": "urn:ehmi:sdn-emergence",
    "PATIENTID": CPR,
    "SENDERID": "937961000016000",
    "RECEIVERID": "323571000016002",
    "MESSAGEIDENTIFIER": "2c1b3f5e-4f0a-4a1c-9d0e-6a6f0f3b2c11",
    "StatisticalInformation": "MCM:homecareobservation-message",
}
CORRELATION = """<Scope><Type>EHMI-ReceiptAcknowledgement</Type><InstanceIdentifier>Request</InstanceIdentifier>
<Identifier>dk-medcom-messaging</Identifier><CorrelationInformation>
<RequestingDocumentCreationDateTime>2026-09-01T10:00:00+02:00</RequestingDocumentCreationDateTime>
<RequestingDocumentInstanceIdentifier>11111111-1111-4111-8111-111111111111</RequestingDocumentInstanceIdentifier>
</CorrelationInformation><BusinessService><BusinessServiceName>EHMI-ReceiptAcknowledgement-Request</BusinessServiceName>
<ServiceTransaction TimeToAcknowledgeReceipt="600000"/></BusinessService></Scope>"""


def scope(kind: str, value: str) -> str:
    return (
        f"<Scope><Type>{kind}</Type><InstanceIdentifier>{value}</InstanceIdentifier>"
        "<Identifier>dk-medcom-messaging</Identifier></Scope>"
    )


def document(*, content: str = "PD94", namespace: str = names.PEPPOL, **scopes: str) -> str:
    """An envelope of our own making; `scopes` replace those of SCOPES."""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<StandardBusinessDocument xmlns="{names.SBDH}"><StandardBusinessDocumentHeader>
<HeaderVersion>1.0</HeaderVersion>
<Sender><Identifier Authority="iso6523-actorid-upis">0088:5790000123117</Identifier></Sender>
<Receiver><Identifier Authority="iso6523-actorid-upis">0088:5790000120048</Identifier></Receiver>
<DocumentIdentification><Standard>homecareobservation-message</Standard><TypeVersion>1.2</TypeVersion>
<InstanceIdentifier>11111111-1111-4111-8111-111111111111</InstanceIdentifier><Type>Bundle</Type>
<MultipleType>false</MultipleType><CreationDateAndTime>2026-09-01T10:00:00+02:00</CreationDateAndTime>
</DocumentIdentification>
<BusinessScope>{"".join(scope(kind, value) for kind, value in {**SCOPES, **scopes}.items())}{CORRELATION}</BusinessScope>
</StandardBusinessDocumentHeader>
<BinaryContent xmlns="{namespace}" mimeType="application/fhir+xml" encoding="UTF-8">{content}</BinaryContent>
</StandardBusinessDocument>"""


def read(text: str) -> envelope.Reading:
    return envelope.read(MemoryBody(text.encode()))


def message(text: str, *, sender: str = "0088:5790000123117", **changes: object) -> UserMessage:
    values: dict[str, object] = {
        "message_id": MessageId("1@test.example"),
        "timestamp": datetime(2026, 11, 23, tzinfo=UTC),
        "from_": Party(PartyId("a"), "r"),
        "to": Party(PartyId("b"), "r"),
        "service": Service("urn:ehmi:sdn-emergence"),
        "action": DOCUMENTID,
        "conversation_id": "c",
        "payloads": (Payload(body=MemoryBody(text.encode()), mime_type="application/xml"),),
        "properties": (
            Property("originalSender", sender, names.AUTHORITY),
            Property("finalRecipient", "0088:5790000120048", names.AUTHORITY),
        ),
    }
    return UserMessage(**{**values, **changes})  # type: ignore[arg-type]  # a table of test values


def rules(text: str, **changes: object) -> list[tuple[str, str]]:
    return [
        (found.rule, found.level) for found in sbdh.check(message(text, **changes)).findings if found.level != "off"
    ]


class TestReading:
    def test_facts(self) -> None:
        header = read(document()).header
        assert header is not None
        assert header.sender == Participant("0088:5790000123117", "iso6523-actorid-upis")
        assert header.receiver == Participant("0088:5790000120048", "iso6523-actorid-upis")
        assert header.standard == "homecareobservation-message"
        assert header.instance_identifier == "11111111-1111-4111-8111-111111111111"
        assert header.mime_type == "application/fhir+xml"
        assert header.scope("DOCUMENTID") == DOCUMENTID
        assert header.scope("EHMI-ReceiptAcknowledgement") == "Request"

    @pytest.mark.parametrize("namespace", [names.SBDH, names.PEPPOL])
    def test_both_namespaces_of_binary_content(self, namespace: str) -> None:
        """O-3"""
        assert read(document(namespace=namespace)).header is not None

    def test_padded_values_are_trimmed(self) -> None:
        """O-38"""
        header = read(document(SENDERID="\n   937961000016000\n  ")).header
        assert header is not None
        assert header.scope("SENDERID") == "937961000016000"

    def test_a_scope_twice_is_no_fact(self) -> None:
        text = document().replace("<BusinessScope>", "<BusinessScope>" + scope("DOCUMENTID", "other"))
        header = read(text).header
        assert header is not None
        assert header.scope("DOCUMENTID") is None

    def test_no_repr_shows_a_cpr(self) -> None:
        """V-12"""
        assert CPR in document()
        assert CPR not in repr(read(document()))

    @pytest.mark.parametrize("kind", ["valid", "negative"])
    def test_shared_envelopes(self, kind: str, shared_data: Path) -> None:
        """Every file that ehmi.md 9.1 calls valid, and the one whose envelope is right around a broken signal."""
        files = sorted((shared_data / "ehmi" / "sbdh" / kind).glob("*.xml"))
        assert files
        for path in files:
            reading = envelope.read(MemoryBody(path.read_bytes()))
            assert reading.header is not None, (path.name, reading.findings)
            said = sbdh.address(Payload(body=MemoryBody(path.read_bytes()), mime_type="application/xml"))
            assert said is not None
            assert gln.is_valid(said.receiver.value.removeprefix("0088:"))


def peak_memory() -> int:
    """The most that this process had so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class TestMemory:
    def test_the_content_is_not_held(self) -> None:
        class Large:
            """128 MiB of base64 in an envelope, a document of 96 MiB, made as it is read."""

            head, tail = (part.encode() for part in document(content="@@").split("@@"))
            size = 0
            resident = True

            def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
                yield self.head
                for _ in range(128 * 1024 * 1024 // CHUNK):
                    yield b"QUJD" * (CHUNK // 4)
                yield self.tail

        before = peak_memory()
        tracemalloc.start()
        try:
            large = Payload(body=Large(), mime_type="application/xml")
            findings = sbdh.check(message("", payloads=(large,))).findings
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert [each for each in findings if each.level != "off"] == []
        assert peak < 4 * 1024 * 1024
        # libxml2's own memory is not traced: the process must not have grown by the document either.
        assert peak_memory() - before < 32 * 1024 * 1024


class TestWellFormed:
    """V-1"""

    @pytest.mark.parametrize(
        ("text", "claimed"),
        [
            ("", False),
            ("{}", False),
            ("<a/>", False),
            (f'<StandardBusinessDocumentHeader xmlns="{names.SBDH}"/>', False),
            ("<StandardBusinessDocument/>", False),
            (document()[:-5], True),
            (document() + "<more/>", True),
            (document().replace("?>", '?><!DOCTYPE StandardBusinessDocument [<!ENTITY a "b">]>', 1), True),
            (document().replace("PD94", "&unknown;"), True),
        ],
    )
    def test_is_refused(self, text: str, claimed: bool) -> None:
        reading = read(text)
        assert reading.header is None
        assert [(found.rule, found.level) for found in reading.findings] == [("V-1", "reject")]
        assert reading.claimed == claimed

    def test_the_end_is_read_too(self) -> None:
        assert rules(document().replace("</StandardBusinessDocument>", "</wrong>")) == [("V-1", "reject")]

    def test_one_payload(self) -> None:
        payload = Payload(body=MemoryBody(document().encode()), mime_type="application/xml")
        assert rules(document(), payloads=(payload, payload)) == [("V-1", "reject")]
        assert rules(document(), payloads=()) == [("V-1", "reject")]


class TestStructure:
    """V-2"""

    @pytest.mark.parametrize(
        ("pattern", "by"),
        [
            ("<HeaderVersion>.*?</HeaderVersion>", ""),
            ("(<Sender>.*?</Sender>)", r"\1\1"),
            ("(<Sender>.*?</Sender>)(\\s*)(<Receiver>.*?</Receiver>)", r"\3\2\1"),
            ("<Type>Bundle</Type>", "<Type/>"),
            ("<MultipleType>false", "<MultipleType>true"),
            ("T10:00:00\\+02:00</CreationDateAndTime>", "T10-00-00</CreationDateAndTime>"),
            ("<BusinessScope>", "<Manifest/><BusinessScope>"),
            ("<BusinessScope>", "<BusinessScope>loose text"),
            ("<Identifier>dk-medcom-messaging</Identifier></Scope>", "</Scope>"),
            ("</Sender>", "<ContactInformation/></Sender>"),
            ("5790000123117", "57900<!-- hidden -->00123117"),
            ("5790000123117", "57900<?hidden?>00123117"),
            ("5790000123117", "57900<b/>00123117"),
            (' mimeType="application/fhir\\+xml"', ""),
            ("<BinaryContent(.|\\n)*</BinaryContent>", ""),
            ("(<BinaryContent(?:.|\\n)*</BinaryContent>)", r"\1\1"),
            ('xmlns="http://peppol.eu/xsd/ticc/envelope/1.0"', 'xmlns="urn:other"'),
        ],
    )
    def test_is_refused(self, pattern: str, by: str) -> None:
        text = re.sub(pattern, by, document(), count=1)
        assert text != document()
        reading = read(text)
        assert reading.header is None
        assert reading.claimed
        assert {(found.rule, found.level) for found in reading.findings} == {("V-2", "reject")}
        assert all(found.fix for found in reading.findings)

    def test_correlation_without_an_expected_response(self) -> None:
        """O-4"""
        assert "ExpectedResponseDateTime" not in document()
        assert read(document()).header is not None

    def test_both_kinds_of_scope_information_in_any_order(self) -> None:
        found = re.search(
            "(<CorrelationInformation>(?:.|\\n)*?)(<BusinessService>.*(?:.|\\n)*?</BusinessService>)", document()
        )
        assert found
        assert read(document().replace(found[0], found[2] + found[1])).header is not None

    def test_budget_on_elements(self) -> None:
        many = "".join(scope("SENDERID", "1") for _ in range(600))
        [finding] = read(document().replace("<BusinessScope>", "<BusinessScope>" + many)).findings
        assert "2000 elements" in finding.what

    def test_budget_on_text(self) -> None:
        [finding] = read(document(SENDERID="1" * (envelope.HEADER_CHARACTERS + 1))).findings
        assert "characters of header" in finding.what

    def test_no_more_findings_than_a_person_reads(self) -> None:
        many = "<Wrong/>" * 300
        assert len(read(document().replace("<BusinessScope>", many + "<BusinessScope>")).findings) == 20

    def test_findings_show_no_value(self) -> None:
        text = document().replace(f"<InstanceIdentifier>{CPR}", f"<InstanceIdentifier>{CPR}<x/>{CPR}")
        shown = repr(read(text))
        assert "V-2" in shown
        assert CPR not in shown


class TestPartners:
    """V-3"""

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("<HeaderVersion>1.0", "<HeaderVersion>1.3"),
            ('Authority="iso6523-actorid-upis">0088:5790000123117', 'Authority="other">0088:5790000123117'),
            (' Authority="iso6523-actorid-upis">0088:5790000123117', ">0088:5790000123117"),
            ("0088:5790000123117", "0088:5790000123118"),
            ("0088:5790000123117", "0088:05790000123117"),
            ("0088:5790000123117", "0184:5790000123117"),
            ("0088:5790000123117", "5790000123117"),
        ],
    )
    def test_is_refused(self, old: str, new: str) -> None:
        text = document().replace(old, new)
        assert text != document()
        sender = "0088:5790000123117"
        found = re.search(r"<Sender><Identifier[^>]*>([^<]*)", text)
        if found:
            sender = found[1]
        authority = re.search(r'<Sender><Identifier Authority="([^"]*)"', text)
        properties = (
            Property("originalSender", sender, authority[1] if authority else None),
            Property("finalRecipient", "0088:5790000120048", names.AUTHORITY),
        )
        assert rules(text, properties=properties) == [("V-3", "reject")]


class TestAgreement:
    """V-4"""

    def test_right(self) -> None:
        assert rules(document()) == []

    def test_the_receipt_of_a_test_message_needs_no_document(self) -> None:
        assert rules("nothing", service=Service(TEST_SERVICE)) == []

    def test_another_sender(self) -> None:
        assert rules(document(), sender="0088:5790000120048") == [("V-4", "reject")]

    def test_another_scheme(self) -> None:
        properties = (
            Property("originalSender", "0088:5790000123117", "other"),
            Property("finalRecipient", "0088:5790000120048"),  # a type may be absent (G44)
        )
        assert rules(document(), properties=properties) == [("V-4", "reject")]

    def test_no_participants(self) -> None:
        assert rules(document(), properties=()) == [("V-4", "reject")] * 2

    def test_action_with_a_scheme(self) -> None:
        assert rules(document(), action=f"busdox-docid-qns::{DOCUMENTID}") == []

    def test_another_service_or_action_only_warns(self) -> None:
        """Design decision 9"""
        assert rules(document(), service=Service("urn:other"), action="other") == [("V-4-action", "warn")] * 2


class TestScopes:
    """V-5"""

    @pytest.mark.parametrize("kind", ["DOCUMENTID", "PROCESSID"])
    def test_routing_needs_exactly_one(self, kind: str) -> None:
        none = document().replace(scope(kind, SCOPES[kind]), "")
        two = document().replace(scope(kind, SCOPES[kind]), scope(kind, SCOPES[kind]) * 2)
        assert ("V-5", "reject") in rules(none)
        assert ("V-5", "reject") in rules(two)

    @pytest.mark.parametrize("kind", ["SENDERID", "RECEIVERID", "MESSAGEIDENTIFIER", "StatisticalInformation"])
    def test_status_reports_only_warn(self, kind: str) -> None:
        assert rules(document().replace(scope(kind, SCOPES[kind]), "")) == [("V-5-status", "warn")]


class TestAddress:
    def payload(self, text: str) -> Payload:
        return Payload(body=MemoryBody(text.encode()), mime_type="application/xml")

    def test_from_the_envelope(self) -> None:
        said = sbdh.address(self.payload(document()))
        assert said is not None
        assert (said.sender.value, said.receiver.value) == ("0088:5790000123117", "0088:5790000120048")
        assert (said.service, said.action) == (Service("urn:ehmi:sdn-emergence"), DOCUMENTID)

    def test_no_envelope_at_all(self) -> None:
        assert sbdh.address(self.payload("<Invoice/>")) is None

    @pytest.mark.parametrize("text", [document()[:-5], document(DOCUMENTID=" "), document().replace("0088:", "0089:")])
    def test_a_wrong_envelope(self, text: str) -> None:
        with pytest.raises(SubmissionError) as refused:
            sbdh.address(self.payload(text))
        assert refused.value.fix
        assert CPR not in refused.value.what


class TestBudgets:
    """Payloads of any size go through; nothing else of any size does."""

    def test_a_content_beyond_the_parser_s_own_limit(self) -> None:
        """libxml2 refuses texts of more than 10 MB unless told otherwise."""
        reading = read(document(content="UEVJ" * 3_000_000))
        assert reading.findings == ()
        assert reading.header is not None

    @pytest.mark.parametrize(
        ("bomb", "said"),
        [
            ("<Sender " + 'a="' + "x" * 3_000_000 + '"/>', "a name or an attribute of more than"),
            ("<" + "x" * 3_000_000 + "/>", "a name or an attribute of more than|not well-formed"),
            ("<a>" * 100 + "</a>" * 100, "levels of elements"),
        ],
        ids=["attribute", "name", "depth"],
    )
    def test_anything_else_beyond_its_budget(self, bomb: str, said: str) -> None:
        text = document().replace("<HeaderVersion>", bomb + "<HeaderVersion>", 1)
        assert bomb in text
        reading = read(text)
        assert reading.header is None
        assert re.search(said, " ".join(finding.what for finding in reading.findings))


class TestLevels:
    """Design decisions 9 and 51: a rule that is off by default can be made to warn or to refuse."""

    def test_one_that_is_off(self) -> None:
        broken = document().replace("<InstanceIdentifier>11111111", "<InstanceIdentifier>21111111", 1)
        assert ("V-8", "off") in [(found.rule, found.level) for found in sbdh.check(message(broken)).findings]
        profile = with_levels(PROFILE, {"V-8": "reject"})
        assert profile.check is not None
        found = profile.check(message(broken)).findings
        assert {each.rule for each in found if each.level == "reject"} == {"V-8"}

    def test_a_level_changes_no_other_rule(self) -> None:
        profile = with_levels(PROFILE, {"V-8": "reject"})
        assert profile.check is not None
        assert [each for each in profile.check(message(document(SENDERID=""))).findings if each.rule == "V-2"]
