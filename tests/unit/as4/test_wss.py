"""The blocks of wsse:Security as text (as4-wire 3.2)."""

import re

import pytest
from lxml import etree
from sample_exchange import alpha, beta, certificate, keys_of, outbound, security

from ehmi_ap.as4.ebms_text import write_body
from ehmi_ap.as4.names import DS, ENCRYPTED_KEY_TOKEN, SWA_CIPHERTEXT, SWA_CONTENT_ONLY, WSSE, WSSE11, XENC
from ehmi_ap.as4.wss import Ids, add_encryption, signed_envelope, write_encryption
from ehmi_ap.crypto.xenc import read_encrypted_data, read_encrypted_key
from ehmi_ap.model import MessageId

IDS = Ids.of(MessageId("message-1@alpha.example"))
SECURITY = outbound().security


def _envelope() -> bytes:
    return signed_envelope(
        f'<x:m xmlns:x="urn:x" Id="{IDS.messaging}"></x:m>',
        write_body(IDS.body),
        [("p@x", b"digest of the part, any 32 bytes")],
        ids=IDS,
        signer=keys_of(alpha()).signing,
        security=SECURITY,
        token="bst",
    )[0]


def _encryption(**values: str) -> etree._Element:
    text = write_encryption(
        b"wrapped key",
        [("p@x", "application/gzip"), ("q@x", "text/plain")],
        ids=IDS,
        to=certificate(beta()),
        security=security(outbound(), **values).security,
    )
    wsu = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
    return etree.fromstring(f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{wsu}">{text}</wsse:Security>')


def test_ids_are_those_of_the_message_and_are_names() -> None:
    other = Ids.of(MessageId("message-2@alpha.example"))
    ids = [*(each for ids in (IDS, other) for each in (ids.messaging, ids.body, ids.encrypted_data(1)))]
    assert len(set(ids)) == 6
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9._-]*", each) for each in ids)
    assert Ids.of(MessageId("message-1@alpha.example")) == IDS


def test_encryption_as_it_is_read() -> None:
    """as4-wire 3.2, 3.4: both links between key and data, types as signed, one key."""
    root = _encryption()
    key = read_encrypted_key(root.find(f"{{{XENC}}}EncryptedKey"))
    data = [read_encrypted_data(each) for each in root.iterfind(f"{{{XENC}}}EncryptedData")]
    assert key.wrapped == b"wrapped key"
    assert key.transport.algorithm(("rsa-oaep-sha256-mgf1sha256",)).word == SECURITY.key_transport
    assert key.data_references == tuple(each.id for each in data)
    assert [each.key_ref for each in data] == [key.id, key.id]
    assert [(each.cid, each.mime_type) for each in data] == [("p@x", "application/gzip"), ("q@x", "text/plain")]
    assert {each.type for each in data} == {SWA_CONTENT_ONLY}
    assert {each.transforms for each in data} == {(SWA_CIPHERTEXT,)}
    token = root.find(f".//{{{XENC}}}EncryptedData/{{{DS}}}KeyInfo/{{{WSSE}}}SecurityTokenReference")
    assert token is not None
    assert token.get(f"{{{WSSE11}}}TokenType") == ENCRYPTED_KEY_TOKEN


@pytest.mark.parametrize("word", ["rsa-oaep-sha1-mgf1sha1", "rsa-oaep-sha512-mgf1sha256", "rsa-oaep-mgf1p-sha256"])
def test_every_child_of_the_key_method_is_written(word: str) -> None:
    """as4-wire 3.1, 9.12: what is left out would mean SHA-1; rsa-oaep-mgf1p takes no MGF."""
    root = _encryption(key_transport=word)
    key = root.find(f"{{{XENC}}}EncryptedKey")
    assert read_encrypted_key(key).transport.algorithm().word == word
    names = [etree.QName(each).localname for each in key.find(f"{{{XENC}}}EncryptionMethod")]
    assert names == (["DigestMethod"] if "mgf1p" in word else ["DigestMethod", "MGF"])


def test_encryption_goes_first_and_changes_nothing_else() -> None:
    """as4-wire 3.2: EncryptedKey before Signature; the signed bytes stay."""
    envelope = _envelope()
    sealed = add_encryption(envelope, "<sealed></sealed>")
    assert sealed.replace(b"<sealed></sealed>", b"") == envelope
    root = etree.fromstring(sealed)
    header = root.find(f".//{{{WSSE}}}Security")
    assert header is not None
    assert [etree.QName(each).localname for each in header] == ["sealed", "BinarySecurityToken", "Signature"]


def test_references_stand_in_the_order_messaging_body_parts() -> None:
    """as4-wire 3.2."""
    uris = [each.get("URI") for each in etree.fromstring(_envelope()).iter(f"{{{DS}}}Reference")]
    assert uris == [f"#{IDS.messaging}", f"#{IDS.body}", "cid:p@x"]
