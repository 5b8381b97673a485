"""The shipped P-Modes of products (pmodes/products/): what we send under each is what that product takes, and what its
recordings hold is what we take under it.
"""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any
from uuid import UUID

import pki
import pytest
from recordings import AT, MESSAGES, header_of, keys_of, pair_of, trust_of, wire_of

from ehmi_ap.as4.pack import pack_receipt, seal, sign
from ehmi_ap.as4.receipt import receipt_for
from ehmi_ap.as4.unpack import Verified, unpack
from ehmi_ap.body import MemoryBody, MemorySpool, read_all
from ehmi_ap.config import product_pmodes, shipped_pmodes
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.crypto.keys import Keys, load_key_pairs
from ehmi_ap.demo.envelope import standard_business_document
from ehmi_ap.ehmi.names import DOCUMENTIDS, PROCESSID
from ehmi_ap.flows.compose import compose
from ehmi_ap.model import MessageId, Participant, PartyId, Payload, Submission, UserMessage, Wire
from ehmi_ap.pmode import PMode, parse_pmode
from ehmi_ap.profiles import PROFILES
from tests import demands, independent

US = PartyId("our-ap", "urn:oasis:names:tc:ebcore:partyid-type:unregistered")
PRODUCTS = sorted(product_pmodes())


def shipped(product: str, **changes: Any) -> PMode:
    pmode = parse_pmode(product, product_pmodes()[product], us=US, profiles=PROFILES)
    return replace(pmode, **changes)


def secured(pmode: PMode, **changes: Any) -> PMode:
    return replace(pmode, security=replace(pmode.security, **changes))


# -- what we send


@pytest.fixture(scope="module")
def ours() -> pki.Identity:
    return pki.make_leaf(pki.make_ca("Products CA"), "our-ap", key="a")


@pytest.fixture(scope="module")
def theirs() -> pki.Identity:
    return pki.make_leaf(pki.make_ca("Products CA"), "partner-ap", key="b")


def key_pair(identity: pki.Identity) -> Keys:
    pair = load_key_pairs(identity.key_pem + identity.chain_pem)[0]
    return Keys(pair, (pair,))


def document() -> Payload:
    uuids: Iterator[int] = count(1)
    made = standard_business_document(now=pki.NOW, new_uuid=lambda: UUID(int=next(uuids)))
    return Payload(body=MemoryBody(made), mime_type="application/xml")


def composed(pmode: PMode, *payloads: Payload, **changes: Any) -> UserMessage:
    ids = count(1)
    submission = Submission(
        payloads=payloads or (document(),) * min(3, pmode.limits.outbound_parts),
        action=pmode.actions[0],
        sender=Participant("0088:5790000120048", "iso6523-actorid-upis"),
        receiver=Participant("0088:5790002407314", "iso6523-actorid-upis"),
    )
    message = compose(
        submission, pmode, conversation_id=None, new_id=lambda: MessageId(f"{next(ids)}@our.example"), now=pki.NOW
    )
    return replace(message, **changes)


def packed(message: UserMessage, pmode: PMode, ours: pki.Identity, theirs: pki.Identity) -> Wire:
    signed = sign(message, pmode, keys=key_pair(ours), new_spool=MemorySpool)
    wire = seal(signed, message.message_id, pmode, to=Certificate.from_der(theirs.der)).wire
    return replace(wire, body=MemoryBody(read_all(wire.body)))


def held(product: str, wire: Wire, ours: pki.Identity, theirs: pki.Identity) -> independent.Facts:
    return demands.hold(product, read_all(wire.body), wire.content_type, [theirs.key_pem], [ours.pem, theirs.pem])


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_message_of_ours_is_what_the_product_demands(product: str, ours: pki.Identity, theirs: pki.Identity) -> None:
    """And its header has the values that the file agrees, each of which some product compares."""
    pmode = shipped(product)
    message = composed(pmode)
    facts = held(product, packed(message, pmode, ours, theirs), ours, theirs)
    assert [data for _, _, data in facts.payloads] == [read_all(payload.body) for payload in message.payloads]
    table: Any = {"partner": "partner-ap", "us": {}, "service": PROCESSID, **product_pmodes()[product]}
    party = {"type": US.type}
    partner = table["partner"] if isinstance(table["partner"], dict) else {"id": table["partner"]}
    assert party_of(facts, "To") == {**party, **partner}
    assert party_of(facts, "From") == {**party, "id": US.value, **table["us"]}
    service = table["service"] if isinstance(table["service"], dict) else {"value": table["service"]}
    assert typed(facts, "CollaborationInfo/eb:Service", "value") == service
    agreement = {"value": table["agreement"]} if "agreement" in table else {}
    assert typed(facts, "CollaborationInfo/eb:AgreementRef", "value") == agreement


def typed(facts: independent.Facts, path: str, name: str) -> dict[str, str]:
    found = facts.root.find(f".//eb:UserMessage/eb:{path}", independent.NS)
    return {} if found is None else {name: found.text or "", **{str(k): str(v) for k, v in found.attrib.items()}}


def party_of(facts: independent.Facts, side: str) -> dict[str, str]:
    return typed(facts, f"PartyInfo/eb:{side}/eb:PartyId", "id")


@pytest.mark.parametrize(
    ("product", "security", "expected"),
    [
        ("phase4", {"sign_token": "ski"}, "signer's token"),
        ("oxalis-peppol", {"sign_token": "pkipath"}, "signer's token"),
        ("oxalis-cef", {"encrypt_token": "issuer-serial"}, "recipient's token"),
        ("holodeck", {"sign_token": "thumbprint"}, "signer's token"),
        ("holodeck", {"digest": "sha512"}, "DigestMethod"),
        ("domibus", {"encrypt": False}, "every part encrypted"),
        ("domibus", {"key_transport": "rsa-oaep-mgf1p-sha1"}, "EncryptionMethod"),
        ("domibus-pkipath", {"sign_token": "bst"}, "signer's token"),
    ],
)
def test_a_message_secured_otherwise_is_not(
    product: str, security: dict[str, Any], expected: str, ours: pki.Identity, theirs: pki.Identity
) -> None:
    """The demands are no rubber stamp."""
    pmode = secured(shipped(product), **security)
    with pytest.raises(independent.Wrong, match=expected):
        held(product, packed(composed(pmode), pmode, ours, theirs), ours, theirs)


@pytest.mark.parametrize(
    ("payloads", "changes", "expected"),
    [
        ((document(), document()), {}, "one part"),
        ((Payload(body=MemoryBody(b"<a/>"), mime_type="application/xml"),), {}, "StandardBusinessDocument"),
        ((document(),), {"properties": ()}, "a message property"),
        ((document(),), {"message_id": MessageId("a b@our.example")}, "RFC 2822"),
    ],
)
def test_a_message_that_oxalis_would_refuse(
    payloads: tuple[Payload, ...], changes: dict[str, Any], expected: str, ours: pki.Identity, theirs: pki.Identity
) -> None:
    pmode = shipped("oxalis-peppol")
    pmode = replace(pmode, limits=replace(pmode.limits, outbound_parts=28))
    with pytest.raises(independent.Wrong, match=expected):
        held("oxalis-peppol", packed(composed(pmode, *payloads, **changes), pmode, ours, theirs), ours, theirs)


# -- what we take, and answer


def agreed_with(product: str, message: UserMessage) -> PMode:
    """The shipped P-Mode with what two partners agree in every case put in: ids, service, action; and the agreement,
    but for a product that has one of its own.
    """
    pmode = shipped(product)
    assert pmode.partner is not None
    return replace(
        pmode,
        us=replace(pmode.us, value=message.to.id.value),
        partner=replace(pmode.partner, value=message.from_.id.value),
        service=replace(pmode.service, value=message.service.value, **_type_of(message, product)),
        actions=(message.action,),
        agreement=pmode.agreement if "agreement" in product_pmodes()[product] else message.agreement,
        certificate="sender",
    )


def _type_of(message: UserMessage, product: str) -> dict[str, str | None]:
    return {} if isinstance(product_pmodes()[product].get("service"), dict) else {"type": message.service.type}


PRODUCT_OF = {"domibus": "domibus", "holodeck": "holodeck", "oxalis": "oxalis-peppol", "phase4": "phase4"}


@pytest.mark.parametrize("name", MESSAGES)
def test_what_a_product_sent_falls_under_its_p_mode_and_gets_a_receipt_it_takes(name: str) -> None:
    product, pair = PRODUCT_OF[name.partition("/")[0]], pair_of(name)
    message = header_of(name).user[0].message
    result = unpack(
        wire_of(name),
        pmodes=[agreed_with(product, message)],
        keys=keys_of(pair),
        trust=trust_of(pair),
        now=AT,
        new_spool=MemorySpool,
    )
    assert isinstance(result, Verified), getattr(result, "error", result)
    receipt = pack_receipt(
        receipt_for(result, message_id=MessageId("receipt@our.example"), now=AT), result.pmode, keys=keys_of(pair)
    )
    assert receipt.status == 200
    demands.hold_as_receipt(product, read_all(receipt.body), receipt.content_type, pair.certificates)


@pytest.mark.parametrize("product", PRODUCTS)
def test_our_receipts_are_in_the_form_that_the_product_takes(product: str) -> None:
    """And in no other, where it takes but one (peers-live 5)."""
    name = "phase4/live/bst.request"
    pair = pair_of(name)
    message = header_of(name).user[0].message
    agreed = replace(agreed_with("phase4", message), security=shipped(product).security)
    result = unpack(
        wire_of(name), pmodes=[agreed], keys=keys_of(pair), trust=trust_of(pair), now=AT, new_spool=MemorySpool
    )
    assert isinstance(result, Verified)
    for token in ("bst", "pkipath", "thumbprint"):
        receipt = receipt_for(result, message_id=MessageId("receipt@our.example"), now=AT)
        wire = pack_receipt(receipt, secured(result.pmode, receipt_token=token), keys=keys_of(pair))
        arguments = (product, read_all(wire.body), wire.content_type, pair.certificates)
        if product == "phase4" or token == shipped(product).security.receipt_token:
            demands.hold_as_receipt(*arguments)
        else:
            with pytest.raises(independent.Wrong, match="signer's token"):
                demands.hold_as_receipt(*arguments)


# -- the files


def test_every_product_is_judged() -> None:
    assert set(PRODUCTS) == set(demands.MESSAGE) == set(demands.RECEIPT)
    assert {*PRODUCT_OF.values()} <= set(PRODUCTS)


def test_oxalis_has_the_documents_of_the_profile() -> None:
    """With the scheme before them, as it writes them (peers-live 2)."""
    assert shipped("oxalis-peppol").actions == tuple(f"busdox-docid-qns::{each}" for each in DOCUMENTIDS)


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_value_has_its_reason(product: str) -> None:
    """A comment stands above every key, or above the one before it without an empty line between."""
    text = (shipped_pmodes() / "products" / f"{product}.toml").read_text(encoding="utf-8")
    blocks = [block for block in text.split("\n\n")[1:] if not block.startswith("profile = ")]
    assert blocks
    for block in blocks:
        lines = [line for line in block.splitlines() if not line.startswith("[")]
        assert lines[0].startswith("# "), block
    assert tomllib.loads(text)
