"""Reading eb:Messaging: schema, values, and the codes of as4-wire 6.4."""

from datetime import UTC, datetime

import pytest
from lxml import etree

from ehmi_ap.as4.ebms import Header, PartInfo, check_party_ids, read_messaging, read_timestamp
from ehmi_ap.as4.names import DS, EB, EBBP, EC, WSU
from ehmi_ap.errors import InvalidHeader, ValueInconsistent
from ehmi_ap.model import AgreementRef, Party, PartyId, Property, Service
from ehmi_ap.pmode import DEFAULT_MPC

USER = """<eb:UserMessage mpc="urn:mpc"><eb:MessageInfo><eb:Timestamp>2026-11-23T08:00:00.123Z</eb:Timestamp>
<eb:MessageId>1@x.example</eb:MessageId><eb:RefToMessageId>0@x.example</eb:RefToMessageId></eb:MessageInfo>
<eb:PartyInfo><eb:From><eb:PartyId type="urn:t">a</eb:PartyId><eb:Role>urn:r1</eb:Role></eb:From>
<eb:To><eb:PartyId>urn:b</eb:PartyId><eb:Role>urn:r2</eb:Role></eb:To></eb:PartyInfo>
<eb:CollaborationInfo><eb:AgreementRef type="urn:at" pmode="p">agreed</eb:AgreementRef>
<eb:Service type="urn:st">s</eb:Service><eb:Action>act</eb:Action><eb:ConversationId>c1</eb:ConversationId>
</eb:CollaborationInfo>
<eb:MessageProperties><eb:Property name="originalSender" type="urn:o">C1</eb:Property>
<eb:Property name="finalRecipient">C4</eb:Property></eb:MessageProperties>
<eb:PayloadInfo><eb:PartInfo href="cid:p1@x"><eb:Schema location="urn:l" version="1"/><eb:Description
 xml:lang="en">a result</eb:Description><eb:PartProperties>
<eb:Property name="MimeType">application/xml</eb:Property><eb:Property name="CharacterSet">utf-8</eb:Property>
<eb:Property name="CompressionType">application/gzip</eb:Property><eb:Property name="mimetype" type="t">other</eb:Property>
</eb:PartProperties></eb:PartInfo><eb:PartInfo href="cid:p2@x"/></eb:PayloadInfo></eb:UserMessage>"""

INFO = """<eb:MessageInfo><eb:Timestamp>2026-11-23T08:00:00Z</eb:Timestamp><eb:MessageId>r1</eb:MessageId>
<eb:RefToMessageId>1@x.example</eb:RefToMessageId></eb:MessageInfo>"""
REFERENCE = f"""<ds:Reference xmlns:ds="{DS}" URI="#m"><ds:Transforms><ds:Transform Algorithm="{EC}"/></ds:Transforms>
<ds:DigestMethod Algorithm="urn:d"/><ds:DigestValue>AQI
D</ds:DigestValue></ds:Reference>"""
NRI = f"""<ebbp:NonRepudiationInformation xmlns:ebbp="{EBBP}"><ebbp:MessagePartNRInformation>{REFERENCE}
</ebbp:MessagePartNRInformation></ebbp:NonRepudiationInformation>"""


def _read(inside: str) -> Header:
    return read_messaging(
        etree.fromstring(f'<eb:Messaging xmlns:eb="{EB}" xmlns:wsu="{WSU}" id="x">{inside}</eb:Messaging>')
    )


def _signal(inside: str) -> str:
    return f"<eb:SignalMessage>{INFO}{inside}</eb:SignalMessage>"


def _changed(old: str, new: str) -> str:
    assert old in USER
    return USER.replace(old, new)


def test_a_user_message_as_written() -> None:
    (user,) = _read(USER).user
    message = user.message
    assert message.message_id == "1@x.example"
    assert message.ref_to == "0@x.example"
    assert message.timestamp == datetime(2026, 11, 23, 8, 0, 0, 123000, UTC)
    assert message.mpc == "urn:mpc"
    assert message.from_ == Party(PartyId("a", "urn:t"), "urn:r1")
    assert message.to == Party(PartyId("urn:b"), "urn:r2")
    assert message.agreement == AgreementRef("agreed", "urn:at")
    assert message.service == Service("s", "urn:st")
    assert (message.action, message.conversation_id) == ("act", "c1")
    assert message.properties == (Property("originalSender", "C1", "urn:o"), Property("finalRecipient", "C4"))
    assert message.payloads == ()


def test_part_properties_are_told_apart_by_their_exact_names() -> None:
    """as4-wire 2.2: names are case-sensitive."""
    (user,) = _read(USER).user
    assert user.parts == (
        PartInfo(
            href="cid:p1@x",
            mime_type="application/xml",
            character_set="utf-8",
            compression="application/gzip",
            properties=(Property("mimetype", "other", "t"),),
        ),
        PartInfo(href="cid:p2@x"),
    )


def test_what_may_be_absent() -> None:
    """as4-wire 9.35: ConversationId empty, AgreementRef absent; the rest is optional by schema."""
    start, end = USER.index("<eb:AgreementRef"), USER.index("<eb:Service")
    short = USER[:start] + USER[end : USER.index("<eb:MessageProperties>")] + "</eb:UserMessage>"
    short = short.replace(">c1<", "><").replace(' mpc="urn:mpc"', "").replace(' type="urn:st">s<', ">urn:s<")
    (user,) = _read(short).user
    assert (user.message.agreement, user.message.mpc, user.message.properties, user.parts) == (None, None, (), ())
    assert user.message.conversation_id == ""
    assert user.message.service == Service("urn:s")


def test_comments_between_elements_and_white_space_around_values() -> None:
    """as4-wire 9.44."""
    text = USER.replace("<eb:", "<!-- c --><eb:").replace(">act<", ">\n act\t<")
    assert _read(text).user[0].message == _read(USER).user[0].message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(_changed(">1@x.example<", ">1@x<!-- -->.example<"), id="comment in MessageId"),
        pytest.param(_changed(">C4<", "><!-- -->C4<"), id="comment in a property"),
        pytest.param(_changed(">a<", ">a<eb:x/><"), id="element in a value"),
        pytest.param(_changed(">1@x.example<", "><"), id="empty MessageId"),
        pytest.param(_changed(">1@x.example<", "><![CDATA[<1@x.example>]]><"), id="angle brackets"),
        pytest.param(_changed(">1@x.example<", ">no-at-sign<"), id="MessageId without @"),
        pytest.param(_changed(">1@x.example<", ">a b@x.example<"), id="MessageId with a space"),
        pytest.param(_changed(">1@x.example<", ">a@b@c<"), id="MessageId with two @"),
        pytest.param(_changed(">1@x.example<", ">ø@x.example<"), id="MessageId not ASCII"),
        pytest.param(_changed("2026-11-23T08:00:00.123Z", "23.11.2026"), id="Timestamp form"),
        pytest.param(_changed("<eb:Action>act</eb:Action>", ""), id="no Action"),
        pytest.param(_changed(">act<", ">  <"), id="empty Action"),
        pytest.param(_changed(">urn:r1<", "><"), id="empty Role"),
        pytest.param(_changed('type="urn:t"', 'type=""'), id="empty @type"),
        pytest.param(_changed("<eb:ConversationId>c1</eb:ConversationId>", ""), id="no ConversationId"),
        pytest.param(_changed("<eb:PartyInfo>", "<eb:PartyInfo>text"), id="text between elements"),
        pytest.param(_changed("<eb:PartyInfo>", "<eb:PartyInfo><eb:More/>"), id="unknown element"),
        pytest.param(_changed("<eb:PartyInfo>", '<eb:PartyInfo><x xmlns="urn:x"/>'), id="foreign element"),
        pytest.param(_changed("<eb:PartInfo href=", "<eb:PartInfo hrefs="), id="unknown attribute"),
        pytest.param(_changed('name="finalRecipient"', ""), id="property without name"),
        pytest.param(_changed("</eb:UserMessage>", "<eb:PayloadInfo/></eb:UserMessage>"), id="PayloadInfo twice"),
        pytest.param(_changed("<eb:Service", "<eb:Action>early</eb:Action><eb:Service"), id="out of order"),
        pytest.param("", id="no message"),
        pytest.param(USER + USER, id="two user messages"),
        pytest.param(_signal("<eb:PullRequest/>") * 2, id="two signals"),
        pytest.param(_signal(""), id="empty signal"),
        pytest.param("<eb:Other/>", id="unknown message"),
        pytest.param("<Other/>", id="message without namespace"),
        pytest.param(_signal("<eb:Receipt/>"), id="empty receipt"),
        pytest.param(_signal(f"<eb:Receipt>{NRI}{NRI}</eb:Receipt>"), id="two NRIs"),
        pytest.param(_signal(f"<eb:Receipt>{NRI.replace('AQI', '!')}</eb:Receipt>"), id="digest not base64"),
        pytest.param(_signal(f"<eb:Receipt>{NRI.replace('DigestMethod', 'Method')}</eb:Receipt>"), id="bad reference"),
        pytest.param(_signal('<eb:Error severity="failure"/>'), id="error without code"),
    ],
)
def test_0009(text: str) -> None:
    with pytest.raises(InvalidHeader) as refused:
        _read(text)
    assert "example" not in str(refused.value)  # names, never values


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            _changed('<eb:PartyId type="urn:t">a</eb:PartyId>', '<eb:PartyId type="t">a</eb:PartyId>' * 2),
            id="two PartyIds (TA03)",
        ),
        pytest.param(_changed('name="MimeType"', 'name="Mimetype"'), id="CompressionType without MimeType (TA26)"),
        pytest.param(_changed(">application/xml<", "><"), id="MimeType empty"),
        pytest.param(_changed(">application/gzip<", ">application/zip<"), id="unknown CompressionType"),
        pytest.param(_changed(">application/gzip<", ">Application/GZIP<"), id="CompressionType in capitals"),
        pytest.param(_changed(">utf-8<", ">!utf8<"), id="bad CharacterSet (TA29)"),
        pytest.param(_changed('name="mimetype"', 'name="MimeType"'), id="MimeType twice"),
    ],
)
def test_0003(text: str) -> None:
    with pytest.raises(ValueInconsistent):
        _read(text)


@pytest.mark.parametrize("character_set", ["UTF-8", "utf-16", "ISO_8859-1", "x.y"])
def test_character_sets(character_set: str) -> None:
    """TA27, TA28."""
    assert _read(_changed(">utf-8<", f">{character_set}<")).user[0].parts[0].character_set == character_set


@pytest.mark.parametrize(("old", "new"), [("<eb:PartyId>urn:b<", "<eb:PartyId>b<"), (' type="urn:st">s<', ">s<")])
def test_untyped_values_must_be_uris(old: str, new: str) -> None:
    """ebMS3 core 5.2.2.4: on its own, since a P-Mode may switch it off."""
    (user,) = _read(_changed(old, new)).user
    with pytest.raises(ValueInconsistent, match="no URI"):
        check_party_ids(user)
    check_party_ids(_read(USER).user[0])


@pytest.mark.parametrize("message_id", ["a.b-c_d@h", "1@[::1]", '"quoted id"@h'.replace(" ", "."), "a+b/c=d@x-y.z"])
def test_message_id_forms(message_id: str) -> None:
    """RFC 2822 3.6.4 without the angle brackets."""
    assert _read(_changed(">1@x.example<", f">{message_id}<")).user[0].message.message_id == message_id


@pytest.mark.parametrize(
    ("text", "microsecond"),
    [
        ("2026-11-23T08:00:00Z", 0),
        ("2026-11-23T10:00:00+02:00", 0),
        ("2026-11-23T03:30:00.5-04:30", 500_000),
        ("2026-11-23T08:00:00", 0),
        ("2026-11-23T08:00:00.1234567Z", 123_456),
        ("2026-11-23T08:00:00.123456789", 123_456),
    ],
)
def test_timestamp_forms(text: str, microsecond: int) -> None:
    """as4-wire 2.2, 2.3, 9.27: Z, offset, none; up to nine digits."""
    assert read_timestamp(text) == datetime(2026, 11, 23, 8, 0, 0, microsecond, UTC)


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-23", "2026-02-30T08:00:00Z", "2026-11-23T25:00:00Z", "0001-01-01T00:00:00+14:00",
     "2026-11-23T08:00:00+99:00", "2026-11-23T08:00:00.Z", "２026-11-23T08:00:00Z", "2026-11-23 08:00:00Z"],
)  # fmt: skip
def test_times_that_do_not_exist(text: str) -> None:
    with pytest.raises(InvalidHeader):
        read_timestamp(text)


# -- signals


def test_a_receipt_with_a_foreign_child_beside_it() -> None:
    """As phase4 sends (as4-wire 5.1, 9.17)."""
    foreign = '<p:phase4 xmlns:p="urn:fdc:com.helger.phase4:ns:info" version="1"/>'
    (signal,) = _read(_signal(f"<eb:Receipt>{NRI}{foreign}</eb:Receipt>")).signals
    assert (signal.is_receipt, signal.ref_to, signal.errors, signal.pull_mpc) == (True, "1@x.example", (), None)
    assert signal.references is not None
    (reference,) = signal.references
    assert reference.key() == ("#m", "urn:d", b"\x01\x02\x03", (EC,))
    assert reference.xml == b""  # its canonical form would be worked out before anybody knows who sent it


@pytest.mark.parametrize(
    "inside",
    [
        '<x xmlns="urn:x"/>',
        NRI.replace(REFERENCE, f'<e:MessagePartIdentifier xmlns:e="{EBBP}">p</e:MessagePartIdentifier>'),
        f'<e:NonRepudiationInformation xmlns:e="{EBBP}"/>',
    ],
)
def test_a_receipt_that_proves_nothing(inside: str) -> None:
    (signal,) = _read(_signal(f"<eb:Receipt>{inside}</eb:Receipt>")).signals
    assert signal.is_receipt
    assert signal.references is None


@pytest.mark.parametrize(
    ("code", "severity", "read"),
    [
        ("EBMS:0004", "failure", "failure"),
        ("EBMS:0004", "error", "failure"),
        ("EBMS:0004", "fatal", "failure"),
        ("EBMS:0002", "Warning", "warning"),
        ("EBMS:0006", "failure", "warning"),
        ("PEPPOL:1", "", "failure"),
    ],
)
def test_severities_are_normalised(code: str, severity: str, read: str) -> None:
    """as4-wire 6.1, 9.21."""
    (signal,) = _read(_signal(f'<eb:Error errorCode="{code}" severity="{severity}"/>')).signals
    assert [(error.code, error.severity, error.ref_to) for error in signal.errors] == [(code, read, "1@x.example")]


def test_two_errors_in_one_signal() -> None:
    one = (
        '<eb:Error category="Content" errorCode="EBMS:0010" origin="ebMS" severity="failure" shortDescription="S"'
        ' refToMessageInError="7@x"><eb:Description xml:lang="en">D</eb:Description><eb:ErrorDetail>E</eb:ErrorDetail>'
        "</eb:Error>"
    )
    (signal,) = _read(_signal(one + '<eb:Error errorCode="EBMS:0102" severity="failure"/>')).signals
    first, second = signal.errors
    assert (first.category, first.origin, first.short, first.ref_to) == ("Content", "ebMS", "S", "7@x")
    assert (first.description, first.detail) == ("D", "E")
    assert (second.code, second.detail) == ("EBMS:0102", "")


def test_an_answer_with_odd_attributes_is_still_an_answer() -> None:
    text = _signal('<eb:Error errorCode="EBMS:0004" severity="failure" code="x"/>')
    text = text.replace("<eb:SignalMessage>", '<eb:SignalMessage id="s">').replace(
        "<eb:MessageInfo>", '<eb:MessageInfo x="1">'
    )
    assert [error.code for error in _read(text).signals[0].errors] == ["EBMS:0004"]


def test_pull_requests() -> None:
    assert _read(_signal('<eb:PullRequest mpc="urn:q"/>')).signals[0].pull_mpc == "urn:q"
    assert _read(_signal("<eb:PullRequest><eb:Selector/></eb:PullRequest>")).signals[0].pull_mpc == DEFAULT_MPC


def test_a_two_way_answer_carries_both() -> None:
    """as4-wire 2.1; that a request must not is unpack's rule (0008)."""
    header = _read(_signal(f"<eb:Receipt>{NRI}</eb:Receipt>") + USER + '<x xmlns="urn:x"/>')
    assert (len(header.user), len(header.signals)) == (1, 1)
