"""The readers of crypto raise nothing but XmlSecurityError, whatever bytes a peer sends."""

import base64
import contextlib
import json
from collections.abc import Callable

import pki
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from ehmi_ap.body import MemoryBody
from ehmi_ap.crypto import dsig, jws, xenc
from ehmi_ap.crypto.algorithms import CIPHERS, DS, EXC_C14N, XENC, XENC11
from ehmi_ap.crypto.c14n import canonical
from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.crypto.certs import check_chain, check_fit, pkipath, to_pkipath
from ehmi_ap.crypto.distinguished import same_name
from ehmi_ap.crypto.keys import KeyPair, load_certificates
from ehmi_ap.crypto.safexml import XmlLimits, index_ids, parse
from ehmi_ap.crypto.signers import Signers
from ehmi_ap.errors import DecryptionFailed, XmlSecurityError

KEY = pki.private_key("a")
LEAF = pki.make_leaf(pki.make_ca(), policies=["1.2.3"], san=["ap.example"])
AES128 = CIPHERS.by_word("aes128-gcm").uri
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"


def _document() -> bytes:
    """Everything the readers know, in one valid document."""
    info = dsig.signed_info([("#1", [EXC_C14N], b"1" * 32), ("cid:1", ["urn:t"], b"2" * 32)])
    listed = f'<ec:InclusiveNamespaces xmlns:ec="{EXC_C14N}" PrefixList="#default a wsu"/></ds:Transform>'
    info = info.replace("</ds:Transform>", listed, 1)
    value = base64.b64encode(dsig.sign(info.encode(), KEY, "rsa-sha256")).decode()
    wrapped = base64.b64encode(xenc.wrap(bytes(16), KEY.public_key(), "rsa-oaep-sha256-mgf1sha256")).decode()
    return f"""<?xml version="1.0"?><r xmlns="u:d" xmlns:wsu="{WSU}" xmlns:a="u:a" wsu:Id="1"><!-- c --><a:b a:k="&#9;" Id="2"/>
<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{value}</ds:SignatureValue><ds:KeyInfo/></ds:Signature>
<x:EncryptedKey xmlns:x="{XENC}" xmlns:ds="{DS}" xmlns:y="{XENC11}" Id="EK"><x:EncryptionMethod Algorithm="{XENC11}rsa-oaep">
<ds:DigestMethod Algorithm="{XENC}sha256"/><y:MGF Algorithm="{XENC11}mgf1sha256"/></x:EncryptionMethod><ds:KeyInfo/>
<x:CipherData><x:CipherValue>{wrapped}</x:CipherValue></x:CipherData>
<x:ReferenceList><x:DataReference URI="#ED"/></x:ReferenceList></x:EncryptedKey>
<x:EncryptedData xmlns:x="{XENC}" xmlns:ds="{DS}" Id="ED"><x:EncryptionMethod Algorithm="{AES128}"/><ds:KeyInfo/>
<x:CipherData><x:CipherReference URI="cid:1"><x:Transforms><ds:Transform Algorithm="urn:t"/></x:Transforms></x:CipherReference>
</x:CipherData></x:EncryptedData></r>""".encode()


DOCUMENT = _document()


def read_everything(data: bytes) -> int:
    """Reads what it finds and goes on after a refusal; the number of things that could be read."""
    root = parse(data)
    index_ids(root)
    read = 0
    for element in root.iter(etree.Element):
        with contextlib.suppress(XmlSecurityError):
            signature = dsig.read_signature(element)
            read += 1
            with contextlib.suppress(XmlSecurityError):
                dsig.check_value(signature, KEY.public_key())
            for reference in signature.references:
                with contextlib.suppress(XmlSecurityError):
                    dsig.element_digest(root, reference)
        with contextlib.suppress(XmlSecurityError):
            xenc.unwrap(xenc.read_encrypted_key(element), KEY, AES128)
            read += 1
        with contextlib.suppress(XmlSecurityError):
            xenc.read_encrypted_data(element).algorithm()
            read += 1
    return read


@st.composite
def damaged(draw: st.DrawFn, valid: bytes) -> bytes:
    """A valid input with a few stretches cut, doubled, moved or overwritten."""
    data = valid
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        stretch = data[start : start + draw(st.sampled_from([0, 1, 1, 4, 30, 300]))]
        at = draw(st.integers(0, len(data)))
        match draw(st.integers(0, 3)):
            case 0:
                data = data[:start] + data[start + len(stretch) :]
            case 1:
                data = data[:at] + stretch + data[at:]
            case 2:
                data = data[:start] + draw(st.binary(max_size=6)) + data[start + len(stretch) :]
            case _:
                data = data[:start] + bytes(b ^ 1 << draw(st.integers(0, 7)) for b in stretch[:2]) + data[start + 2 :]
    return data


def quiet(action: Callable[[], object]) -> None:
    with contextlib.suppress(XmlSecurityError):
        action()


def test_the_valid_document_is_read_whole():
    assert read_everything(DOCUMENT) == 3


@settings(max_examples=150, deadline=None)
@given(damaged(DOCUMENT))
def test_damaged_documents(data):
    quiet(lambda: read_everything(data))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text("<>/!?&;='\"x: \n-[]DOCTYPE", max_size=80).map(str.encode))
def test_any_bytes_are_xml_or_refused(data):
    quiet(lambda: canonical(parse(data, XmlLimits(bytes=150)), ["#default"]))


NAMES = ["Signature", "SignedInfo", "SignatureValue", "KeyInfo", "Reference", "Transforms", "Transform", "DigestMethod"]
NAMES += ["DigestValue", "CanonicalizationMethod", "SignatureMethod", "EncryptedKey", "EncryptedData", "CipherData"]
NAMES += ["EncryptionMethod", "CipherValue", "CipherReference", "ReferenceList", "DataReference", "MGF", "OAEPparams"]
ATTRIBUTES = {"Algorithm": [EXC_C14N, f"{XENC}sha256", AES128, "x"], "URI": ["#1", "cid:1", "", "#"], "Id": ["1", ""]}


@st.composite
def security_trees(draw: st.DrawFn, depth: int = 4) -> str:
    """The right names in the wrong places."""
    name, namespace = draw(st.sampled_from(NAMES)), draw(st.sampled_from([DS, XENC, XENC11]))
    chosen = draw(st.sets(st.sampled_from(sorted(ATTRIBUTES))))
    attributes = "".join(f' {key}="{draw(st.sampled_from(ATTRIBUTES[key]))}"' for key in sorted(chosen))
    text = draw(st.sampled_from(["", "YWJj", " ", "x", "<!---->"]))
    children = draw(st.lists(security_trees(depth - 1), max_size=4)) if depth else []
    return f'<{name} xmlns="{namespace}"{attributes}>{text}{"".join(children)}</{name}>'


@settings(max_examples=80, deadline=None)
@given(security_trees())
def test_the_right_elements_in_the_wrong_places(text):
    quiet(lambda: read_everything(text.encode()))


@settings(max_examples=200, deadline=None)
@given(damaged(LEAF.der))
@pytest.mark.filterwarnings("ignore")
def test_damaged_certificates(data):
    def judge() -> None:
        certificate = Certificate.from_der(data)
        quiet(lambda: check_fit(certificate, "sign", pki.NOW))
        quiet(lambda: check_fit(certificate, "encrypt", pki.NOW))
        check_chain(certificate, intermediates=[], anchors=[Certificate.from_der(LEAF.issuer.der)], at=pki.NOW)

    quiet(judge)
    quiet(lambda: load_certificates(data))


@settings(max_examples=100, deadline=None)
@given(damaged(to_pkipath([Certificate.from_der(LEAF.der)] * 2)) | st.binary(max_size=40))
@pytest.mark.filterwarnings("ignore")
def test_damaged_pki_paths(data):
    quiet(lambda: pkipath(data))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.text('CN=a\\,+;"#0f ', max_size=40))
def test_any_text_is_a_name_or_none(text):
    assert same_name(text, LEAF.cert.issuer) in (True, False)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=40), st.sampled_from(CIPHERS.rows))
def test_any_bytes_fail_to_decrypt_in_one_way(data, key, cipher):
    with pytest.raises(DecryptionFailed, match=r"^the message could not be decrypted$"):
        list(xenc.decrypt(MemoryBody(data), key, cipher.uri))


JWS_PAIR = KeyPair(LEAF.key, Certificate.from_x509(LEAF.cert), tuple(Certificate.from_x509(c) for c in LEAF.chain))
JWS_DIGEST = bytes(32)
JWS = jws.make(JWS_DIGEST, JWS_PAIR)
JWS_HEADER = json.loads(base64.urlsafe_b64decode(JWS.split(".")[0] + "=="))
MSH = Signers(anchors=(Certificate.from_x509(LEAF.chain[-1]),))

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3)
)


def judged(text: str) -> bool:
    """Whether it verifies; everything else has to be one of our own refusals."""
    try:
        return jws.verify(text, JWS_DIGEST, MSH, now=pki.NOW) == JWS_PAIR.certificate
    except XmlSecurityError:
        return False


def test_the_jws_that_is_broken_below_verifies():
    assert judged(JWS)


@given(st.text(max_size=300) | st.from_regex(r"[A-Za-z0-9_-]*[.][A-Za-z0-9_-]*[.][A-Za-z0-9_-]*", fullmatch=True))
def test_any_text_as_a_jws(text):
    assert not judged(text)


@given(st.integers(0, len(JWS) - 1), st.sampled_from("A_-.=+/z9 \n\x00\u00e6"))
def test_a_jws_with_one_character_changed(at, character):
    changed = JWS[:at] + character + JWS[at + 1 :]

    assert judged(changed) == (changed == JWS)


@given(
    st.dictionaries(st.sampled_from(["alg", "x5c", "crit", "b64", "jwk", "kid", "typ"]), _json, max_size=5),
    st.sets(st.sampled_from(["alg", "x5c"])),
)
def test_a_jws_with_another_header(more, kept):
    header = {**more, **{name: JWS_HEADER[name] for name in kept}}
    protected = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")

    assert not judged(f"{protected}..{JWS.split('.')[2]}")
