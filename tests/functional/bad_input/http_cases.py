"""HTTP, MIME and XML: what is refused before there is an ebMS header (as4-wire 1, 6.4: 400, 413, 415, 431, 500)."""

from collections.abc import Callable

from tests.bench.lean import EB, S12
from tests.craft import Part
from tests.functional.bad_input.faults import (
    BOUNDARY,
    FAULT,
    Case,
    at,
    base64_lines,
    cases,
    copied,
    encoded,
    extra_part,
    in_payload_head,
    swap,
    tree,
)
from tests.functional.bad_input.receiver import CANARY, PART

SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
MF = "http://docs.oasis-open.org/ebxml-msg/ns/v3.0/mf/2010/04/"
_CLOSE = b"\r\n--" + BOUNDARY + b"--"
_OPEN = b"--" + BOUNDARY


def _headers(lines: str) -> Callable[[str], str]:
    return lambda content_type: lines


def _typed(value: str) -> Callable[[str], str]:
    return _headers(f"Content-Type: {value}\r\n")


def _doctype(inside: str) -> Callable[[bytes], bytes]:
    """A DOCTYPE, and what it declares used in a value."""
    used = swap(b">urn:c1<", b">&e;<")
    return lambda data: used(swap(b"?><", f"?><!DOCTYPE x {inside}><".encode(), 1)(data))


_LAUGHS = "<!ENTITY e0 'ha'>" + "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 10))

_WIDE = b"<x %s/>" % b" ".join(b'a%d=""' % n for n in range(65))
_SCOPE = b"<x %s>%s</x>" % (b" ".join(b'xmlns:n%d="u:%d"' % (n, n) for n in range(900)), b"<y/>" * 9000)

_UNSUPPORTED = {
    "no Content-Type": "",
    "empty Content-Type": "Content-Type: \r\n",
    "no type in it": "Content-Type: ;\r\n",
    "unreadable": 'Content-Type: multipart/related; boundary="craft\r\n',
    "a parameter twice": "Content-Type: multipart/related; boundary=a; boundary=b\r\n",
    "SOAP 1.1": "Content-Type: text/xml; charset=utf-8\r\n",
    "plain XML": "Content-Type: application/xml\r\n",
    "multipart mixed": "Content-Type: multipart/mixed; boundary=craft-7d3f0c\r\n",
    "form data": "Content-Type: multipart/form-data; boundary=craft-7d3f0c\r\n",
    "multipart of SOAP 1.1": 'Content-Type: multipart/related; boundary=craft-7d3f0c; type="text/xml"\r\n',
    "multipart of XOP": 'Content-Type: multipart/related; boundary=craft-7d3f0c; type="application/xop+xml"\r\n',
    "a patient as type": f"Content-Type: {CANARY}\r\n",
    "a patient as parameter": f"Content-Type: text/{CANARY}; id={CANARY}\r\n",
}

UNSUPPORTED = [
    Case(name=name, make=lambda r: r.message(), answer=415, headers=_headers(lines))
    for name, lines in _UNSUPPORTED.items()
] + [
    Case(
        name=f"Content-Encoding {coding}",
        make=lambda r: r.message(),
        answer=415,
        headers=lambda kind, coding=coding: f"Content-Type: {kind}\r\nContent-Encoding: {coding}\r\n",  # type: ignore[misc]
    )
    for coding in ("gzip", "br", "identity", CANARY)
]

_RELATED = 'multipart/related; type="application/soap+xml"'

BOUNDARIES = [
    Case(name=name, make=lambda r: r.message(), answer=400, headers=_typed(kind))
    for name, kind in {
        "no boundary": _RELATED,
        "empty boundary": f'{_RELATED}; boundary=""',
        "boundary not in the body": f"{_RELATED}; boundary=other",
        "boundary with a patient": f"{_RELATED}; boundary={CANARY}",
        "boundary of 201 characters": f"{_RELATED}; boundary={'x' * 201}",
        "start names a payload": f'{_RELATED}; boundary=craft-7d3f0c; start="<p1@craft.example>"',
    }.items()
]

BROKEN_MIME = cases(
    400,
    {
        "empty body": lambda r: r.message(mime=lambda _: b""),
        "no closing delimiter": lambda r: r.message(mime=lambda body: body[: body.rindex(_CLOSE)]),
        "cut in a payload": lambda r: r.message(mime=lambda body: body[: body.rindex(_CLOSE) - 40]),
        "cut in part headers": lambda r: r.message(mime=lambda body: body[: body.rindex(b"Content-ID")]),
        "cut after the first line": lambda r: r.message(mime=lambda body: body[: body.index(b"\n") + 1]),
        "no part": lambda r: r.message(mime=lambda _: _OPEN + b"--\r\n"),
        "a header without a colon": lambda r: r.message(mime=in_payload_head(b"Content-ID: <", b"Content-ID <")),
        "a header with a space in its name": lambda r: r.message(mime=in_payload_head(b"Content-ID", b"Content ID")),
        "a control character in a header": lambda r: r.message(mime=in_payload_head(b"Content-ID: ", b"Content-ID: \0")),
        "a patient for a header": lambda r: r.message(mime=in_payload_head(b"Content-ID", f"{CANARY}\r\nContent-ID".encode())),
        "Content-ID twice": lambda r: r.message(mime=in_payload_head(b"Content-ID", b"Content-ID: <x@y>\r\nContent-ID")),
        "part headers without end": lambda r: r.message(mime=lambda body: in_payload_head(b"\r\n\r\n", b"\r\nX: ")(body).replace(b"\r\n\r\n--", b"\r\n--")),
        "a flood before the first delimiter": lambda r: r.message(mime=lambda body: b"x" * 2000 + b"\r\n" + body),
        "a flood of false delimiters": lambda r: r.message(mime=swap(_CLOSE, (b"\r\n" + _OPEN + b"x") * 100 + _CLOSE)),
        "unknown transfer encoding": lambda r: r.message(mime=in_payload_head(b"Encoding: binary", b"Encoding: x-uuencode")),
        "a patient for a transfer encoding": lambda r: r.message(mime=in_payload_head(b"Encoding: binary", f"Encoding: {CANARY}".encode())),
        "base64 that is none": lambda r: r.message(mime=in_payload_head(b"Encoding: binary", b"Encoding: base64")),
        "base64 with padding within": lambda r: r.message(mime=encoded("base64", lambda data: base64_lines(data[:40]) + base64_lines(data[40:]))),
        "base64 cut": lambda r: r.message(mime=encoded("base64", lambda data: base64_lines(data).rstrip()[:-1])),
        "quoted-printable that is none": lambda r: r.message(mime=encoded("quoted-printable", lambda data: b"=G0")),
        "root part of plain XML": lambda r: r.message(mime=swap(b"Content-Type: application/soap+xml", b"Content-Type: text/xml", 1)),
        "root part without a type": lambda r: r.message(mime=swap(b"Content-Type: application/soap+xml; charset=UTF-8\r\n", b"", 1)),
    },
)  # fmt: skip

TOO_MUCH = [
    *cases(
        431,
        {
            "one long part header": lambda r: r.message(mime=in_payload_head(b"Content-ID", b"X: " + b"x" * 17_000 + b"\r\nContent-ID")),
            "many part headers": lambda r: r.message(mime=in_payload_head(b"Content-ID", b"X: y\r\n" * 3000 + b"Content-ID")),
            "a part header folded for ever": lambda r: r.message(mime=in_payload_head(b"Content-ID", b"X: y\r\n" + b" y\r\n" * 6000 + b"Content-ID")),
            "part headers that are a payload": lambda r: r.message(mime=swap(b"\r\n\r\n<?xml", b"\r\n" + b"A" * 20_000 + b"<?xml")),
        },
    ),
    *cases(
        413,
        {
            "too many parts": lambda r: r.message(mime=extra_part(b"Content-ID: <x@y>", times=101)),
            "too many parts for the P-Mode": lambda r: r.message(action="small", parts=[Part(content_id=f"{n}@x") for n in range(3)]),
            "too many bytes for the P-Mode": lambda r: r.message(action="small", parts=[Part(data=bytes(100_000), compress=False, mime_type="x/y")]),
            "too many bytes for the listener": lambda r: r.message(mime=lambda body: body + b"x" * 3_000_000),
            "SOAP part over 256 KiB": lambda r: r.message(envelope=swap(b"?><", b"?><!--" + b"x" * 262_144 + b"--><")),
            "bare envelope over 256 KiB": lambda r: r.message(parts=(), envelope=swap(b"?><", b"?><!--" + b"x" * 262_144 + b"--><")),
            "elements": lambda r: r.message(envelope=swap(b"</env:Header>", b"<a/>" * 20_001 + b"</env:Header>")),
            "attributes": lambda r: r.message(envelope=swap(b"</env:Header>", b'<x a="" b=""/>' * 2001 + b"</env:Header>")),
            "attributes of one element": lambda r: r.message(envelope=swap(b"</env:Header>", _WIDE + b"</env:Header>")),
            "namespaces": lambda r: r.message(envelope=swap(b"</env:Header>", b'<x xmlns:a="u:a"/>' * 1001 + b"</env:Header>")),
            "namespaces in scope": lambda r: r.message(envelope=swap(b"</env:Header>", _SCOPE + b"</env:Header>")),
            "depth": lambda r: r.message(envelope=swap(b"</env:Header>", b"<x>" * 64 + b"</x>" * 64 + b"</env:Header>")),
            "depth beyond the parser's own": lambda r: r.message(envelope=swap(b"</env:Header>", b"<x>" * 9000 + b"</x>" * 9000 + b"</env:Header>")),
            "depth of eb:Messaging": lambda r: r.message(envelope=swap(b"</eb:Messaging>", b"<x>" * 64 + b"</x>" * 64 + b"</eb:Messaging>")),
        },
    ),
]  # fmt: skip

NO_SOAP = cases(
    400,
    {
        "not XML": lambda r: r.message(envelope=lambda _: CANARY.encode()),
        "nothing": lambda r: r.message(envelope=lambda _: b""),
        "nothing, without parts": lambda r: r.message(parts=(), envelope=lambda _: b""),
        "not well-formed": lambda r: r.message(envelope=swap(b"</eb:Action>", b"</eb:Acton>")),
        "cut": lambda r: r.message(envelope=lambda data: data[:-30]),
        "two roots": lambda r: r.message(envelope=lambda data: data + b"<x/>"),
        "undeclared prefix": lambda r: r.message(envelope=swap(b"</env:Header>", b"<un:x/></env:Header>")),
        "an attribute twice": lambda r: r.message(envelope=swap(b"</env:Header>", b'<x a="1" a="2"/></env:Header>')),
        "latin-1": lambda r: r.message(envelope=swap(b">urn:c1<", b">urn:\xe6<")),
        "UTF-16": lambda r: r.message(envelope=lambda data: data.decode().replace("UTF-8", "UTF-16").encode("utf-16")),
        "a NUL": lambda r: r.message(envelope=swap(b">urn:c1<", b">urn:\0<")),
        "an unknown entity": lambda r: r.message(envelope=swap(b">urn:c1<", b">&e;<")),
        "a DOCTYPE": lambda r: r.message(envelope=swap(b"?><", b"?><!DOCTYPE x><", 1)),
        "an internal entity": lambda r: r.message(envelope=_doctype("[<!ENTITY e 'urn:c1'>]")),
        "an external entity": lambda r: r.message(envelope=_doctype('[<!ENTITY e SYSTEM "file:///etc/passwd">]')),
        "an external DTD": lambda r: r.message(envelope=_doctype('SYSTEM "http://127.0.0.1:9/x.dtd"')),
        "a parameter entity": lambda r: r.message(envelope=_doctype('[<!ENTITY % p SYSTEM "http://127.0.0.1:9/"> %p;]')),
        "a billion laughs": lambda r: r.message(envelope=_doctype(f"[{_LAUGHS}<!ENTITY e '&e9;'>]")),
        "a DOCTYPE in UTF-7": lambda r: r.message(envelope=lambda data: data.replace(b"UTF-8", b"UTF-7", 1).replace(b"?><", b"?>+ADwAIQ-DOCTYPE x+AD4<", 1)),
        "a processing instruction": lambda r: r.message(envelope=swap(b"?><", b"?><?x y?><", 1)),
        "a processing instruction in a value": lambda r: r.message(envelope=swap(b">urn:c1<", b">urn:<?x y?>c1<")),
        "a style sheet": lambda r: r.message(envelope=swap(b"?><", b'?><?xml-stylesheet href="http://127.0.0.1:9/"?><', 1)),
        "no Envelope": lambda r: r.message(envelope=lambda _: b"<x/>"),
        "a SOAP 1.1 Envelope": lambda r: r.message(envelope=lambda data: data.replace(S12.encode(), SOAP11.encode())),
        "no Header": lambda r: r.message(envelope=tree(lambda root: root.remove(at(root, "s:Header")))),
        "no Body": lambda r: r.message(envelope=tree(lambda root: root.remove(at(root, "s:Body")))),
        "two Headers": lambda r: r.message(envelope=tree(lambda root: root.insert(0, copied(at(root, "s:Header"))))),
        "two Bodies": lambda r: r.message(envelope=tree(lambda root: root.append(copied(at(root, "s:Body"))))),
        "Body before Header": lambda r: r.message(envelope=tree(lambda root: root.append(at(root, "s:Header")))),
        "an element after the Body": lambda r: r.message(envelope=swap(b"</env:Envelope>", b"<x/></env:Envelope>")),
    },
)  # fmt: skip


def _mandatory(xml: str) -> Callable[[bytes], bytes]:
    return swap(b"</env:Header>", f"{xml}</env:Header>".encode())


NOT_UNDERSTOOD = cases(
    FAULT,
    {
        "an unknown header": lambda r: r.message(envelope=_mandatory('<x xmlns="urn:x" env:mustUnderstand="true"/>')),
        "an unknown header, 1 for true": lambda r: r.message(envelope=_mandatory('<x xmlns="urn:x" env:mustUnderstand="1"/>')),
        "an unknown header for the next node": lambda r: r.message(envelope=_mandatory(f'<x xmlns="urn:x" env:mustUnderstand="true" env:role="{S12}/role/next"/>')),
        "a message fragment": lambda r: r.message(envelope=_mandatory(f'<mf:MessageFragment xmlns:mf="{MF}" env:mustUnderstand="true">{CANARY}</mf:MessageFragment>')),
        "eb:Messaging of another namespace": lambda r: r.message(messaging=lambda text: text.replace(EB + '"', EB.rstrip("/") + '"', 1)),
        "a header of ebMS's own namespace": lambda r: r.message(envelope=_mandatory(f'<eb:Other xmlns:eb="{EB}" env:mustUnderstand="true"/>')),
    },
)  # fmt: skip

TAKEN: dict[str, Case] = {
    case.name: case
    for case in cases(
        200,
        {
            "as it should be": lambda r: r.message(),
            "a part in base64": lambda r: r.message(mime=encoded("base64", base64_lines)),
            "a part in BASE64": lambda r: r.message(mime=encoded("BASE64", base64_lines)),
            "a preamble": lambda r: r.message(mime=lambda body: b"\r\nThis is MIME.\r\n" + body),
            "an epilogue": lambda r: r.message(mime=lambda body: body + b"the end"),
            "no line end at the end": lambda r: r.message(mime=lambda body: body.rstrip()),
            "a header for somebody else": lambda r: r.message(envelope=_mandatory('<x xmlns="urn:x" env:mustUnderstand="true" env:role="urn:other"/>')),
            "a header that is not mandatory": lambda r: r.message(envelope=_mandatory('<x xmlns="urn:x" env:mustUnderstand="false"/>')),
            "a byte order mark": lambda r: r.message(envelope=lambda data: b"\xef\xbb\xbf" + data),
            "a comment between elements": lambda r: r.message(envelope=swap(b"<eb:CollaborationInfo>", b"<!-- c --><eb:CollaborationInfo>")),
            "not compressed": lambda r: r.message(parts=[Part(data=PART.data, compress=False)]),
        },
    )
}  # fmt: skip

CASES = [*UNSUPPORTED, *BOUNDARIES, *BROKEN_MIME, *TOO_MUCH, *NO_SOAP, *NOT_UNDERSTOOD]
