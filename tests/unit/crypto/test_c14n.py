"""Exclusive canonicalisation: the table of as4-wire 3.7, libxml2 and libxmlsec as oracles."""

import base64
import hashlib
import threading

import pki
import pytest
import xmlsec
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ehmi_ap.crypto import c14n, safexml
from ehmi_ap.crypto.c14n import canonical, canonical_document
from ehmi_ap.errors import MalformedXml

A = '<a:r xmlns:a="u:a" xmlns="u:d"><a:c x="1"><q/><z xmlns=""/></a:c></a:r>'
B = '<r xmlns="u:d" xmlns:a="u:a"><c><a:q><p/></a:q><a:w xmlns="u:e"><t/></a:w></c></r>'
C = '<a:r xmlns:a="u:a"><a:c><q xmlns="u:d"><a:z/></q><y/></a:c></a:r>'
C_FORM = '<a:c xmlns:a="u:a"><q xmlns="u:d"><a:z></a:z></q><y></y></a:c>'

TABLE = {
    "A1": (A, "#default", '<a:c xmlns="u:d" xmlns:a="u:a" x="1"><q></q><z xmlns=""></z></a:c>'),
    "A2": (A, "", '<a:c xmlns:a="u:a" x="1"><q xmlns="u:d"></q><z></z></a:c>'),
    "A3": (A, "#default a", '<a:c xmlns="u:d" xmlns:a="u:a" x="1"><q></q><z xmlns=""></z></a:c>'),
    "B1": (
        B,
        "#default",
        '<c xmlns="u:d"><a:q xmlns:a="u:a"><p></p></a:q><a:w xmlns="u:e" xmlns:a="u:a"><t></t></a:w></c>',
    ),
    "B2": (
        B,
        "",
        '<c xmlns="u:d"><a:q xmlns:a="u:a"><p></p></a:q><a:w xmlns:a="u:a"><t xmlns="u:e"></t></a:w></c>',
    ),
    "B3": (
        B,
        "#default a",
        '<c xmlns="u:d" xmlns:a="u:a"><a:q><p></p></a:q><a:w xmlns="u:e"><t></t></a:w></c>',
    ),
    "C1": (C, "#default", C_FORM),
    "C2": (C, "", C_FORM),
    "C3": (C, "#default a", C_FORM),
}


@pytest.mark.parametrize("block", TABLE)
def test_the_table_of_as4_wire_3_7(block):
    document, prefixes, form = TABLE[block]

    assert canonical(safexml.parse(document.encode())[0], prefixes.split()).decode() == form


ODD = """<r xmlns:p="u:p" xmlns:q="u:p" xmlns:x="u:x" xmlns="u:d">
  <p:a p:one="1" q:two="2" xml:lang="da" b="t&#9;n&#10;r&#13;&quot;&amp;&lt;>" x:y="&#230;">
    text &amp; &lt; &gt; &#13; æ<!-- a comment --> more<?target some data?><?bare?>
    <p:b xmlns:p="u:other" p:three="3"/><c xmlns=""><d/></c><x:e x:f=""/><![CDATA[<cdata>]]>
  </p:a>
</r>"""


def _oracle(document: bytes, prefixes: list[str]) -> bytes:
    """The SHA-256 of the first child's exclusive form, as libxmlsec computes it while signing."""
    root = etree.fromstring(document)
    root[0].set("ID", "apex")
    xmlsec.tree.add_ids(root, ["ID"])
    template = xmlsec.template.create(root, xmlsec.constants.TransformExclC14N, xmlsec.constants.TransformRsaSha256)
    reference = xmlsec.template.add_reference(template, xmlsec.constants.TransformSha256, uri="#apex")
    transform = xmlsec.template.add_transform(reference, xmlsec.constants.TransformExclC14N)
    if prefixes:
        xmlsec.template.transform_add_c14n_inclusive_namespaces(transform, prefixes)
    root.append(template)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory((pki.KEYS / "rsa2048-a.pem").read_bytes(), xmlsec.constants.KeyDataFormatPem)
    context.sign(template)
    return base64.b64decode(template.findtext(".//{*}DigestValue"))


def _ours(document: bytes, prefixes: list[str]) -> bytes:
    root = safexml.parse(document, instructions=True)
    root[0].set("ID", "apex")
    return hashlib.sha256(canonical(root[0], prefixes)).digest()


LISTS = ["", "p", "xml xmlns p", "p q x", "#default", "#default p x", "#default q nowhere", "nowhere"]


@pytest.mark.parametrize("prefixes", LISTS)
@pytest.mark.parametrize("document", [A, B, C, ODD])
def test_libxmlsec_computes_the_same_digest(document, prefixes):
    assert _ours(document.encode(), prefixes.split()) == _oracle(document.encode(), prefixes.split())


@pytest.mark.parametrize("prefixes", LISTS)
def test_the_tree_walk_writes_what_libxml2_writes_for_every_list_without_default(prefixes):
    root = safexml.parse(ODD.encode(), instructions=True)
    listed = [prefix for prefix in prefixes.split() if prefix != "#default"]

    for element in root.iter(etree.Element):
        assert c14n._walk(element, listed) == canonical(element, listed)


_PREFIX = st.sampled_from(["", "a", "b"])
_URI = st.sampled_from(["u:1", "u:2", "u:3"])


@st.composite
def trees(draw, depth=3):
    """Small trees that declare, redeclare and undeclare namespaces, with qualified attributes."""
    declared = draw(st.dictionaries(_PREFIX, _URI, max_size=3))
    if draw(st.booleans()):
        declared.setdefault("", "")
    attributes = draw(st.sets(st.sampled_from(["a:m", "b:n", "k", "xml:lang"]), max_size=3))
    name = draw(st.sampled_from(["e", "a:e", "b:e"]))
    children = draw(st.lists(trees(depth - 1), max_size=3)) if depth else []
    text = draw(st.sampled_from(["", "t", "<!--c-->", "&amp;\n"]))
    pairs = [(f"xmlns:{prefix}" if prefix else "xmlns", uri) for prefix, uri in declared.items()]
    pairs += [(attribute, "v") for attribute in sorted(attributes)]
    start = "".join(f' {attribute}="{value}"' for attribute, value in pairs)
    return f"<{name}{start}>{text}{text.join(children)}</{name}>"


@settings(max_examples=60, deadline=None)
@given(trees(), st.lists(st.sampled_from(["#default", "a", "b", "c"]), max_size=3, unique=True))
def test_on_any_tree_the_walk_equals_libxml2_and_libxmlsec(tree, prefixes):
    document = f'<r xmlns:a="u:1" xmlns:b="u:2" xmlns="u:3">{tree}</r>'.encode()
    listed = [prefix for prefix in prefixes if prefix != "#default"]
    try:
        root = safexml.parse(document)
    except MalformedXml:  # two attributes that are one: a and b are bound to the same namespace
        return

    for element in root.iter(etree.Element):
        assert c14n._walk(element, listed) == canonical(element, listed)
    assert _ours(document, prefixes) == _oracle(document, prefixes)


def test_messages_of_other_stacks_canonicalise_alike_in_both_ways(shared_data):
    for file in sorted((shared_data / "as4/wss4j").glob("*.mime")):
        data = file.read_bytes()
        root = safexml.parse(data[data.index(b"<S12:Envelope") : data.index(b"</S12:Envelope>") + 15])
        for element in root.iter(etree.Element):
            for prefixes in ([], ["S12", "wsse"]):
                assert c14n._walk(element, prefixes) == canonical(element, prefixes)


def test_a_prefix_list_works_in_another_thread_than_the_parser():
    """lxml looks prefixes up in a dictionary that belongs to a thread (python-stack 2)."""
    document = b'<fresh7:r xmlns:fresh7="u:f" xmlns:fresh8="u:g"><fresh7:c/></fresh7:r>'
    forms: list[bytes] = []
    roots: list[etree._Element] = []
    for work in (
        lambda: roots.append(safexml.parse(document)),
        lambda: forms.append(canonical(roots[0][0], ["fresh8"])),
    ):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

    assert forms == [b'<fresh7:c xmlns:fresh7="u:f" xmlns:fresh8="u:g"></fresh7:c>']
    assert canonical(roots[0][0], ["fresh8"]) == forms[0]


@pytest.mark.parametrize("prefix", ["x" * 60_000, "<x>", "&", "x/", "-", ":", "a:b", "æ", "x\x00", "", "#other"])
def test_what_is_no_prefix_is_ignored(prefix):
    root = safexml.parse(ODD.encode(), instructions=True)

    assert canonical(root, [prefix, "q"]) == canonical(root, ["q"])


def test_prefixes_beyond_ascii_are_found():
    root = safexml.parse('<r xmlns:æ="u:ae" xmlns:q·="u:q"><c/></r>'.encode())

    assert canonical(root[0], ["æ", "q·"]).decode() == '<c xmlns:q·="u:q" xmlns:æ="u:ae"></c>'


def test_a_relative_namespace_name_has_no_canonical_form():
    with pytest.raises(MalformedXml):
        canonical(safexml.parse(b'<r xmlns="relative"/>'))


def test_the_form_of_a_document_has_the_instructions_beside_its_root_but_no_comments():
    root = safexml.parse(b'<?xml version="1.0"?>\n<?a b?>\n<!-- c -->\n<r/>\n<?d?>\n', instructions=True)

    assert canonical_document(root) == b"<?a b?>\n<r></r>\n<?d?>"
    assert canonical(root) == b"<r></r>"
