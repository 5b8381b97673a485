"""What other stacks signed and encrypted, at the level of this room (as4-wire 10.1 to 10.3).

Splitting MIME is done here by hand: this room knows nothing of AS4.
"""

import base64
import email
import email.policy
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from ehmi_ap.body import MemoryBody
from ehmi_ap.crypto import dsig, safexml, xenc
from ehmi_ap.crypto.algorithms import DS, EXC_C14N, XENC
from ehmi_ap.crypto.c14n import canonical_document
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.keys import load_certificates, load_key_pairs, load_private_key
from ehmi_ap.errors import NotAllowedAlgorithm, WrongSignature

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
X509V3 = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"


@dataclass
class Capture:
    root: etree._Element
    parts: dict[str, tuple[str, bytes]]

    @property
    def signature(self) -> dsig.ParsedSignature:
        return dsig.read_signature(self.root.find(f".//{{{DS}}}Signature"))

    @property
    def signer(self) -> Certificate:
        """The certificate of the BST that the signature's KeyInfo refers to."""
        uri = self.signature.key_info.find(f".//{{{WSSE}}}Reference").get("URI")
        token = safexml.index_ids(self.root)[uri[1:]]
        return Certificate.from_der(base64.b64decode(token.text))

    def decrypted(self, private_key) -> dict[str, tuple[str, bytes]]:
        """The parts with each EncryptedData undone, under the type that it names."""
        key = xenc.read_encrypted_key(self.root.find(f".//{{{XENC}}}EncryptedKey"))
        parts = dict(self.parts)
        for element in self.root.iterfind(f".//{{{XENC}}}EncryptedData"):
            data = xenc.read_encrypted_data(element)
            content_key = xenc.unwrap(key, private_key, data.cipher)
            plain = b"".join(xenc.decrypt(MemoryBody(self.parts[data.cid][1]), content_key, data.cipher))
            parts[data.cid] = (data.mime_type, plain)
            assert data.key_ref in (key.id, None)
            assert data.id in key.data_references
        return parts

    def wrong_digests(self, parts: dict[str, tuple[str, bytes]] | None = None) -> list[str]:
        """The URIs of the references that do not match, an unknown one included."""
        ids, wrong = safexml.index_ids(self.root), []
        for reference in self.signature.references:
            if reference.uri.startswith("cid:"):
                known = (parts or self.parts).get(reference.uri[4:])
                digest = known and dsig.digest_of([_attachment(*known)], reference.digest_method)
            else:
                element = ids.get(reference.uri[1:])
                digest = None if element is None else dsig.element_digest(element, reference)
            if digest != reference.digest:
                wrong.append(reference.uri)
        return wrong


def _attachment(mime_type: str, data: bytes) -> bytes:
    """The Attachment-Content-Signature-Transform (as4-wire 3.3)."""
    if re.match(r"(text/xml|application/xml|(application|image)/.*\+xml)", mime_type, re.IGNORECASE):
        return canonical_document(safexml.parse(data))
    if mime_type.startswith("text/"):
        return re.sub(rb"\r\n|\r|\n", b"\r\n", data)
    return data


def read(path: Path) -> Capture:
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    delimiter = re.search(rb"^--[^\r\n]+", data, re.MULTILINE)
    if not delimiter or data.lstrip().startswith(b"<"):
        return Capture(safexml.parse(data[re.search(rb"<(\?xml|\w)", data).start() :].strip()), {})
    parts = {}
    pieces = re.split(rb"\r?\n?" + re.escape(delimiter[0]) + rb"(?:--)?[ \t]*\r?\n?", data[delimiter.start() :])[1:-1]
    for piece in pieces:
        head, body = re.split(rb"\r?\n\r?\n", piece, maxsplit=1)
        headers = email.message_from_bytes(head, policy=email.policy.HTTP)
        if str(headers.get("Content-Transfer-Encoding", "")).lower() == "base64":
            body = base64.b64decode(body)
        cid = str(headers.get("Content-ID", f"root{len(parts)}")).strip("<> ")
        parts[cid] = (headers.get_content_type(), body)
    root = safexml.parse(next(iter(parts.values()))[1])
    return Capture(root, parts)


OWN = Path(__file__).parents[2] / "vectors" / "data"
WSS4J = {"rsa-signed.mime": None, "rsa-oaep-bst.mime": "rsa-receiver", "rsa-oaep-issuerserial.mime": "rsa-receiver"}


@pytest.mark.parametrize("name", WSS4J)
def test_messages_of_wss4j_decrypt_and_verify(name):
    folder = OWN / "wss4j"
    capture = read(folder / name)
    parts = capture.parts
    if WSS4J[name]:
        parts = capture.decrypted(load_private_key((folder / f"keys/{WSS4J[name]}.key.pem").read_bytes()))

    assert capture.wrong_digests(parts) == []
    assert len(capture.signature.references) == 5
    assert len(parts["att-bin@ehmi"][1]) == 9
    assert capture.signer == load_certificates((folder / "keys/rsa-sender.crt.pem").read_bytes())[0]
    dsig.check_allowed(capture.signature, ["rsa-sha256"], ["sha256"])
    dsig.check_value(capture.signature, capture.signer.public_key)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("ed2-ed25519-signed.mime", "eddsa-ed25519"),
        ("ed2-ed25519-x25519-hkdf-bst.mime", "eddsa-ed25519"),
        ("ed2-ecdsa-ecdhes-hkdf-bst.mime", "ecdsa-sha256"),
    ],
)
def test_messages_of_as4_2_are_read_but_their_algorithms_are_not_known_yet(name, word):
    capture = read(OWN / "wss4j" / name)

    assert capture.signature.algorithm.endswith(word)
    with pytest.raises(NotAllowedAlgorithm):
        dsig.check_value(capture.signature, capture.signer.public_key)


def test_holodeck_with_mgf1p_and_prefix_lists_decrypts_and_matches(shared_data):
    """rsa-oaep-mgf1p with a SHA-256 digest has MGF1 with SHA-1 (as4-wire 9.12); lists as in as4-wire 9.2."""
    folder = shared_data / "as4/as4net"
    capture = read(folder / "as4-encrypted-signed-issuerserial.as4")
    (pair,) = load_key_pairs((folder / "AccessPointB.pfx").read_bytes(), "Pz4cZK4SULUwmraZb")

    assert capture.wrong_digests(capture.decrypted(pair.private_key)) == []
    key = xenc.read_encrypted_key(capture.root.find(f".//{{{XENC}}}EncryptedKey"))
    assert key.transport.algorithm().word == "rsa-oaep-mgf1p-sha256"
    issuer, serial = (key.key_info.find(f".//{{{DS}}}X509{part}").text for part in ("IssuerName", "SerialNumber"))
    assert pair.certificate.has_issuer_serial(issuer, int(serial))


def test_holodeck_with_a_ski_verifies_with_the_certificate_it_names(shared_data):
    folder = shared_data / "as4/as4net"
    capture = read(folder / "signed_holodeck_message.as4")
    (pair,) = load_key_pairs((folder / "AccessPointB.pfx").read_bytes(), "Pz4cZK4SULUwmraZb")
    ski = base64.b64decode(capture.signature.key_info.find(f".//{{{WSSE}}}KeyIdentifier").text)

    assert pair.certificate.ski == ski
    assert capture.wrong_digests() == []
    dsig.check_value(capture.signature, pair.certificate.public_key)


@pytest.mark.parametrize("name", ["as4net/as4-soap-signed-message.txt", "as4net/as4-multihop-message.as4"])
def test_messages_of_as4_net_verify(shared_data, name):
    capture = read(shared_data / "as4" / name)

    assert capture.wrong_digests() == []
    dsig.check_value(capture.signature, capture.signer.public_key)


def test_a_renamed_id_leaves_the_reference_pointing_at_nothing(shared_data):
    capture = read(shared_data / "as4/as4net/as4-soap-wrong-signed-message.txt")

    dsig.check_value(capture.signature, capture.signer.public_key)
    assert [uri[:6] for uri in capture.wrong_digests()] == ["#body-"]


def test_a_token_of_another_subject_does_not_verify(shared_data):
    capture = read(shared_data / "as4/as4net/as4-soap-untrusted-signed-message.txt")

    assert capture.wrong_digests() == []
    with pytest.raises(WrongSignature):
        dsig.check_value(capture.signature, capture.signer.public_key)


def test_flame_without_digest_and_mgf_falls_back_to_sha1_and_its_envelope_verifies(shared_data):
    capture = read(shared_data / "as4/as4net/as4_flame_envelope.as4")
    key = xenc.read_encrypted_key(capture.root.find(f".//{{{XENC}}}EncryptedKey"))

    assert key.transport.algorithm().word == "rsa-oaep-sha1-mgf1sha1"
    assert [uri[:4] for uri in capture.wrong_digests()] == ["cid:", "cid:"]
    dsig.check_value(capture.signature, capture.signer.public_key)


@pytest.mark.parametrize(("name", "common_name"), [("helger.as4in", "POP000306"), ("governikus.as4in", "POP000260")])
def test_receipts_received_by_phase4_verify(shared_data, name, common_name):
    capture = read(shared_data / "as4/phase4" / name)

    assert capture.wrong_digests() == []
    assert capture.signer.common_name == common_name
    dsig.check_value(capture.signature, capture.signer.public_key)


def test_the_references_of_a_receipt_are_the_canonical_form_of_what_was_signed():
    """A receipt repeats ds:Reference; parsed again on its own, it has the same canonical form."""
    for reference in read(OWN / "wss4j/rsa-signed.mime").signature.references:
        noun = reference.noun()

        assert noun.transforms[0] in (
            EXC_C14N,
            "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform",
        )
        assert etree.tostring(safexml.parse(noun.xml), method="c14n", exclusive=True) == noun.xml
