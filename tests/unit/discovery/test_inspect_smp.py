"""A stored answer of an SMP judged offline: it goes on where a look-up stops (recordings: tests/vectors)."""

from dataclasses import replace

import pytest

from ehmi_ap.crypto import enveloped
from ehmi_ap.discovery import smp, smp1
from ehmi_ap.discovery.found import Identifier
from ehmi_ap.discovery.inspect import ANY_AS4, inspect
from ehmi_ap.discovery.network import Publishers
from ehmi_ap.discovery.published import Process, Target
from ehmi_ap.discovery.selection import Reason
from tests.unit.discovery.smp_documents import (
    AP,
    NOW,
    OTHER_SMP,
    PAIR,
    PEPPOL,
    PROCESS,
    SMP_CA,
    certificate,
    endpoint,
    metadata,
    of,
    redirect,
)

OTHER = Identifier("urn:ehmi:other", "cenbii-procid-ubl")
HERE = Process(identifiers=(PROCESS,), endpoints=(endpoint(expires=NOW),))
THERE = Process(identifiers=(OTHER,), endpoints=(endpoint(PEPPOL), endpoint()))


def judged(document, **options):
    return inspect(smp.write(document, PAIR), at=NOW, **options)


def problems(findings) -> list[str]:
    return [each.reason for each in findings.problems]


def test_without_a_process_the_first_that_has_an_endpoint_is_chosen_for():
    findings = judged(metadata(processes=(HERE, THERE)))

    assert findings.verdict == "usable"
    assert findings.chosen.process == THERE
    assert [each.reason for each in findings.endpoints] == [Reason.EXPIRED, Reason.LESS_PREFERRED, None]
    assert findings.to_json()["chosen"] == findings.to_json()["endpoints"][2]


def test_with_a_process_it_is_that_one():
    findings = judged(metadata(processes=(HERE, THERE)), process=PROCESS)

    assert (findings.verdict, findings.chosen) == ("unusable", None)
    assert problems(findings) == ["NO_ACTIVE_ENDPOINT"]
    assert [each.reason for each in findings.endpoints] == [Reason.EXPIRED, Reason.PROCESS, Reason.PROCESS]


def test_endpoints_for_any_process():
    findings = judged(metadata(dialect="oasis2", processes=(Process(identifiers=(), endpoints=(endpoint(),)),)))

    assert findings.verdict == "usable"
    assert findings.to_json()["chosen"]["process"] is None


def test_sha1_is_computed_and_then_held_against_the_network():
    text = smp1.metadata_text(metadata(), smp1.OASIS).encode()
    document = enveloped.signed(text, PAIR, algorithm="rsa-sha1", digest="sha1")

    strict = inspect(document, at=NOW)
    assert (strict.signature, strict.verdict, problems(strict)) == ("ok", "unusable", ["SIGNATURE_ALGORITHM"])
    assert strict.chosen.endpoint.encryption == of(AP)
    lax = inspect(document, network=replace(ANY_AS4, publishers=Publishers(sha1=True)), at=NOW)
    assert (lax.signature, lax.verdict) == ("ok", "usable")


def test_of_a_document_whose_signature_is_wrong_endpoints_are_shown_and_none_is_chosen():
    document = smp.write(metadata(), PAIR).replace(b"https://ap.test", b"https://ev.test")

    findings = inspect(document, anchors=(of(SMP_CA),), at=NOW)

    assert (findings.signature, findings.trust, findings.chosen) == ("wrong", "unchecked", None)
    assert problems(findings) == ["SIGNATURE_DIGEST"]
    assert findings.to_json()["endpoints"][0]["url"] == "https://ev.test/as4"


def test_redirects_of_documents_and_of_processes():
    findings = judged(redirect())
    assert (findings.verdict, findings.kind, findings.to_json()["redirect"]) == (
        "usable",
        "redirect",
        {"url": "https://smp2.test/x", "signer": of(OTHER_SMP).subject},
    )

    target = Target(href="https://smp2.test/y", certificates=(certificate(OTHER_SMP),))
    findings = judged(metadata(dialect="oasis2", processes=(Process(identifiers=(PROCESS,), redirect=target),)))
    assert (findings.verdict, findings.kind, findings.chosen) == ("usable", "metadata", None)
    assert findings.to_json()["redirect"] == {"url": "https://smp2.test/y", "signer": of(OTHER_SMP).subject}


@pytest.mark.parametrize("href", ["", "ldap://smp.test/", "file:///etc/passwd"])
def test_a_redirect_to_nothing_that_may_be_asked(href):
    findings = judged(redirect(href=href))

    assert (findings.verdict, problems(findings)) == ("unusable", ["REDIRECT_URL_REFUSED"])


def test_what_the_network_forbids_is_a_problem():
    network = replace(ANY_AS4, publishers=Publishers(dialects=("peppol",)))

    assert problems(judged(metadata(), network=network)) == ["DIALECT_NOT_ALLOWED"]
    assert problems(judged(redirect(href="http://smp2.test/"), network=replace(ANY_AS4, publishers=Publishers()))) == [
        "REDIRECT_URL_REFUSED"
    ]


def test_signed_content_that_is_malformed_is_a_problem_and_has_no_endpoints():
    text = smp1.metadata_text(metadata(), smp1.OASIS).replace("ProcessList>", "Other>")

    findings = inspect(enveloped.signed(text.encode(), PAIR), at=NOW)

    assert (findings.kind, findings.signature, findings.document) == ("metadata", "ok", None)
    assert problems(findings) == ["METADATA_MALFORMED"]
    assert findings.to_json()["endpoints"] == []
