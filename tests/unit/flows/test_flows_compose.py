"""From a submission to a message: what is filled in, and what is refused with which advice."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.errors import SubmissionError
from ehmi_ap.flows.compose import compose, fill
from ehmi_ap.model import AgreementRef, MessageId, Participant, Party, PartyId, Payload, Property, Service, Submission
from ehmi_ap.pmode import INITIATOR, RESPONDER, TEST_ACTION, TEST_SERVICE, Limits, PMode, Security
from ehmi_ap.profile import Addressing

US, THEM = PartyId("us", "urn:type"), PartyId("them", "urn:type")
PMODE = PMode(
    name="them",
    us=US,
    partner=THEM,
    service=Service("urn:service"),
    actions=("urn:action",),
    url="https://them.example/as4",
    certificate="them",
    agreement=AgreementRef("urn:agreement"),
)
XML = Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml")
SUBMISSION = Submission(payloads=(XML,))

Compose = Callable[..., object]


@pytest.fixture
def composed(now: datetime, new_id: Callable[[], MessageId]) -> Callable[..., object]:
    """compose() with a clock and ids."""

    def call(submission: Submission = SUBMISSION, pmode: PMode = PMODE, conversation_id: str | None = None) -> object:
        return compose(submission, pmode, conversation_id=conversation_id, new_id=new_id, now=now)

    return call


def test_what_c1_leaves_out_is_filled_in(now: datetime, new_id: Callable[[], MessageId]) -> None:
    """Parties and roles, service, action and agreement from the P-Mode; ids of our domain; our clock."""
    message = compose(SUBMISSION, PMODE, conversation_id=None, new_id=new_id, now=now)
    assert message.message_id == "1@test.example"
    assert message.conversation_id == "2@test.example"
    assert (message.from_, message.to) == (Party(US, INITIATOR), Party(THEM, RESPONDER))
    assert (message.service, message.action) == (Service("urn:service"), "urn:action")
    assert (message.agreement, message.mpc, message.ref_to) == (AgreementRef("urn:agreement"), None, None)
    assert message.timestamp == now
    assert message.payloads == (XML,)
    assert message.properties == (Property("trackingIdentifier", "1@test.example"),), "Oxalis wants one (peers-live 3)"


def test_g02_what_c1_gives_is_taken(now: datetime, new_id: Callable[[], MessageId]) -> None:
    submission = replace(
        SUBMISSION,
        message_id=MessageId("mine@c1.example"),
        ref_to=MessageId("other@c4.example"),
        conversation_id="conversation",
        properties=(Property("a", "1"), Property("b", "2", "urn:b")),
    )
    pmode = replace(PMODE, mpc="urn:mpc")
    message = compose(submission, pmode, conversation_id="of the other", new_id=new_id, now=now)
    assert (message.message_id, message.ref_to) == ("mine@c1.example", "other@c4.example")
    assert message.conversation_id == "conversation"
    assert message.mpc == "urn:mpc"
    assert message.properties == submission.properties


def test_the_four_corners_come_first(now: datetime, new_id: Callable[[], MessageId]) -> None:
    submission = replace(
        SUBMISSION,
        sender=Participant("s", "scheme"),
        receiver=Participant("r"),
        tracking_id="t",
        properties=(Property("x", "y"),),
    )
    message = compose(submission, replace(PMODE, four_corner=True), conversation_id=None, new_id=new_id, now=now)
    assert [(item.name, item.value, item.type) for item in message.properties] == [
        ("originalSender", "s", "scheme"),
        ("finalRecipient", "r", None),
        ("trackingIdentifier", "t", None),
        ("x", "y", None),
    ]


def test_the_test_service_needs_no_action(now: datetime, new_id: Callable[[], MessageId]) -> None:
    submission = replace(SUBMISSION, service=Service(TEST_SERVICE), payloads=())
    message = compose(submission, PMODE, conversation_id=None, new_id=new_id, now=now)
    assert (message.service.value, message.action, message.payloads) == (TEST_SERVICE, TEST_ACTION, ())


@pytest.mark.parametrize(
    "message_id", ["a@b", "a.b!#$%&'*+-/=?^_`{|}~@[127.0.0.1]", "6c1f2d70-8d6d-4d57-9d1c-0c1b0c1f2d70@c1.example"]
)
def test_g04_message_ids_of_rfc_2822(composed: Compose, message_id: str) -> None:
    message = composed(replace(SUBMISSION, message_id=MessageId(message_id)))
    assert getattr(message, "message_id") == message_id  # noqa: B009


@pytest.mark.parametrize("field", ["message_id", "ref_to"])
@pytest.mark.parametrize("value", ["", "a", "<a@b>", "a@b@c", "a b@c", "a@b ", ".a@b", "å@b", "a@" + 255 * "b"])
def test_other_message_ids_are_refused(composed: Compose, field: str, value: str) -> None:
    with pytest.raises(SubmissionError, match=field) as caught:
        composed(replace(SUBMISSION, **{field: value}))
    assert "left@right" in caught.value.fix


TEXTS = ("", " a", "a ", "a\nb", "a\x00", "\ud800", "x" * 1025)


@pytest.mark.parametrize("value", TEXTS)
def test_text_that_would_not_survive_the_header_is_refused(composed: Compose, value: str) -> None:
    """Readers trim white space and refuse control characters: better now than at the peer."""
    wrong = [
        {"tracking_id": value},
        {"action": value},
        {"sender": Participant(value)},
        {"receiver": Participant("r", value)},
        {"properties": (Property(value, "v"),)},
        {"properties": (Property("n", value),)},
        {"properties": (Property("n", "v", value),)},
        {"payloads": (replace(XML, properties=(Property("n", value),)),)},
    ]
    if value:
        wrong.append({"conversation_id": value})
    for changes in wrong:
        with pytest.raises(SubmissionError) as caught:
            composed(replace(SUBMISSION, **changes))
        assert caught.value.fix


@pytest.mark.parametrize(
    ("properties", "advice"),
    [
        ((Property("originalSender", "x"),), "`sender`"),
        ((Property("finalRecipient", "x"),), "`receiver`"),
        ((Property("trackingIdentifier", "x"),), "`tracking_id`"),
    ],
)
def test_four_corner_properties_have_fields_of_their_own(
    composed: Compose, properties: tuple[Property, ...], advice: str
) -> None:
    with pytest.raises(SubmissionError) as caught:
        composed(replace(SUBMISSION, properties=properties))
    assert advice in caught.value.fix


@pytest.mark.parametrize(
    ("name", "advice"),
    [("CompressionType", "uncompressed"), ("MimeType", "`mime_type`"), ("CharacterSet", "`character_set`")],
)
def test_g28_part_properties_that_are_ours(composed: Compose, name: str, advice: str) -> None:
    payload = replace(XML, properties=(Property(name, "application/gzip"),))
    with pytest.raises(SubmissionError, match=name) as caught:
        composed(replace(SUBMISSION, payloads=(payload,)))
    assert advice in caught.value.fix


@pytest.mark.parametrize(
    "payloads",
    [
        (replace(XML, mime_type=""),),
        (replace(XML, mime_type="xml"),),
        (replace(XML, content_id="<a@b>"),),
        (replace(XML, content_id="a+b@c"),),
        (replace(XML, content_id="a"), replace(XML, content_id="a")),
        (replace(XML, character_set="!utf*"),),
        (XML,) * 29,
    ],
)
def test_payloads_that_no_peer_would_read_are_refused(composed: Compose, payloads: tuple[Payload, ...]) -> None:
    with pytest.raises(SubmissionError):
        composed(replace(SUBMISSION, payloads=payloads))


def test_a_message_over_the_limit_is_refused(composed: Compose) -> None:
    with pytest.raises(SubmissionError, match="larger than the 3 bytes"):
        composed(pmode=replace(PMODE, limits=Limits(message_bytes=3)))


@pytest.mark.parametrize("missing", ["partner", "url", "certificate"])
def test_a_pmode_for_receiving_only(composed: Compose, missing: str) -> None:
    with pytest.raises(SubmissionError, match=f"it has no {missing}"):
        composed(pmode=replace(PMODE, **{missing: None}))


def test_a_pmode_that_does_not_encrypt_needs_no_certificate(composed: Compose) -> None:
    assert composed(pmode=replace(PMODE, certificate=None, security=Security(encrypt=False)))


def test_several_actions_need_a_choice(composed: Compose) -> None:
    pmode = replace(PMODE, actions=("urn:a", "urn:b"))
    with pytest.raises(SubmissionError, match="2 actions") as caught:
        composed(pmode=pmode)
    assert "urn:a, urn:b" in caught.value.fix
    assert composed(replace(SUBMISSION, action="urn:b"), pmode)


@pytest.mark.parametrize("given", [{}, {"sender": Participant("s")}, {"receiver": Participant("r")}])
def test_missing_corners(composed: Compose, given: dict[str, Participant]) -> None:
    with pytest.raises(SubmissionError, match="which this P-Mode requires"):
        composed(replace(SUBMISSION, **given), replace(PMODE, four_corner=True))


def test_fill_takes_only_what_is_absent() -> None:
    """What C1 says goes before what its envelope says; an action of another service is not taken over."""
    said = Addressing(sender=Participant("s"), receiver=Participant("r"), service=Service("e"), action="ea")
    filled = fill(SUBMISSION, said)
    assert (filled.sender, filled.receiver, filled.service, filled.action) == (
        Participant("s"),
        Participant("r"),
        Service("e"),
        "ea",
    )
    for fields in itertools.product([None, Participant("own")], [None, "own"]):
        given = replace(SUBMISSION, sender=fields[0], action=fields[1])
        assert fill(given, said).sender == (fields[0] or said.sender)
        assert fill(given, said).action == (fields[1] or said.action)
    assert fill(replace(SUBMISSION, service=Service("other")), said).action is None
    assert fill(replace(SUBMISSION, service=Service("e")), said).action == "ea"
