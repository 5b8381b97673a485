"""Every reason has one outcome and says what to do."""

import re

import pytest

from ehmi_ap.discovery.faults import FAULTS, certificate_fault, fault, signature_fault
from ehmi_ap.discovery.found import FOUND, OUTCOMES
from ehmi_ap.errors import (
    BudgetExceeded,
    CertificateRefused,
    MalformedSecurity,
    MalformedXml,
    NotAllowedAlgorithm,
    Unavailable,
    WrongDigest,
    WrongSignature,
    XmlSecurityError,
)


@pytest.mark.parametrize("reason", FAULTS)
def test_each_reason_is_a_word_in_capitals_with_a_sentence(reason: str) -> None:
    error = fault(reason, "it happened")
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)+", reason)
    assert (error.reason, str(error)) == (reason, "it happened")
    assert re.fullmatch(r"[A-Z`].*\.", error.fix)
    assert len(error.fix) < 240


def test_the_outcomes_are_those_of_decision_14() -> None:
    assert {kind.outcome for kind, _ in FAULTS.values()} == set(OUTCOMES) - {FOUND}


def test_only_what_can_mend_itself_or_be_mended_here_is_tried_again() -> None:
    tried = {reason for reason, (kind, _) in FAULTS.items() if kind.retryable}
    assert {fault(reason, "").outcome for reason in tried} == {"unavailable", "misconfigured"}


def test_the_time_that_the_other_side_named_is_kept() -> None:
    assert fault("SMP_STATUS", "503", retry_after=120.0).retry_after == 120.0


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MalformedXml("no XML"), "SMP_NOT_XML"),
        (BudgetExceeded("elements", 10), "SMP_TOO_LARGE"),
        (NotAllowedAlgorithm("digest", "urn:x"), "SIGNATURE_ALGORITHM"),
        (WrongDigest("changed"), "SIGNATURE_DIGEST"),
        (WrongSignature("wrong"), "SIGNATURE_VALUE"),
        (MalformedSecurity("no SignedInfo"), "SIGNATURE_FORM"),
        (CertificateRefused("not-yet-valid", "tomorrow"), "SIGNER_NOT_YET_VALID"),
    ],
)
def test_what_crypto_says_of_an_answer(error: XmlSecurityError, reason: str) -> None:
    found = signature_fault(error)
    assert found.reason == reason
    assert str(found) == error.what
    assert isinstance(found, Unavailable) == reason.startswith("SMP_")


@pytest.mark.parametrize("whose", ["SIGNER", "ENDPOINT"])
@pytest.mark.parametrize("word", ["untrusted", "expired", "not-yet-valid", "unfit", "weak", "policy"])
def test_every_refusal_of_a_certificate_has_its_reason(whose: str, word: str) -> None:
    assert certificate_fault(whose, CertificateRefused(word, "no")).outcome == "untrusted"
