"""Inclusive canonicalisation of documents and of elements below others; libxmlsec and libxml2 as oracles."""

import base64
import hashlib

import pki
import pytest
import xmlsec
from hypothesis import given, settings
from lxml import etree

from ehmi_ap.crypto import c14n, safexml
from ehmi_ap.crypto.c14n import inclusive, inclusive_document
from ehmi_ap.errors import MalformedXml
from tests.unit.crypto.test_c14n import ODD, trees

FORMS = [xmlsec.constants.TransformInclC14N, xmlsec.constants.TransformInclC14N11]


def _oracle(document: bytes, form: object) -> bytes:
    """The SHA-256 of the first child's inclusive form, as libxmlsec computes it while signing."""
    root = etree.fromstring(document)
    root[0].set("ID", "apex")
    xmlsec.tree.add_ids(root, ["ID"])
    template = xmlsec.template.create(root, xmlsec.constants.TransformExclC14N, xmlsec.constants.TransformRsaSha256)
    reference = xmlsec.template.add_reference(template, xmlsec.constants.TransformSha256, uri="#apex")
    xmlsec.template.add_transform(reference, form)
    root.append(template)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory((pki.KEYS / "rsa2048-a.pem").read_bytes(), xmlsec.constants.KeyDataFormatPem)
    context.sign(template)
    return base64.b64decode(template.findtext(".//{*}DigestValue"))


def _ours(document: bytes) -> bytes:
    root = safexml.parse(document, instructions=True)
    root[0].set("ID", "apex")
    return hashlib.sha256(inclusive(root[0])).digest()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "document",
    [
        ODD,
        '<r xmlns="u:d" xmlns:a="u:a" xml:lang="da" xml:space="preserve"><c><q xmlns=""/></c></r>',
        '<a:r xmlns:a="u:a" xml:lang="da"><c xml:lang="en" b="1"><a:q xmlns:a="u:b"/></c></a:r>',
        '<r xmlns="u:d" xmlns:d="u:d"><Signature xmlns="u:s" xmlns:s="u:s"><s:q/></Signature></r>',
    ],
)
def test_libxmlsec_computes_the_same_digest_of_an_element(document, form):
    assert _ours(document.encode()) == _oracle(document.encode(), form)


@settings(max_examples=60, deadline=None)
@given(trees())
def test_on_any_tree_elements_and_documents_equal_those_of_libxml2_and_libxmlsec(tree):
    document = f'<r xmlns:a="u:1" xmlns:b="u:2" xmlns="u:3" xml:lang="da" xml:space="default">{tree}</r>'.encode()
    try:
        root = safexml.parse(document)
    except MalformedXml:  # two attributes that are one: a and b are bound to the same namespace
        return

    assert c14n._walk(root, None) == inclusive_document(root)
    assert _ours(document) == _oracle(document, FORMS[0]) == _oracle(document, FORMS[1])


@pytest.mark.parametrize("attribute", ['xml:id="x"', 'xml:base="http://x.test/"', 'xml:other="x"'])
def test_below_what_1_0_and_1_1_pass_down_differently_nothing_is_canonicalised(attribute):
    root = safexml.parse(f"<r {attribute}><c/></r>".encode())

    with pytest.raises(MalformedXml, match="xml:id or xml:base"):
        inclusive(root[0])
    assert inclusive_document(root).startswith(b"<r xml:")


def test_on_the_element_itself_such_an_attribute_is_its_own():
    root = safexml.parse(b'<r><c xml:id="x"/></r>')

    assert inclusive(root[0]) == b'<c xml:id="x"></c>'


def test_the_form_of_a_document_has_the_instructions_beside_its_root_but_no_comments():
    root = safexml.parse(b'<?a b?><!-- c --><r xmlns:u="u:u">&#13;\n</r><?d?>', instructions=True)

    assert inclusive_document(root) == b'<?a b?>\n<r xmlns:u="u:u">&#xD;\n</r>\n<?d?>'


def test_a_relative_namespace_name_has_no_canonical_form():
    with pytest.raises(MalformedXml):
        inclusive_document(safexml.parse(b'<r xmlns="relative"/>'))
