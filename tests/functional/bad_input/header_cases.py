"""eb:Messaging and the P-Mode: 0003, 0007, 0008, 0009, 0010 and 0011 (as4-wire 2, 6.4; conformance G06 to G09, G45)."""

from collections.abc import Callable

from tests.bench.lean import DS, EB, WSSE
from tests.craft import Message, Part
from tests.functional.bad_input.faults import (
    Case,
    at,
    cases,
    copied,
    element_gone,
    extra_part,
    gone,
    in_payload_head,
    into,
    renamed,
    resub,
    swap,
    tree,
)
from tests.functional.bad_input.receiver import CANARY, PART, Receiver
from tests.pair import PARTY_TYPE

Rewrite = Callable[[str], str]
_INFO = "<eb:MessageInfo><eb:Timestamp>2026-11-23T12:00:00Z</eb:Timestamp><eb:MessageId>pull@craft.example</eb:MessageId></eb:MessageInfo>"
_PULL = f"<eb:SignalMessage>{_INFO}<eb:PullRequest/></eb:SignalMessage>"
_SENDER = '<eb:Property name="originalSender">urn:c1</eb:Property>'
_RECIPIENT = '<eb:Property name="finalRecipient">urn:c4</eb:Property>'
_GZIP = '<eb:Property name="CompressionType">application/gzip</eb:Property>'
_MIME = '<eb:Property name="MimeType">application/xml</eb:Property>'


def _user(change: Rewrite) -> Callable[[Receiver], Message]:
    return lambda r: r.message(user_message=change)


def _properties(text: str) -> Callable[[Receiver], Message]:
    return lambda r: r.message(parts=[Part(data=PART.data, properties=text)])


def _moved(tag: str, before: str) -> Rewrite:
    """An element, with all in it, out of its order."""

    def change(text: str) -> str:
        start, end = text.index(f"<eb:{tag}"), text.index(f"</eb:{tag}>") + len(f"</eb:{tag}>")
        moved, rest = text[start:end], text[:start] + text[end:]
        assert f"<eb:{before}" in rest
        return rest.replace(f"<eb:{before}", f"{moved}<eb:{before}", 1)

    return change


def _messaging(change: Callable[[str], str]) -> Callable[[Receiver], Message]:
    return lambda r: r.message(messaging=change)


# No P-Mode is known yet: these errors cannot be signed.

UNREADABLE = cases(
    "EBMS:0009",
    {
        "no eb:Messaging": lambda r: r.message(envelope=tree(lambda root: at(root, "s:Header").remove(at(root, "s:Header/eb:Messaging")))),
        "eb:Messaging in the Body": lambda r: r.message(envelope=tree(lambda root: at(root, "s:Body").append(at(root, "s:Header/eb:Messaging")))),
        "eb:Messaging of another namespace": _messaging(lambda text: text.replace(EB + '"', EB.rstrip("/") + '"', 1).replace(' env:mustUnderstand="true"', "")),
        "a second eb:Messaging": lambda r: r.message(envelope=tree(lambda root: at(root, "s:Header").append(renamed("other", at(root, "s:Header/eb:Messaging"))))),
        "a second eb:Messaging without id": lambda r: r.message(envelope=tree(lambda root: at(root, "s:Header").insert(0, renamed("", at(root, "s:Header/eb:Messaging"))))),
        "an id twice": lambda r: r.message(envelope=swap(b"</env:Header>", b'<x Id="body"/></env:Header>')),
        "an id twice in Security": lambda r: r.message(security=into("wsse:Security", '<x ID="messaging"/>')),
        "a second Security": lambda r: r.message(envelope=swap(b"</env:Header>", f'<wsse:Security xmlns:wsse="{WSSE}"/></env:Header>'.encode())),
        "a second Security, both signed": lambda r: r.message(envelope=tree(lambda root: at(root, "s:Header").append(copied(at(root, "s:Header/wsse:Security"))))),
        "an empty eb:Messaging": _messaging(gone("<eb:UserMessage>.*</eb:UserMessage>")),
        "two user messages": _messaging(resub("(<eb:UserMessage>.*</eb:UserMessage>)", r"\1\1")),
        "no MessageInfo": _user(element_gone("eb:MessageInfo")),
        "no MessageId": _user(element_gone("eb:MessageId")),
        "a MessageId in angle brackets": lambda r: r.message(message_id="&lt;a@craft.example&gt;"),
        "a MessageId without @": lambda r: r.message(message_id="craft.example"),
        "a MessageId of two words": lambda r: r.message(message_id="a b@craft.example"),
        "a MessageId that is empty": lambda r: r.message(message_id=" "),
        "a MessageId of 1000 characters": lambda r: r.message(message_id="a" * 1000 + "@craft.example"),
        "a comment inside the MessageId": _user(swap("@craft", "<!-- c -->@craft", 1)),
    },
    signed=False,
    named=False,
)  # fmt: skip

INVALID = cases(
    "EBMS:0009",
    {
        "text instead of a message": _messaging(swap("<eb:UserMessage>", f"{CANARY}<eb:UserMessage>")),
        "an unknown message": _messaging(into("eb:Messaging", "<eb:OtherMessage/>")),
        "a message of no namespace": _messaging(into("eb:Messaging", "<x/>")),
        "an attribute that the schema does not know": _user(swap("<eb:UserMessage>", f'<eb:UserMessage id="{CANARY}">')),
        "an empty mpc": _user(swap("<eb:UserMessage>", '<eb:UserMessage mpc="">')),
        "no Timestamp": _user(element_gone("eb:Timestamp")),
        "no PartyInfo": _user(element_gone("eb:PartyInfo")),
        "no From": _user(element_gone("eb:From")),
        "no To": _user(element_gone("eb:To")),
        "no PartyId": _user(element_gone("eb:PartyId")),
        "no Role": _user(element_gone("eb:Role")),
        "no CollaborationInfo": _user(element_gone("eb:CollaborationInfo")),
        "no Service": _user(element_gone("eb:Service")),
        "no Action": _user(element_gone("eb:Action")),
        "no ConversationId": _user(element_gone("eb:ConversationId")),
        "PartyInfo before MessageInfo": _user(_moved("PartyInfo", "MessageInfo")),
        "MessageId before Timestamp": _user(_moved("MessageId", "Timestamp")),
        "To before From": _user(_moved("To", "From")),
        "Role before PartyId": _user(_moved("Role", "PartyId")),
        "Action before Service": _user(_moved("Action", "Service")),
        "PayloadInfo before MessageProperties": _user(_moved("PayloadInfo", "MessageProperties")),
        "two Services": _user(resub("(<eb:Service>.*?</eb:Service>)", r"\1\1")),
        "two PayloadInfos": _user(resub("(<eb:PayloadInfo>.*</eb:PayloadInfo>)", r"\1\1")),
        "an empty PartyId": lambda r: r.message(from_id=" "),
        "an empty PartyId type": lambda r: r.message(party_type=""),
        "an empty Role": _user(resub(r"<eb:Role>[^<]*", "<eb:Role>", 1)),
        "an empty Service": lambda r: r.message(service=""),
        "an empty Action": lambda r: r.message(action=" \n "),
        "an empty RefToMessageId": lambda r: r.message(ref_to=" "),
        "empty MessageProperties": lambda r: r.message(properties=" "),
        "a Property without a name": lambda r: r.message(properties=f"<eb:Property>{CANARY}</eb:Property>"),
        "a Property with an element in it": lambda r: r.message(properties='<eb:Property name="x"><y/></eb:Property>'),
        "a Property that is none": lambda r: r.message(properties=_SENDER + "<eb:Other/>"),
        "an empty PayloadInfo": _user(resub("<eb:PayloadInfo>.*</eb:PayloadInfo>", "<eb:PayloadInfo/>")),
        "an empty href": _user(swap('href="cid:p1@craft.example"', 'href=""')),
        "a comment inside a value": _user(swap("</eb:Action>", "<!-- c --></eb:Action>")),
        "a comment put into a signed value": lambda r: r.message(envelope=swap(b">alpha</eb:PartyId>", b">al<!-- c -->pha</eb:PartyId>")),
        "an element inside a value": _user(swap("</eb:Action>", "<x/></eb:Action>")),
        "text between elements": _user(swap("<eb:PartyInfo>", f"<eb:PartyInfo>{CANARY}")),
        **{
            f"Timestamp {value or 'empty'}": lambda r, value=value: r.message(timestamp=value)  # type: ignore[misc]
            for value in (
                "", "yesterday", "2026-11-23", "2026-11-23 12:00:00Z", "2026-13-23T12:00:00Z", "2026-11-23T25:00:00Z",
                "2026-11-23T12:00:00+99:00", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9" * 5000, CANARY,
            )
        },
        "a MessageId with two @": lambda r: r.message(message_id="a@b@craft.example"),
        "a MessageId with a dot at its end": lambda r: r.message(message_id="a.@craft.example"),
    },
    signed=False,
)  # fmt: skip

INCONSISTENT = cases(
    "EBMS:0003",
    {
        "two PartyIds in From": _user(resub("(<eb:From>)(<eb:PartyId.*?</eb:PartyId>)", r"\1\2\2")),
        "two PartyIds in To": _user(resub("(<eb:To>)(<eb:PartyId.*?</eb:PartyId>)", r"\1\2<eb:PartyId>urn:x</eb:PartyId>")),
        "an untyped PartyId that is no URI": _user(swap(f' type="{PARTY_TYPE}"', "")),
        "an untyped Service that is no URI": lambda r: r.message(service="results"),
        "a patient for a Service": lambda r: r.message(service=CANARY),
        "CompressionType without MimeType": _properties(_GZIP),
        "CompressionType with an empty MimeType": _properties('<eb:Property name="MimeType"></eb:Property>' + _GZIP),
        "CompressionType with mimetype in lower case": _properties(_MIME.replace("MimeType", "mimetype") + _GZIP),
        **{
            f"CompressionType {value}": _properties(_MIME + _GZIP.replace("application/gzip", value))
            for value in ("", "gzip", "application/zip", "Application/GZIP", "application/x-gzip", CANARY)
        },
        "CompressionType twice": _properties(_MIME + _GZIP + _GZIP),
        "MimeType twice": _properties(_MIME + _MIME + _GZIP),
        **{
            f"CharacterSet {value or 'empty'}": _properties(f'{_MIME}<eb:Property name="CharacterSet">{value}</eb:Property>{_GZIP}')
            for value in ("", "!utf8", "utf 8", "8859-1", CANARY)
        },
    },
    signed=False,
)  # fmt: skip

NO_P_MODE = cases(
    "EBMS:0010",
    {
        "From": lambda r: r.message(from_id="delta"),
        "From, a patient": lambda r: r.message(from_id=CANARY),
        "From in another case": lambda r: r.message(from_id="Alpha"),
        "To": lambda r: r.message(to_id="delta"),
        "From and To exchanged": lambda r: r.message(from_id="beta", to_id="alpha"),
        "another type of PartyId": lambda r: r.message(party_type=PARTY_TYPE + ":other"),
        "no type of PartyId": lambda r: r.message(user_message=swap(f' type="{PARTY_TYPE}"', ""), from_id="urn:alpha", to_id="urn:beta"),
        "role of From": _user(swap("/initiator", "/other")),
        "role of To": _user(swap("/responder", "/other")),
        "roles exchanged": _user(lambda text: text.replace("/responder", "/x").replace("/initiator", "/responder").replace("/x", "/initiator")),
        "service": lambda r: r.message(service="urn:other"),
        "type of service": _user(swap("<eb:Service>", '<eb:Service type="urn:type">')),
        "service of the test, misspelled": lambda r: r.message(service="http://docs.oasis-open.org/ebxml-msg/ebMS/v3.0/ns/core/200704/service"),
        "action": lambda r: r.message(action="other"),
        "action in another case": lambda r: r.message(action="Exchange"),
        "action, a patient": lambda r: r.message(action=f"urn:{CANARY}"),
        "action of another partner": lambda r: r.message(from_id="gamma", sender=r.issued(), action="sign-only"),
        "agreement": lambda r: r.message(agreement="<eb:AgreementRef>urn:agreed</eb:AgreementRef>"),
        "agreement with our P-Mode's name": lambda r: r.message(agreement='<eb:AgreementRef pmode="alpha">urn:agreed</eb:AgreementRef>'),
        "mpc": _user(swap("<eb:UserMessage>", '<eb:UserMessage mpc="urn:mpc">')),
    },
    signed=False,
)  # fmt: skip


def _corner(name: str, properties: str, what: str) -> Case:
    return Case(
        name=f"four corners, {name}",
        make=lambda r: r.message(action="four-corner", properties=properties),
        answer="EBMS:0010",
        text=what,
    )


CORNERS = [
    _corner("no sender", _RECIPIENT, "The message property originalSender is missing."),
    _corner("no recipient", _SENDER, "The message property finalRecipient is missing."),
    _corner("no properties", "", "The message property originalSender is missing."),
    _corner("empty sender", _SENDER.replace("urn:c1", "") + _RECIPIENT, "The message property originalSender is empty."),
    _corner("sender of spaces", _SENDER.replace("urn:c1", " \n") + _RECIPIENT, "The message property originalSender is empty."),
    _corner("sender in another case", _SENDER.replace("original", "Original") + _RECIPIENT, "The message property originalSender is missing."),
    _corner("two senders", _SENDER + _SENDER + _RECIPIENT, "The message property originalSender is there twice."),
    _corner("two recipients", _SENDER + _RECIPIENT + _RECIPIENT.replace("c4", CANARY), "The message property finalRecipient is there twice."),
]  # fmt: skip

NOT_SUPPORTED = cases(
    "EBMS:0008",
    {
        "a payload in the Body": lambda r: r.message(body=swap("></env:Body>", f"><x>{CANARY}</x></env:Body>")),
        "text in the Body": lambda r: r.message(body=swap("></env:Body>", f">{CANARY}</env:Body>")),
        "a payload put into a signed Body": lambda r: r.message(envelope=swap(b"></env:Body>", b"><x/></env:Body>")),
        "user message and receipt in one": lambda r: r.message(messaging=into("eb:Messaging", _PULL.replace("PullRequest", "Receipt").replace("<eb:Receipt/>", f'<eb:Receipt><x xmlns="{DS}"/></eb:Receipt>'))),
        "user message and PullRequest in one": lambda r: r.message(messaging=into("eb:Messaging", _PULL)),
        "a PullRequest": lambda r: r.message(message_id="pull@craft.example", messaging=resub("<eb:UserMessage>.*</eb:UserMessage>", _PULL), parts=()),
        "a PullRequest from a channel": lambda r: r.message(message_id="pull@craft.example", messaging=resub("<eb:UserMessage>.*</eb:UserMessage>", _PULL.replace("PullRequest", f'PullRequest mpc="{CANARY}"')), parts=()),
        "a PullRequest without a signature": lambda r: r.message(message_id="pull@craft.example", messaging=resub("<eb:UserMessage>.*</eb:UserMessage>", _PULL), parts=(), sign=False),
    },
    signed=False,
)  # fmt: skip

CONTENT_IDS = cases(
    "EBMS:0007",
    {
        "no Content-ID": lambda r: r.message(mime=in_payload_head(b"Content-ID: <p1@craft.example>\r\n", b"")),
        "an empty Content-ID": lambda r: r.message(mime=in_payload_head(b"<p1@craft.example>", b"<>")),
        "an extra part without Content-ID": lambda r: r.message(mime=extra_part(b"Content-Type: text/plain")),
        "one Content-ID twice": lambda r: r.message(mime=extra_part(b"Content-ID: <p1@craft.example>")),
        "the root's Content-ID again": lambda r: r.message(mime=extra_part(b"Content-ID: <root@craft.example>")),
        "one Content-ID twice, both in PartInfo": lambda r: r.message(parts=[PART, Part(content_id="2@x")], mime=in_payload_head(b"<2@x>", b"<p1@craft.example>")),
    },
)  # fmt: skip

_NAMELESS = cases(
    "EBMS:0008",
    {
        "a PullRequest that is named by a patient": lambda r: r.message(messaging=resub("<eb:UserMessage>.*</eb:UserMessage>", _PULL.replace("pull@craft.example", CANARY)), parts=()),
        "a PullRequest with a name of 200 000 characters": lambda r: r.message(messaging=resub("<eb:UserMessage>.*</eb:UserMessage>", _PULL.replace("pull@", "a" * 200_000)), parts=()),
        "a PullRequest with a name of two lines": lambda r: r.message(messaging=resub("<eb:UserMessage>.*</eb:UserMessage>", _PULL.replace("pull@", "pull\n@")), parts=()),
    },
    signed=False,
    named=False,
)  # fmt: skip


def _two(**second: object) -> Callable[[Receiver], Message]:
    return lambda r: r.message(parts=[PART, Part(content_id="2@x", **second)])  # type: ignore[arg-type]


EXTERNAL = cases(
    "EBMS:0011",
    {
        "href http": lambda r: r.message(parts=[Part(href="http://127.0.0.1:9/p1")]),
        "href https": lambda r: r.message(parts=[Part(href=f"https://example.invalid/{CANARY}")]),
        "href file": lambda r: r.message(parts=[Part(href="file:///etc/passwd")]),
        "href to the Body": lambda r: r.message(parts=[Part(href="#body")]),
        "href to the envelope": lambda r: r.message(parts=[Part(href="cid:root@craft.example")]),
        "no href": _user(swap(' href="cid:p1@craft.example"', "")),
        "href in angle brackets": lambda r: r.message(parts=[Part(href="cid:&lt;p1@craft.example&gt;")]),
        "PartInfo without part": _two(attached=False),
        "PartInfo without part, alone": lambda r: r.message(parts=[Part(attached=False)]),
        "part without PartInfo": _two(listed=False),
        "part without any PayloadInfo": lambda r: r.message(parts=[Part(listed=False)]),
        "two PartInfos for one part": _two(href="cid:p1@craft.example"),
        "two PartInfos for one part, escaped": _two(href="cid:p1%40craft.example"),
    },
)  # fmt: skip

CASES = [
    *UNREADABLE,
    *INVALID,
    *INCONSISTENT,
    *NO_P_MODE,
    *CORNERS,
    *NOT_SUPPORTED,
    *_NAMELESS,
    *CONTENT_IDS,
    *EXTERNAL,
]
