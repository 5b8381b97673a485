"""The JSON form: what C1 may write, what is said about mistakes, and what C4 and C1 are told."""

from datetime import UTC, datetime

import pytest

from ehmi_ap.backends.metadata import event_json, message_json, problem_json, read_description
from ehmi_ap.body import MemoryBody
from ehmi_ap.errors import SubmissionError
from ehmi_ap.model import (
    AgreementRef,
    DeliveryEvent,
    Direction,
    EventKind,
    MessageId,
    Participant,
    Party,
    PartyId,
    Payload,
    Property,
    Service,
    UserMessage,
)

FULL = {
    "message_id": "1@x",
    "ref_to_message_id": "0@x",
    "conversation_id": "c",
    "pmode": "partner",
    "to": {"id": "partner-ap", "type": "urn:type"},
    "service": {"value": "urn:s", "type": "t"},
    "action": "urn:a",
    "agreement": "urn:agreement",
    "sender": {"value": "0088:1", "scheme": "iso6523-actorid-upis"},
    "receiver": "0088:2",
    "tracking_id": "t",
    "properties": [{"name": "n", "value": "v"}],
    "payloads": [{"mime_type": "text/plain", "content_id": "p@x", "character_set": "UTF-8", "properties": []}],
}


class TestDescription:
    def test_full(self) -> None:
        submission = read_description(FULL).submission([MemoryBody(b"x")], message_id=MessageId("other@x"))
        assert submission.message_id == "1@x"
        assert submission.ref_to == "0@x"
        assert submission.to == PartyId("partner-ap", "urn:type")
        assert submission.service == Service("urn:s", "t")
        assert submission.agreement == AgreementRef("urn:agreement")
        assert submission.sender == Participant("0088:1", "iso6523-actorid-upis")
        assert submission.receiver == Participant("0088:2")
        assert submission.properties == (Property("n", "v"),)
        assert submission.payloads[0].content_id == "p@x"

    def test_empty(self) -> None:
        submission = read_description({}).submission([], message_id=MessageId("other@x"))
        assert (submission.message_id, submission.payloads, submission.to) == ("other@x", (), None)

    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            ([], "has to be a JSON object"),
            ({"form": "x"}, "form: is not a setting"),
            ({"to": {"type": "x"}}, "[to] id: is missing"),
            ({"action": 5}, "action: has to be text"),
            ({"payloads": [{}]}, "[payloads] mime_type #1: is missing"),
            ({"payloads": {"a": 1}}, "payloads: has to be a list"),
        ],
    )
    def test_mistakes(self, document: object, expected: str) -> None:
        with pytest.raises(SubmissionError) as refused:
            read_description(document)
        assert expected in refused.value.what

    def test_all_mistakes_at_once_and_no_value(self) -> None:
        with pytest.raises(SubmissionError) as refused:
            read_description({"action": ["2509479989"], "form": "x", "pmode": 1})
        assert refused.value.what.count(";") >= 2
        assert "2509479989" not in refused.value.what

    def test_another_number_of_bodies(self) -> None:
        with pytest.raises(SubmissionError, match="1 payloads are described and 0 came"):
            read_description(FULL).submission([])


def test_a_message_is_told_as_it_may_be_submitted() -> None:
    """What C4 is told has the keys of a submission, so that a program may turn it round."""
    message = UserMessage(
        message_id=MessageId("1@x"),
        timestamp=datetime(2026, 11, 23, tzinfo=UTC),
        from_=Party(PartyId("a", "urn:type"), "initiator"),
        to=Party(PartyId("b"), "responder"),
        service=Service("urn:s"),
        action="urn:a",
        conversation_id="c",
        payloads=(Payload(body=MemoryBody(b"12345"), mime_type="text/plain", content_id="p@x"),),
        properties=(Property("originalSender", "0088:1", "iso"), Property("trackingIdentifier", "t")),
    )
    told = message_json(message)
    assert set(FULL) - {"pmode"} <= set(told)
    assert told["sender"] == {"value": "0088:1", "scheme": "iso"}
    assert told["receiver"] is None
    assert told["tracking_id"] == "t"
    assert told["from"] == {"id": "a", "type": "urn:type", "role": "initiator"}
    assert told["payloads"][0]["size"] == 5


def test_an_event() -> None:
    event = DeliveryEvent(
        kind=EventKind.ERROR,
        message_id=MessageId("1@x"),
        direction=Direction.OUTBOUND,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        code="EBMS:0102",
        seq=7,
    )
    told = event_json(event)
    assert (told["seq"], told["kind"], told["code"], told["failed"]) == (7, "error-received", "EBMS:0102", False)
    assert told["at"] == "2026-11-23T00:00:00+00:00"


def test_a_problem_says_what_whose_and_what_to_do() -> None:
    told = problem_json(SubmissionError("no P-Mode", fix="Name one."))
    assert told == {
        "code": "submission",
        "what": "no P-Mode",
        "fault": "submitter",
        "fix": "Name one.",
        "resend": False,
    }
