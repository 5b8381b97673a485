"""When two submissions, or two received messages, are the same."""

from dataclasses import fields, replace

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.flows.fingerprint import references_fingerprint, submission_fingerprint
from ehmi_ap.model import (
    AgreementRef,
    MessageId,
    Participant,
    PartyId,
    Payload,
    Property,
    Reference,
    Service,
    Submission,
)

PAYLOAD = Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml")
SUBMISSION = Submission(payloads=(PAYLOAD, PAYLOAD), message_id=MessageId("1@c1"))


def test_the_same_submission_has_the_same_fingerprint() -> None:
    """The MessageId is the key it is kept under, and how a body is cut into chunks means nothing."""
    same = replace(SUBMISSION, message_id=MessageId("2@c1"))
    assert submission_fingerprint(SUBMISSION, "rest") == submission_fingerprint(same, "rest")


@pytest.mark.parametrize(
    "changes",
    [
        {"payloads": (PAYLOAD,)},
        {"payloads": (PAYLOAD, replace(PAYLOAD, body=MemoryBody(b"<b/>")))},
        {"payloads": (replace(PAYLOAD, body=MemoryBody(b"<a/><")), replace(PAYLOAD, body=MemoryBody(b"a/>")))},
        {"payloads": (PAYLOAD, replace(PAYLOAD, mime_type="text/xml"))},
        {"payloads": (PAYLOAD, replace(PAYLOAD, content_id="x"))},
        {"payloads": (PAYLOAD, replace(PAYLOAD, character_set="UTF-8"))},
        {"payloads": (PAYLOAD, replace(PAYLOAD, properties=(Property("a", "b"),)))},
        {"ref_to": MessageId("0@c1")},
        {"conversation_id": "c"},
        {"pmode": "p"},
        {"to": PartyId("them")},
        {"service": Service("s")},
        {"action": "a"},
        {"agreement": AgreementRef("a")},
        {"sender": Participant("s")},
        {"receiver": Participant("s")},
        {"tracking_id": "t"},
        {"properties": (Property("a", "b"),)},
    ],
)
def test_any_other_value_changes_it(changes: dict[str, object]) -> None:
    changed = replace(SUBMISSION, **changes)  # type: ignore[arg-type]
    assert submission_fingerprint(changed, "rest") != submission_fingerprint(SUBMISSION, "rest")


def test_every_field_is_in_it() -> None:
    """A field that is added to Submission or Payload has to be thought of here and in the table above."""
    assert {field.name for field in fields(Submission)} == {
        "payloads",
        "message_id",
        "ref_to",
        "conversation_id",
        "pmode",
        "to",
        "service",
        "action",
        "agreement",
        "sender",
        "receiver",
        "tracking_id",
        "properties",
    }
    assert {field.name for field in fields(Payload)} == {
        "body",
        "mime_type",
        "content_id",
        "character_set",
        "properties",
        "jws",
    }


def test_another_backend_is_another_submission() -> None:
    """A backend cannot take another's message for its own by repeating it."""
    assert submission_fingerprint(SUBMISSION, "rest") != submission_fingerprint(SUBMISSION, "files")


def reference(uri: str, digest: bytes = b"d", method: str = "sha256") -> Reference:
    return Reference(uri=uri, digest_method=method, digest=digest, transforms=(), xml=b"")


def test_references_are_a_set() -> None:
    """A peer may order them anew; a digest, a uri or a method more or less is another message (decision 19)."""
    first, second = reference("#a"), reference("cid:b")
    same = references_fingerprint([first, second])
    assert same == references_fingerprint([second, first])
    others = ([first], [first, first], [first, reference("cid:c")], [first, reference("cid:b", b"e")])
    assert all(references_fingerprint(other) != same for other in others)
    assert references_fingerprint([first, reference("cid:b", method="sha512")]) != same
