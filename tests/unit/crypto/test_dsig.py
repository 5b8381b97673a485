"""XML Signature: what we make is what others verify; what we read has one shape; what we refuse."""

import base64
import hashlib

import pki
import pytest
import signxml
import xmlsec
from lxml import etree

from ehmi_ap.crypto import dsig
from ehmi_ap.crypto.algorithms import DIGESTS, DS, EXC_C14N, SIGNATURES
from ehmi_ap.crypto.c14n import canonical
from ehmi_ap.crypto.dsig import SignatureLimits, read_signature
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.errors import (
    BudgetExceeded,
    MalformedSecurity,
    NotAllowedAlgorithm,
    WrongDigest,
    WrongSignature,
    XmlSecurityError,
)

KEY = pki.private_key("a")
CID = "cid:a&b<c>\"d'@test.example"
SWA = "http://docs.oasis-open.org/wss/oasis-wss-SwAProfile-1.1#Attachment-Content-Signature-Transform"


def signature_xml(info: str, value: bytes, *more: str) -> str:
    text = base64.b64encode(value).decode()
    return f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{text}</ds:SignatureValue>{"".join(more)}</ds:Signature>'


def made(algorithm: str = "rsa-sha256", digest: str = "sha256", key=KEY) -> etree._Element:
    """A document with an element `#1` and our signature over it."""
    element = parse(b'<r xmlns="u:d" xmlns:x="u:x"><a Id="1">text<b x:c=""/></a></r>')[0]
    value = dsig.digest_of([canonical(element)], DIGESTS.by_word(digest).uri)
    info = dsig.signed_info([("#1", [EXC_C14N], value)], algorithm=algorithm, digest=digest)
    root = element.getparent()
    root.append(parse(signature_xml(info, dsig.sign(info.encode(), key, algorithm)).encode()))
    return parse(etree.tostring(root))


WORDS = [(sign, digest) for sign in SIGNATURES.words for digest in DIGESTS.words]


@pytest.mark.parametrize(("sign", "digest"), WORDS)
def test_what_we_sign_we_verify(sign, digest):
    root = made(sign, digest)
    signature = read_signature(root[1])
    (reference,) = signature.references

    dsig.check_allowed(signature, [sign], [digest])
    dsig.check_value(signature, KEY.public_key())
    dsig.check_digest(reference, dsig.element_digest(root[0], reference))
    assert signature.c14n == EXC_C14N
    assert reference.noun().transforms == (EXC_C14N,)


@pytest.mark.parametrize(("sign", "digest"), WORDS)
def test_libxmlsec_verifies_what_we_sign(sign, digest):
    root = made(sign, digest)
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory((pki.KEYS / "rsa2048-a.pem").read_bytes(), xmlsec.constants.KeyDataFormatPem)

    assert context.verify(root[1]) is None
    root[0].text = "other"
    with pytest.raises(xmlsec.Error):
        context.verify(root[1])


def test_signxml_verifies_what_we_sign(test_pki):
    root = made()
    config = signxml.SignatureConfiguration(location=".//", require_x509=False)
    verifier = signxml.XMLVerifier()
    result = verifier.verify(root, x509_cert=test_pki.sender.cert, expect_config=config, validate_schema=True)

    assert result.signed_xml.get("Id") == "1"


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_we_verify_what_libxmlsec_signs_with_a_prefix_list(digest):
    root = etree.fromstring('<r xmlns:p="u:p" xmlns:q="u:q"><p:a Id="1">t</p:a></r>')
    xmlsec.tree.add_ids(root, ["Id"])
    constants = xmlsec.constants
    template = xmlsec.template.create(root, constants.TransformExclC14N, constants.TransformRsaSha384)
    method = {"sha256": constants.TransformSha256, "sha512": constants.TransformSha512}[digest]
    reference = xmlsec.template.add_reference(template, method, uri="#1")
    transform = xmlsec.template.add_transform(reference, constants.TransformExclC14N)
    xmlsec.template.transform_add_c14n_inclusive_namespaces(transform, ["q", "#default", "unknown"])
    root.append(template)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory((pki.KEYS / "rsa2048-a.pem").read_bytes(), constants.KeyDataFormatPem)
    context.sign(template)

    root = parse(etree.tostring(root))
    signature = read_signature(root[1])
    assert signature.references[0].transforms[0].prefixes == ("q", "#default", "unknown")
    assert dsig.element_digest(root[0], signature.references[0]) == signature.references[0].digest
    dsig.check_allowed(signature, ["rsa-sha384"], [digest])
    dsig.check_value(signature, KEY.public_key())


def test_the_text_of_signed_info_is_its_own_canonical_form():
    references = [("#1", [EXC_C14N], b"1" * 32), (CID, [SWA], b"2" * 32), ("", [], b"3" * 32)]
    text = dsig.signed_info(references, algorithm="rsa-sha512", digest="sha256").encode()

    assert canonical(parse(text)) == text
    read = read_signature(parse(signature_xml(text.decode(), b"value").encode())).references
    assert [(each.uri, [t.uri for t in each.transforms], each.digest) for each in read] == references


def test_a_made_reference_is_what_a_reader_finds_in_our_signature():
    reference = dsig.make_reference(CID, [SWA], b"1" * 32)
    info = dsig.signed_info([(CID, [SWA], b"1" * 32)])
    (read,) = read_signature(parse(signature_xml(info, b"value").encode())).references

    assert read.noun() == reference
    assert canonical(parse(reference.xml)) == reference.xml


def test_a_changed_element_has_another_digest():
    root = made()
    (reference,) = read_signature(root[1]).references
    root[0].text += "!"

    with pytest.raises(WrongDigest):
        dsig.check_digest(reference, dsig.element_digest(root[0], reference))


def test_a_changed_signed_info_does_not_verify():
    text = etree.tostring(made()[1]).replace(b'URI="#1"', b'URI="#2"')

    with pytest.raises(WrongSignature):
        dsig.check_value(read_signature(parse(text)), KEY.public_key())


@pytest.mark.parametrize("key", ["b", "p256", "ed25519", "rsa1024-a", "rsa4096-a"])
def test_another_key_does_not_verify(key):
    with pytest.raises(WrongSignature):
        dsig.check_value(read_signature(made()[1]), pki.private_key(key).public_key())


def test_only_an_rsa_key_signs_with_rsa():
    with pytest.raises(NotAllowedAlgorithm):
        dsig.sign(b"", pki.private_key("ed25519"), "rsa-sha256")


@pytest.mark.parametrize(("signs", "digests"), [(["rsa-sha512"], ["sha256"]), (["rsa-sha256"], ["sha384"]), ([], [])])
def test_an_algorithm_outside_the_allow_lists_is_refused(signs, digests):
    with pytest.raises(NotAllowedAlgorithm):
        dsig.check_allowed(read_signature(made()[1]), signs, digests)


@pytest.mark.parametrize(
    "transforms",
    [
        "",
        "<ds:Transforms><ds:Transform Algorithm='http://www.w3.org/2000/09/xmldsig#enveloped-signature'/></ds:Transforms>",
        "<ds:Transforms><ds:Transform Algorithm='http://www.w3.org/TR/1999/REC-xslt-19991116'/></ds:Transforms>",
        "<ds:Transforms><ds:Transform Algorithm='http://www.w3.org/TR/2001/REC-xml-c14n-20010315'/></ds:Transforms>",
        f"<ds:Transforms><ds:Transform Algorithm='{EXC_C14N}WithComments'/></ds:Transforms>",
        f"<ds:Transforms><ds:Transform Algorithm='{EXC_C14N}'/><ds:Transform Algorithm='{EXC_C14N}'/></ds:Transforms>",
        f"<ds:Transforms><ds:Transform Algorithm='urn:evil'/><ds:Transform Algorithm='{EXC_C14N}'/></ds:Transforms>",
    ],
)
def test_an_element_is_digested_under_one_exclusive_c14n_and_nothing_else(transforms):
    root = changed(lambda text: _between(text, "<ds:Transforms>", "</ds:Transforms>", transforms))
    (reference,) = read_signature(root).references

    with pytest.raises(NotAllowedAlgorithm):
        dsig.element_digest(root, reference)


def _between(text: str, start: str, end: str, new: str) -> str:
    return text[: text.index(start)] + new + text[text.index(end) + len(end) :]


def changed(change) -> etree._Element:
    return parse(change(canonical(made()[1]).decode()).encode())


INFO_END, SIGNATURE_END = "</ds:SignedInfo>", "</ds:Signature>"
VALUE = "<ds:SignatureValue>YQ==</ds:SignatureValue>"
MALFORMED = {
    "a reference twice": lambda t: t.replace(INFO_END, t[t.index("<ds:Reference ") : t.index(INFO_END)] + INFO_END),
    "ds:Object": lambda t: t.replace(SIGNATURE_END, "<ds:Object/></ds:Signature>"),
    "two values": lambda t: t.replace(SIGNATURE_END, VALUE + SIGNATURE_END),
    "two infos": lambda t: t.replace(INFO_END, INFO_END + t[t.index("<ds:SignedInfo") : t.index(INFO_END)] + INFO_END),
    "two key infos": lambda t: t.replace(SIGNATURE_END, "<ds:KeyInfo/><ds:KeyInfo/></ds:Signature>"),
    "no value": lambda t: _between(t, "<ds:SignatureValue>", "</ds:SignatureValue>", ""),
    "no info": lambda t: _between(t, "<ds:SignedInfo", INFO_END, ""),
    "no references": lambda t: _between(t, "<ds:Reference", "</ds:Reference>", ""),
    "no URI": lambda t: t.replace(' URI="#1"', ""),
    "no algorithm": lambda t: t.replace(f' Algorithm="{SIGNATURES.by_word("rsa-sha256").uri}"', ""),
    "stray text": lambda t: t.replace(INFO_END, "x" + INFO_END),
    "foreign child": lambda t: t.replace(INFO_END, "<x/>" + INFO_END),
    "method with parameters": lambda t: t.replace("</ds:SignatureMethod>", "<x/></ds:SignatureMethod>"),
    "digest with parameters": lambda t: t.replace("</ds:DigestMethod>", "<x/></ds:DigestMethod>"),
    "transform with parameters": lambda t: t.replace("</ds:Transform>", "<ds:XPath>x</ds:XPath></ds:Transform>"),
    "comment in a value": lambda t: t.replace("</ds:DigestValue>", "<!-- x --></ds:DigestValue>"),
    "value no base64": lambda t: _between(t, "<ds:SignatureValue>", "</ds:SignatureValue>", VALUE.replace("=", "?")),
    "value too long": lambda t: _between(
        t, "<ds:SignatureValue>", "</ds:SignatureValue>", VALUE.replace("Y", "Y" * 4000)
    ),
    "digest too long": lambda t: _between(
        t, "<ds:DigestValue>", "</ds:DigestValue>", f"<ds:DigestValue>{'YWFh' * 25}</ds:DigestValue>"
    ),
    "another element": lambda t: t.replace("ds:Signature>", "ds:Signatur>").replace("<ds:Signature ", "<ds:Signatur "),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_any_other_shape_is_malformed(name):
    root = changed(MALFORMED[name])

    with pytest.raises(MalformedSecurity):
        read_signature(root)


def test_comments_and_white_space_between_elements_are_legal():
    root = changed(
        lambda t: t.replace("<ds:Reference ", "<!-- c -->\n <ds:Reference ").replace(SIGNATURE_END, "\n</ds:Signature>")
    )

    assert len(read_signature(root).references) == 1


@pytest.mark.parametrize("uri", ["http://www.w3.org/TR/2001/REC-xml-c14n-20010315", EXC_C14N + "WithComments", ""])
def test_signed_info_has_to_be_canonicalised_exclusively(uri):
    root = changed(lambda t: t.replace(f'Method Algorithm="{EXC_C14N}"', f'Method Algorithm="{uri}"'))

    with pytest.raises(NotAllowedAlgorithm):
        read_signature(root)


@pytest.mark.parametrize(
    ("limits", "budget"),
    [
        (SignatureLimits(references=2), "references"),
        (SignatureLimits(elements=2), "elements"),
        (SignatureLimits(transforms=0), "transforms"),
        (SignatureLimits(prefixes=1), "prefixes"),
    ],
)
def test_lists_are_bounded(limits, budget):
    info = dsig.signed_info([(f"#{number}", [EXC_C14N], b"1" * 32) for number in range(3)])
    listed = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="a b"/></ds:CanonicalizationMethod>'
    root = parse(signature_xml(info.replace("</ds:CanonicalizationMethod>", listed), b"v").encode())

    assert len(read_signature(root).references) == 3
    with pytest.raises(BudgetExceeded) as caught:
        read_signature(root, limits)
    assert budget in caught.value.budget


def test_a_digester_is_hashlib_by_uri():
    digester = dsig.Digester(DIGESTS.by_word("sha384").uri)
    digester.update(b"a")
    digester.update(memoryview(b"bc"))

    assert digester.digest() == hashlib.sha384(b"abc").digest()
    with pytest.raises(XmlSecurityError):
        dsig.Digester("urn:unknown")
