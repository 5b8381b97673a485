"""The SOAP envelope taken apart: places, not searches (as4-wire 1.4, 6.4, 9.15, 9.16, 9.44)."""

import pytest
from lxml import etree

from ehmi_ap.as4.names import EB, MF, S11, S12, WSSE, WSU
from ehmi_ap.as4.soap import read_envelope, write_envelope
from ehmi_ap.crypto.safexml import XmlLimits
from ehmi_ap.errors import HttpRefusal, InvalidHeader, MustUnderstand

_NS = f'xmlns:S12="{S12}" xmlns:eb="{EB}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" xmlns:mf="{MF}" xmlns:x="urn:x"'
SECURITY = '<wsse:Security S12:mustUnderstand="true"/>'
MESSAGING = '<eb:Messaging S12:mustUnderstand="1" wsu:Id="m"/>'
BODY = '<S12:Body wsu:Id="b"/>'


def _envelope(headers: str = SECURITY + MESSAGING, body: str = BODY) -> bytes:
    return f"<S12:Envelope {_NS}><S12:Header>{headers}</S12:Header>{body}</S12:Envelope>".encode()


def _read(data: bytes) -> object:
    return read_envelope(data, XmlLimits())


@pytest.mark.parametrize("headers", [SECURITY + MESSAGING, MESSAGING + SECURITY, f"<!-- a -->{MESSAGING}\n{SECURITY}"])
def test_blocks_are_found_in_either_order(headers: str) -> None:
    envelope = read_envelope(_envelope(headers), XmlLimits())
    assert envelope.security is not None
    assert envelope.ids == {"m": envelope.messaging, "b": envelope.body}
    assert envelope.body.getparent() is envelope.root


@pytest.mark.parametrize(
    "before", [b"\xef\xbb\xbf", b'<?xml version="1.0" encoding="UTF-8"?>', b"<?xml version='1.0'?>\n"]
)
def test_bom_and_declarations(before: bytes) -> None:
    """as4-wire 1.1: a byte order mark is taken; single quotes as Governikus writes them."""
    assert read_envelope(before + _envelope(), XmlLimits()).messaging is not None


def test_a_security_header_for_another_role_is_not_ours() -> None:
    """as4-wire 3.2: the role `ebms` is for pull authorisation; ultimateReceiver is us."""
    other = '<wsse:Security S12:role="ebms" S12:mustUnderstand="true"/>'
    ours = f'<wsse:Security S12:role="{S12}/role/ultimateReceiver"/>'
    assert read_envelope(_envelope(other + MESSAGING), XmlLimits()).security is None
    envelope = read_envelope(_envelope(other + ours + MESSAGING), XmlLimits())
    assert envelope.security is not None
    assert envelope.security.get(f"{{{S12}}}mustUnderstand") is None


def test_id_and_wsu_id_on_one_element_are_no_duplicate() -> None:
    """as4-wire 9.16: the same value (AS4.NET) or two (Domibus)."""
    for other in ("m", "n"):
        envelope = read_envelope(_envelope(f'<eb:Messaging id="{other}" wsu:Id="m"/>'), XmlLimits())
        assert envelope.ids["m"] is envelope.ids[other] is envelope.messaging


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not XML", id="not XML"),
        pytest.param(_envelope()[:-5], id="cut"),
        pytest.param(b"<!DOCTYPE x>" + _envelope(), id="DOCTYPE"),
        pytest.param(_envelope(f"<?pi x?>{MESSAGING}"), id="PI"),
        pytest.param(_envelope(f"<x:a>\xc3\x28</x:a>{MESSAGING}").decode().encode("latin-1"), id="not UTF-8"),
        pytest.param(_envelope().decode().encode("utf-16"), id="UTF-16"),
        pytest.param(_envelope(f"<x:a>&e;</x:a>{MESSAGING}"), id="entity"),
        pytest.param(b"<soap/>", id="no Envelope"),
        pytest.param(_envelope().replace(S12.encode(), S11.encode()), id="SOAP 1.1"),
        pytest.param(f"<S12:Envelope {_NS}>{BODY}</S12:Envelope>".encode(), id="no Header"),
        pytest.param(_envelope(body=""), id="no Body"),
        pytest.param(_envelope(body=BODY + BODY.replace('"b"', '"c"')), id="two Bodies"),
        pytest.param(_envelope(body=BODY + "<x:after/>"), id="something after the Body"),
        pytest.param(f"<S12:Envelope {_NS}>{BODY}<S12:Header/></S12:Envelope>".encode(), id="Body first"),
    ],
)
def test_400(data: bytes) -> None:
    with pytest.raises(HttpRefusal) as refused:
        _read(data)
    assert (type(refused.value), refused.value.status) == (HttpRefusal, 400)


@pytest.mark.parametrize(
    "limits",
    [XmlLimits(bytes=100), XmlLimits(elements=4), XmlLimits(attributes=5), XmlLimits(namespaces=3), XmlLimits(depth=2)],
)
def test_413(limits: XmlLimits) -> None:
    with pytest.raises(HttpRefusal) as refused:
        read_envelope(_envelope(), limits)
    assert refused.value.status == 413


@pytest.mark.parametrize(
    "block",
    [
        '<mf:MessageFragment S12:mustUnderstand="true"/>',
        '<x:a S12:mustUnderstand=" 1 "/>',
        f'<x:a S12:mustUnderstand="true" S12:role="{S12}/role/next"/>',
        '<wsse:Other S12:mustUnderstand="true"/>',
    ],
)
def test_a_mandatory_block_we_do_not_know(block: str) -> None:
    with pytest.raises(MustUnderstand) as refused:
        _read(_envelope(block + MESSAGING))
    assert refused.value.status == 500


@pytest.mark.parametrize(
    "block",
    [
        "<x:a/>",
        '<x:a S12:mustUnderstand="false"/>',
        '<x:a S12:mustUnderstand="0"/>',
        '<x:a mustUnderstand="true"/>',
        '<x:a S12:mustUnderstand="true" S12:role="urn:another"/>',
    ],
)
def test_other_blocks_are_passed_over(block: str) -> None:
    assert read_envelope(_envelope(block + MESSAGING), XmlLimits()).messaging.tag == f"{{{EB}}}Messaging"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(SECURITY, id="no Messaging"),
        pytest.param(f"<x:wrap>{MESSAGING}</x:wrap>", id="Messaging in a wrapper"),
        pytest.param(MESSAGING + MESSAGING.replace('"m"', '"n"'), id="two Messagings"),
        pytest.param(SECURITY + MESSAGING + SECURITY, id="two Securities for us"),
        pytest.param('<eb:Messaging wsu:Id="b"/>', id="duplicate id"),
        pytest.param('<eb:Messaging Id="b"/>', id="duplicate id in another attribute"),
    ],
)
def test_0009(headers: str) -> None:
    with pytest.raises(InvalidHeader):
        _read(_envelope(headers))


def test_write_envelope() -> None:
    data = write_envelope("<s/>", "<m/>", "<b/>")
    root = etree.fromstring(data)
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?><env:Envelope ')
    assert [child.tag for child in root] == [f"{{{S12}}}Header", "b"]
    assert [child.tag for child in root[0]] == ["s", "m"]
