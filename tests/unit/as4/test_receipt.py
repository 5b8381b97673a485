"""Receipts made and compared (AS4 1.0 5.1.8; as4-wire 5)."""

from dataclasses import replace

import pki
import pytest
from sample_exchange import RECEIPT_ID, crafted, verified

from ehmi_ap.as4.receipt import compare, receipt_for
from ehmi_ap.errors import InvalidReceipt
from ehmi_ap.model import Receipt, Reference

ONE = Reference("#a", "urn:sha256", b"1" * 32, ("urn:c14n",), b"<ds:Reference/>")
TWO = Reference("cid:b", "urn:sha256", b"2" * 32, ("urn:content",), b"<ds:Reference/>")


def _receipt(*references: Reference) -> Receipt:
    return Receipt(message_id=RECEIPT_ID, ref_to=RECEIPT_ID, timestamp=pki.NOW, references=references)


def test_a_receipt_names_every_reference_in_order() -> None:
    """as4-wire 5.1."""
    result = verified(crafted())
    receipt = receipt_for(result, message_id=RECEIPT_ID, now=pki.NOW)
    assert receipt == Receipt(
        message_id=RECEIPT_ID,
        ref_to=result.message.message_id,
        timestamp=pki.NOW,
        references=result.references,
    )
    assert [reference.uri for reference in receipt.references] == ["#messaging", "#body", "cid:p1@craft.example"]


def test_the_same_references_in_any_order_and_in_any_spelling() -> None:
    """as4-wire 5.2 item 3: URI, digest, method and transforms count; the text does not."""
    compare((ONE, TWO), _receipt(TWO, ONE))
    compare((ONE,), _receipt(replace(ONE, xml=b"<other:Reference/>")))


@pytest.mark.parametrize(
    "references",
    [
        (ONE,),
        (ONE, TWO, TWO),
        (ONE, TWO, replace(TWO, uri="cid:c")),
        (ONE, replace(TWO, digest=b"3" * 32)),
        (ONE, replace(TWO, digest_method="urn:sha1")),
        (ONE, replace(TWO, transforms=())),
        (ONE, replace(TWO, uri="cid:B")),
        (),
    ],
    ids=["missing", "twice", "extra", "digest", "method", "transforms", "uri", "none"],
)
def test_anything_else_proves_nothing(references: tuple[Reference, ...]) -> None:
    with pytest.raises(InvalidReceipt):
        compare((ONE, TWO), _receipt(*references))


def test_nothing_sent_is_nothing_proven() -> None:
    with pytest.raises(InvalidReceipt, match="nothing is known"):
        compare((), _receipt())
