"""Whatever an SMP, an OCSP responder or a CRL server sends: nothing is raised but what callers expect."""

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehmi_ap.crypto import crl, ocsp
from ehmi_ap.crypto.enveloped import verify
from ehmi_ap.crypto.safexml import parse
from ehmi_ap.discovery import smp, smp1, smp2
from ehmi_ap.discovery.inspect import inspect
from ehmi_ap.discovery.published import Metadata, certificate_of
from ehmi_ap.discovery.reading import moment
from ehmi_ap.discovery.selection import select
from ehmi_ap.errors import DiscoveryError, XmlSecurityError
from tests.fuzz.test_fuzz_crypto import damaged
from tests.unit.crypto import test_revocation as material
from tests.unit.discovery.smp_documents import ANCHORS, NETWORK, NOW, PAIR, WANTED, group, metadata, redirect
from tests.unit.discovery.test_smp import FULL

SIGNED = [smp.write(metadata(*FULL, dialect=dialect), PAIR) for dialect in ("peppol", "oasis1", "oasis2")]
UNSIGNED = [
    smp1.metadata_text(metadata(*FULL, dialect="peppol"), smp1.PEPPOL).encode(),
    smp1.metadata_text(metadata(*FULL), smp1.OASIS).encode(),
    smp1.metadata_text(redirect(), smp1.OASIS).encode(),
    smp1.group_text(group(), smp1.OASIS).encode(),
    smp2.metadata_text(metadata(*FULL, dialect="oasis2")).encode(),
    smp2.group_text(group("oasis2")).encode(),
]
SIGNATURE = verify(parse(SIGNED[0]))


def many(valid: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.one_of([damaged(each) for each in valid])


@settings(max_examples=300, deadline=None)
@given(many([*SIGNED, *UNSIGNED]))
def test_a_damaged_answer_is_read_or_refused(data):
    with contextlib.suppress(DiscoveryError):
        smp.read(data)
    findings = inspect(data, anchors=ANCHORS, at=NOW)
    assert findings.verdict in ("usable", "unusable", "unreadable")
    assert findings.to_json()["problems"] or findings.verdict == "usable"


@settings(max_examples=300, deadline=None)
@given(many(UNSIGNED))
def test_damaged_content_that_somebody_signed_is_read_or_refused(data):
    """As if it had been signed like this: what a broken or hostile SMP below the right CA could send."""
    with contextlib.suppress(DiscoveryError):
        root = smp.tree(data)
        document = smp.content(root, smp.form_of(root), None)
        if isinstance(document, Metadata):
            select(replace(document, signature=SIGNATURE), WANTED, NETWORK, anchors=ANCHORS, now=NOW)


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=40), st.from_regex(r"[-+0-9TZ:. ]{0,40}", fullmatch=True)))
def test_a_date_is_read_or_is_none(text):
    with contextlib.suppress(ValueError):
        at = moment(text)
        assert at is None or at.utcoffset() is not None


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(max_size=200), damaged(material.LEAF.pem).map(lambda pem: pem.decode("latin-1"))))
def test_a_certificate_is_read_or_its_fault_is_named(text):
    certificate, fault = certificate_of(text)
    assert (certificate is None) == bool(fault)


RESPONSES = [material.response(), material.response(signer=material.delegate()), material.sha1_response()]
LISTS = [
    material.revocation_list(material.CRL_ONLY),
    material.revocation_list(extensions=[material.distribution(only_contains_user_certs=True)]),
    material.revocation_list(pss=True),
]


@settings(max_examples=500, deadline=None)
@given(many(RESPONSES))
def test_a_damaged_response_is_judged_or_refused(data):
    with contextlib.suppress(XmlSecurityError):
        ocsp.judge(data, material.of(material.OCSP_ONLY), material.of(material.CA), now=NOW)


@settings(max_examples=500, deadline=None)
@given(many(LISTS))
def test_a_damaged_list_is_judged_or_refused(data):
    with contextlib.suppress(XmlSecurityError):
        crl.judge(data, material.of(material.CRL_ONLY), material.of(material.CA), urls=(material.CRL,), now=NOW)


@pytest.mark.parametrize("document", UNSIGNED)
def test_each_cut_of_a_document_is_refused(document):
    for end in range(0, len(document) - 1, 97):
        with pytest.raises(DiscoveryError):
            smp.read(document[:end])
