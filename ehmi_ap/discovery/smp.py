"""Documents of an SMP: read with their signature verified, and written and signed (spec/discovery.md 2.2, 2.6).

Rules: the root element's name tells dialect and kind, never a header of HTTP. Metadata and redirects are signed or
refused, and what is read is read from the tree that the signature was verified over, never from the bytes that came.
Who signed is in the result; whether this one may is asked by discovery.signer.
"""

from dataclasses import dataclass
from typing import Literal

from lxml import etree

from ehmi_ap.crypto import enveloped
from ehmi_ap.crypto.algorithms import C14N, C14N11
from ehmi_ap.crypto.enveloped import LIMITS, Enveloped
from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.discovery import smp1, smp2
from ehmi_ap.discovery.faults import fault, signature_fault
from ehmi_ap.discovery.network import Publishers
from ehmi_ap.discovery.published import Dialect, Document, Group, Metadata
from ehmi_ap.errors import BudgetExceeded, MalformedXml, XmlSecurityError

_NAMES = {"peppol": smp1.PEPPOL, "oasis1": smp1.OASIS}


@dataclass(frozen=True, slots=True)
class Form:
    """What a root element stands for; `names` are those of the 1.x dialects."""

    dialect: Dialect
    kind: Literal["metadata", "group"]
    names: smp1.Names | None = None


_FORMS = {
    f"{{{smp2.METADATA}}}ServiceMetadata": Form("oasis2", "metadata"),
    f"{{{smp2.GROUP}}}ServiceGroup": Form("oasis2", "group"),
    **{
        f"{{{names.namespace}}}SignedServiceMetadata": Form(names.dialect, "metadata", names)
        for names in (smp1.PEPPOL, smp1.OASIS, smp1.DRAFT)
    },
    **{
        f"{{{names.namespace}}}ServiceGroup": Form(names.dialect, "group", names)
        for names in (smp1.PEPPOL, smp1.OASIS, smp1.DRAFT)
    },
}


def read(data: bytes, publishers: Publishers = Publishers()) -> Document:  # noqa: B008 - it is frozen
    """The document that an SMP answered with, its signature verified.

    Of `publishers`, its dialects and its word on SHA-1 count.

    Raises:
        Unavailable: SMP_NOT_XML (a page of HTML that some proxy answered, for one), SMP_TOO_LARGE.
        NotSupported: UNKNOWN_DIALECT, DIALECT_NOT_ALLOWED.
        Untrusted: METADATA_MALFORMED, SIGNATURE_MISSING and the other SIGNATURE_ reasons.
    """
    root = tree(data)
    form = form_of(root)
    check_dialect(form, publishers)
    signature = verify(root, form, sha1=publishers.sha1)
    return content(root if signature is None else signature.root, form, signature)


def tree(data: bytes) -> etree._Element:
    """The root of an answer, bounded and without a DTD; raises Unavailable as read()."""
    try:
        return parse(data, LIMITS, instructions=True)
    except XmlSecurityError as error:
        raise signature_fault(error) from None


def form_of(root: etree._Element) -> Form:
    """Dialect and kind; raises NotSupported as read()."""
    form = _FORMS.get(root.tag)
    if form is None:
        name = "".join(c if c.isprintable() else "?" for c in str(root.tag)[:200])
        raise fault("UNKNOWN_DIALECT", f"the SMP answered with {name}, which no known dialect has")
    return form


def check_dialect(form: Form, publishers: Publishers) -> None:
    """Raises NotSupported as read()."""
    if form.dialect not in publishers.dialects:
        raise fault("DIALECT_NOT_ALLOWED", f"the SMP answered in the dialect {form.dialect}")


def verify(root: etree._Element, form: Form, *, sha1: bool) -> Enveloped | None:
    """The signature of the document, verified; None for a group without one. Raises Untrusted as read()."""
    try:
        if enveloped.signature_of(root) is not None:
            return enveloped.verify(root, sha1=sha1)
    except (MalformedXml, BudgetExceeded) as error:  # it was well-formed, and not too large: this is of the signature
        raise fault("SIGNATURE_FORM", error.what) from None
    except XmlSecurityError as error:
        raise signature_fault(error) from None
    if form.kind == "group":
        return None
    raise fault("SIGNATURE_MISSING", "the SMP's metadata is not signed")


def content(root: etree._Element, form: Form, signature: Enveloped | None) -> Document:
    """What the document says; `root` is the tree that `signature` was verified over. Raises Untrusted as read()."""
    if form.names is None:
        return smp2.metadata(root, signature) if form.kind == "metadata" else smp2.group(root, signature)
    read_1 = smp1.metadata if form.kind == "metadata" else smp1.group
    return read_1(root, form.names, signature)


def write(document: Document, pair: KeyPair) -> bytes:
    """The document as an SMP answers with it: metadata and redirects signed as their dialect demands.

    Its certificates have to be readable ones. An OASIS SMP 2.0 redirects process by process, in its Metadata.
    """
    text = _text(document)
    if isinstance(document, Group):
        return f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode()
    return enveloped.signed(text.encode(), pair, c14n=C14N11 if document.dialect == "oasis2" else C14N)


def _text(document: Document) -> str:
    names = _NAMES.get(document.dialect)
    if names is not None:
        return smp1.group_text(document, names) if isinstance(document, Group) else smp1.metadata_text(document, names)
    assert isinstance(document, Metadata | Group)
    return smp2.group_text(document) if isinstance(document, Group) else smp2.metadata_text(document)
