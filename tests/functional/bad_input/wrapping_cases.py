"""Signature wrapping: what was signed stands elsewhere, a forgery in its place (as4-wire 6.4, 9.15)."""

from collections.abc import Callable

from lxml import etree

from tests.bench.lean import DS, S12, WSSE
from tests.functional.bad_input.faults import (
    ID,
    NAMES,
    Make,
    at,
    cases,
    copied,
    extra_part,
    renamed,
    swap,
    tree,
)

# -- wrapping


def _exchanged(place: Callable[[etree._Element, etree._Element], object], name: str) -> Make:
    """The signed eb:Messaging goes where `place` puts it, a forgery with the id `name` comes in its stead."""

    def change(root: etree._Element) -> None:
        header, original = at(root, "s:Header"), at(root, "s:Header/eb:Messaging")
        forged = renamed(name, original)
        at(forged, ".//eb:ConversationId").text = "forged"
        header.replace(original, forged)
        place(root, original)

    return lambda r: r.message(envelope=tree(change))


def _wrapper(root: etree._Element, original: etree._Element) -> None:
    etree.SubElement(at(root, "s:Header"), "{urn:x}Wrapper").append(original)


def _other_security(root: etree._Element, role: str) -> etree._Element:
    other = etree.SubElement(at(root, "s:Header"), f"{{{WSSE}}}Security")
    other.set(f"{{{S12}}}role", role)
    return other


def _object(root: etree._Element, original: etree._Element) -> None:
    etree.SubElement(at(root, ".//ds:Signature"), f"{{{DS}}}Object").append(original)


def _body_wrapped(name: str) -> Make:
    def change(root: etree._Element) -> None:
        body = at(root, "s:Body")
        root.replace(body, renamed(name, body))
        _wrapper(root, body)

    return lambda r: r.message(envelope=tree(change))


def _role(role: str) -> Make:
    return lambda r: r.message(
        envelope=tree(lambda root: at(root, "s:Header/wsse:Security").set(f"{{{S12}}}role", role))
    )


def _signature_to(path: str) -> Make:
    return lambda r: r.message(envelope=tree(lambda root: at(root, path).append(at(root, ".//ds:Signature"))))


def _token_away(root: etree._Element) -> None:
    [token] = [each for each in root.iterfind(".//wsse:BinarySecurityToken", NAMES) if each.get(ID) == "tok-s"]
    _wrapper(root, token)


WRAPPED = [
    *cases(
        "EBMS:0103",
        {
            "eb:Messaging into Security": _exchanged(lambda root, original: at(root, "s:Header/wsse:Security").append(original), "other"),
            "eb:Messaging into Security, the forged one without id": _exchanged(lambda root, original: at(root, "s:Header/wsse:Security").append(original), ""),
            "eb:Messaging into an unknown header": _exchanged(_wrapper, "other"),
            "eb:Messaging into another's Security": _exchanged(lambda root, original: _other_security(root, "ebms").append(original), "other"),
            "eb:Messaging into the token reference of the data": _exchanged(lambda root, original: at(root, ".//xenc:EncryptedData/ds:KeyInfo").append(original), "other"),
            "Body into an unknown header": _body_wrapped("other"),
            "Body into an unknown header, the forged one without id": _body_wrapped(""),
            "Security for another role": _role("ebms"),
            "Security for the next node": _role(f"{S12}/role/next"),
            "Signature into the Header": _signature_to("s:Header"),
            "Signature into eb:Messaging": lambda r: r.message(parts=(), encrypt=False, security=lambda text: text, envelope=tree(lambda root: _other_security(root, "ebms").append(at(root, ".//ds:Signature")))),
            "Signature into another's Security": lambda r: r.message(envelope=tree(lambda root: _other_security(root, "ebms").append(at(root, ".//ds:Signature")))),
            "the encryption into another's Security": lambda r: r.message(envelope=tree(lambda root: _other_security(root, "ebms").extend([at(root, ".//xenc:EncryptedKey"), at(root, ".//xenc:EncryptedData")]))),
        },
    ),
    *cases(
        "EBMS:0101",
        {
            "eb:Messaging into an Object of the signature": _exchanged(_object, "other"),
            "eb:Messaging into KeyInfo": _exchanged(lambda root, original: at(root, ".//ds:Signature/ds:KeyInfo").append(original), "other"),
            "eb:Messaging into SignedInfo": _exchanged(lambda root, original: at(root, ".//ds:SignedInfo").append(original), "other"),
            "a payload forged beside the signed one": lambda r: r.message(action="sign-only", encrypt=False, mime=lambda body: extra_part(b"Content-Type: application/gzip\r\nContent-ID: <p1@craft.example>", b"forged")(swap(b"Content-ID: <p1@", b"Content-ID: <p2@")(body))),
            "the token into an unknown header": lambda r: r.message(envelope=tree(_token_away)),
        },
    ),
    *cases(
        "EBMS:0009",
        {
            "eb:Messaging into an unknown header, same id": _exchanged(_wrapper, "messaging"),
            "eb:Messaging into an Object, same id": _exchanged(_object, "messaging"),
            "Body into an unknown header, same id": _body_wrapped("body"),
            "two eb:Messaging": _exchanged(lambda root, original: at(root, "s:Header").append(original), "other"),
            "two Security for us": lambda r: r.message(envelope=tree(lambda root: at(root, "s:Header").append(etree.Element(f"{{{WSSE}}}Security")))),
            "Security for us and one more that says so": lambda r: r.message(envelope=tree(lambda root: _other_security(root, f"{S12}/role/ultimateReceiver"))),
        },
        signed=False,
        named=False,
    ),
    *cases(
        "EBMS:0009",
        {"eb:Messaging into the forged one": _exchanged(lambda root, original: at(root, "s:Header/eb:Messaging").append(original), "other")},
        signed=False,
    ),
    *cases(
        "EBMS:0009",
        {"two signatures": lambda r: r.message(envelope=tree(lambda root: at(root, "s:Header/wsse:Security").append(copied(at(root, ".//ds:Signature")))))},
    ),
    *cases(
        "EBMS:0008",
        {"eb:Messaging into the Body": _exchanged(lambda root, original: at(root, "s:Body").append(original), "other")},
        signed=False,
    ),
]  # fmt: skip


CASES = WRAPPED
