"""A receipt made by hand is right, and each forgery is wrong in the one thing that it says; faults of the wire too."""

import re
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from tests import craft, independent
from tests.independent import NS, Wrong
from tests.interop import evidence, identities, tampering
from tests.interop.forging import Forgery, forger, later_timestamp, one_more, without_last, wrong_digest
from tests.interop.http1 import Http
from tests.interop.matrix.receipts import ANSWERS

IDS = identities.make()


def request(parts: Sequence[craft.Part] = (craft.Part(),), **changes: object) -> Http:
    made = craft.make(
        craft.Message(
            sender=IDS.ours,
            recipient=IDS.phase4,
            from_id="a",
            to_id="b",
            party_type="urn:t",
            service="urn:s",
            action="a",
            parts=parts,
            **changes,  # type: ignore[arg-type]  # what a test varies
        )
    )
    head = (
        f"POST /as4 HTTP/1.1\r\nContent-Type: {made.content_type}\r\nContent-Length: {len(made.body)}\r\n\r\n".encode()
    )
    return Http(head, made.body, made.body)


TWO = (craft.Part(), craft.Part(content_id="p2@craft.example", data=b"{}", mime_type="application/json"))


def forged(forgery: Forgery) -> Http:
    sent = request()
    return forger(IDS.phase4, forgery)(sent, sent)


def facts(given: Http, *, covered: bool = True) -> independent.Facts:
    return independent.check(*given.content, covered=covered)


def test_a_receipt_by_hand_proves_the_message() -> None:
    sent = request()
    given = forger(IDS.phase4, Forgery())(sent, sent)
    assert given.status == 200
    evidence.receipt_proves(given, sent, signer=IDS.phase4)


@pytest.mark.parametrize(
    ("forgery", "expected"),
    [
        (Forgery(signed=()), {"signed": False}),
        (Forgery(references=without_last), {"count": 2}),
        (Forgery(references=one_more), {"count": 4}),
        (Forgery(information=False), {"count": 0}),
        (Forgery(ref_to="another@message.example"), {"ref_to": "another@message.example"}),
        (Forgery(warning=True), {"count": 0, "errors": ["EBMS:0002"]}),
    ],
)
def test_a_forgery_is_wrong_in_one_thing(forgery: Forgery, expected: dict[str, object]) -> None:
    found = facts(forged(forgery))
    told = {
        "signed": found.signed,
        "count": len(found.receipt),
        "ref_to": found.root.findtext(".//eb:RefToMessageId", "", NS),
        "errors": found.errors,
    }
    right = facts(forged(Forgery()))
    ours = right.root.findtext(".//eb:RefToMessageId", "", NS)
    if "ref_to" not in expected:
        expected = {**expected, "ref_to": told["ref_to"]}
        assert told["ref_to"] != ours  # each request has an id of its own
    assert told == {"signed": True, "count": 3, "errors": [], **expected}


def test_a_wrong_digest_is_that_of_the_payload_alone() -> None:
    sent = request()
    found = facts(forger(IDS.phase4, Forgery(references=wrong_digest))(sent, sent))
    wanted = evidence.signed_references(sent)
    assert found.receipt[:2] == wanted[:2]
    assert (found.receipt[2][0], found.receipt[2][1] != wanted[2][1]) == (wanted[2][0], True)


def test_what_is_changed_afterwards_does_not_verify() -> None:
    with pytest.raises(Wrong, match="the digest of #messaging"):
        facts(forged(Forgery(afterwards=later_timestamp)))


@pytest.mark.parametrize(("signed", "missing"), [("body", "Messaging"), ("messaging", "Body")])
def test_a_signature_may_cover_half(signed: str, missing: str) -> None:
    given = forged(Forgery(signed=(signed,)))
    assert facts(given, covered=False).signed
    with pytest.raises(Wrong, match=f"{missing} signed"):
        facts(given)


def test_the_answers_of_the_matrix_differ() -> None:
    names = [each.name for each in ANSWERS]
    assert len(names) == len(set(names))
    assert [each.name for each in ANSWERS if each.right] == ["by-hand", "status-202", "status-500"]


KEYS = [IDS.phase4.key_pem]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (tampering.flip_last_part, "the tag of p2@craft.example"),
        (tampering.other_conversation, "the digest of #messaging"),
        (tampering.drop_last_part, "a part for p2@craft.example"),
        (tampering.add_part, "every part signed"),
    ],
)
def test_faults_of_the_wire_are_what_they_say(change: Callable[[Http], Http], complaint: str) -> None:
    sent = request(TWO)
    independent.check(*sent.content, KEYS)
    changed = change(sent)
    assert changed.length == len(changed.body)
    with pytest.raises(Wrong, match=re.escape(complaint)):
        independent.check(*changed.content, KEYS)


def test_a_flipped_payload_that_is_only_signed() -> None:
    changed = tampering.flip_last_part(request(TWO, encrypt=False))
    with pytest.raises(Wrong, match="the digest of cid:p2@craft"):
        independent.check(*changed.content)


def test_swapped_parts_are_right_but_for_their_order() -> None:
    changed = tampering.swap_parts(request(TWO))
    found = independent.check(*changed.content, KEYS)
    with pytest.raises(Wrong, match="in the order of PartInfo"):
        independent.insist(*changed.content, found)


def test_a_doctype_and_a_boundary() -> None:
    sent = request()
    assert b"<!DOCTYPE x []><env:Envelope" in tampering.add_doctype(sent).body
    lost = tampering.lose_boundary(sent)
    assert (lost.body, "boundary" in lost.content_type) == (sent.body, False)
    with pytest.raises(Wrong, match="a boundary parameter"):
        partial(independent.check, *lost.content)()
