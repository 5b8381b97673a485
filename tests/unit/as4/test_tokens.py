"""Token references, written and read (as4-wire 3.5)."""

import base64

import pki
import pytest
from lxml import etree
from sample_exchange import alpha, certificate, issuing, root

from ehmi_ap.as4.names import BASE64_BINARY, DS, THUMBPRINT_SHA1, WSSE, WSU, X509_PKIPATH, X509_SKI, X509_V3
from ehmi_ap.as4.tokens import Direct, IssuerSerial, KeyIdentifier, Written, read_binary, read_reference, write_token
from ehmi_ap.errors import MalformedSecurity, NotAllowedAlgorithm, TokenNotFound

CHAIN = (certificate(alpha()), certificate(issuing()), certificate(root()))
_NS = f'xmlns:ds="{DS}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"'


def _key_info(inside: str) -> etree._Element:
    return etree.fromstring(f"<ds:KeyInfo {_NS}>{inside}</ds:KeyInfo>")


def _token(xml: str) -> dict[str, etree._Element]:
    return {"T": etree.fromstring(xml.replace("<wsse:BinarySecurityToken", f"<wsse:BinarySecurityToken {_NS}", 1))}


def _write(form: str) -> Written:
    return write_token(form, CHAIN, "T")


@pytest.mark.parametrize("form", ["bst", "pkipath"])
def test_a_token_that_travels_along(form: str) -> None:
    written = _write(form)
    reference = read_reference(_key_info(written.reference))
    assert reference == Direct("T")
    token = read_binary(reference, _token(written.binary))
    assert (token.form, token.certificate) == (form, CHAIN[0])
    assert set(token.others) == (set() if form == "bst" else set(CHAIN[1:]))
    element = _token(written.binary)["T"]
    assert element.get("EncodingType") == BASE64_BINARY  # BSP R3029
    assert element.get("ValueType") == (X509_V3 if form == "bst" else X509_PKIPATH)  # BSP R3031
    assert element.get(f"{{{WSU}}}Id") == "T"


def test_a_pkipath_is_root_first_and_says_its_type_twice() -> None:
    """as4-wire 3.5, 9.32; BSP R5214, R5215."""
    written = _write("pkipath")
    der = base64.b64decode(_token(written.binary)["T"].text or "")
    assert der.index(CHAIN[2].der) < der.index(CHAIN[1].der) < der.index(CHAIN[0].der)
    assert written.reference.count(X509_PKIPATH) == 2


def test_references_to_a_certificate_that_is_known() -> None:
    assert read_reference(_key_info(_write("ski").reference)) == KeyIdentifier("ski", CHAIN[0].ski)
    assert read_reference(_key_info(_write("thumbprint").reference)) == KeyIdentifier("thumbprint", CHAIN[0].sha1)
    assert read_reference(_key_info(_write("x509-ski").reference)) == KeyIdentifier("x509-ski", CHAIN[0].ski)
    found = read_reference(_key_info(_write("issuer-serial").reference))
    assert isinstance(found, IssuerSerial)
    assert CHAIN[0].has_issuer_serial(found.issuer, found.serial)
    assert all(_write(form).binary == "" for form in ("ski", "thumbprint", "x509-ski", "issuer-serial"))


def test_an_issuer_with_characters_that_xml_escapes() -> None:
    authority = pki.make_ca('A "quoted" <name> & co, Ltd.', key="d")
    leaf = certificate(pki.make_leaf(authority, "leaf", key="c"))
    found = read_reference(_key_info(write_token("issuer-serial", (leaf,), "T").reference))
    assert isinstance(found, IssuerSerial)
    assert leaf.has_issuer_serial(found.issuer, found.serial)


def test_an_unknown_form_cannot_be_written() -> None:
    with pytest.raises(NotAllowedAlgorithm):
        _write("pkcs7")


def _str(inside: str) -> str:
    return f"<wsse:SecurityTokenReference>{inside}</wsse:SecurityTokenReference>"


def test_space_and_comments_are_no_matter() -> None:
    """as4-wire 9.22, 9.44."""
    value = base64.b64encode(CHAIN[0].ski).decode()
    wrapped = f'<!-- a -->{_str(f"""<wsse:KeyIdentifier ValueType="{X509_SKI}">{value[:9]}&#13; {value[9:]}</wsse:KeyIdentifier>""")}\n'
    assert read_reference(_key_info(wrapped)) == KeyIdentifier("ski", CHAIN[0].ski)


@pytest.mark.parametrize(
    "inside",
    [
        "",
        _str(""),
        _str('<wsse:Reference URI="#a"/>') * 2,
        _str('<wsse:Reference URI="#a"/><wsse:Reference URI="#b"/>'),
        _str(f'<wsse:KeyIdentifier ValueType="{X509_SKI}">*</wsse:KeyIdentifier>'),
        _str(f'<wsse:KeyIdentifier ValueType="{X509_SKI}">AA<!-- x -->AA</wsse:KeyIdentifier>'),
        _str("<ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data>"),
        _str("<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=a</ds:X509IssuerName></ds:X509IssuerSerial></ds:X509Data>"),
        _str(
            "<ds:X509Data><ds:X509IssuerSerial><ds:X509IssuerName>CN=a</ds:X509IssuerName>"
            "<ds:X509SerialNumber>1f</ds:X509SerialNumber></ds:X509IssuerSerial></ds:X509Data>"
        ),
        "<ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data>",
    ],
)  # fmt: skip
def test_a_malformed_key_info(inside: str) -> None:
    with pytest.raises(MalformedSecurity):
        read_reference(_key_info(inside))


def test_no_key_info_at_all() -> None:
    with pytest.raises(MalformedSecurity):
        read_reference(None)


@pytest.mark.parametrize(
    "inside",
    [
        "<ds:KeyName>alpha</ds:KeyName>",
        "<ds:KeyValue/>",
        _str("<wsse:Embedded/>"),
        _str('<wsse:Reference URI="http://example/token"/>'),
        _str('<wsse:Reference URI="#"/>'),
        _str('<wsse:KeyIdentifier ValueType="urn:other">AAAA</wsse:KeyIdentifier>'),
        _str("<ds:KeyName>alpha</ds:KeyName>"),
    ],
)
def test_forms_that_are_not_taken(inside: str) -> None:
    """as4-wire 6.4: 0103 in the end."""
    with pytest.raises(NotAllowedAlgorithm):
        read_reference(_key_info(inside))


def test_a_thumbprint_is_told_from_a_key_identifier() -> None:
    inside = _str(f'<wsse:KeyIdentifier ValueType="{THUMBPRINT_SHA1}">AAAA</wsse:KeyIdentifier>')
    assert read_reference(_key_info(inside)) == KeyIdentifier("thumbprint", b"\0\0\0")


def test_binary_tokens_as_peers_write_them() -> None:
    """as4-wire 3.5: without EncodingType or ValueType, wrapped."""
    text = base64.encodebytes(CHAIN[0].der).decode()
    bare = _token(f'<wsse:BinarySecurityToken wsu:Id="T">\n{text}</wsse:BinarySecurityToken>')
    assert read_binary(Direct("T"), bare).certificate == CHAIN[0]


@pytest.mark.parametrize(
    ("attributes", "content", "error"),
    [
        (f'ValueType="{X509_V3}7"', "AAAA", NotAllowedAlgorithm),
        ('EncodingType="urn:hex"', "AAAA", NotAllowedAlgorithm),
        ("", "AAAA", MalformedSecurity),
        ("", "*", MalformedSecurity),
        (f'ValueType="{X509_PKIPATH}"', "MAA=", MalformedSecurity),
    ],
)
def test_binary_tokens_that_cannot_be_read(attributes: str, content: str, error: type[Exception]) -> None:
    token = _token(f'<wsse:BinarySecurityToken {attributes} wsu:Id="T">{content}</wsse:BinarySecurityToken>')
    with pytest.raises(error):
        read_binary(Direct("T"), token)


def test_a_reference_to_no_token() -> None:
    with pytest.raises(TokenNotFound):
        read_binary(Direct("T"), {})
