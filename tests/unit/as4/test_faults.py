"""From crypto's words to ebMS's, and which fault comes first (as4-wire 6.4)."""

import pytest

from ehmi_ap.as4.faults import Faults, spoken_as
from ehmi_ap.errors import (
    BudgetExceeded,
    CertificateRefused,
    DecryptionFailed,
    FailedAuthentication,
    FailedDecryption,
    InvalidHeader,
    MalformedSecurity,
    NotAllowedAlgorithm,
    PolicyNoncompliance,
    ReferenceNotFound,
    StoreError,
    TokenNotFound,
    WrongDigest,
    WrongSignature,
    XmlSecurityError,
)


@pytest.mark.parametrize(
    "error",
    [NotAllowedAlgorithm("digest", "urn:x"), ReferenceNotFound("to nothing"), BudgetExceeded("references", 108)],
)
def test_what_is_not_allowed_is_a_matter_of_policy_wherever_it_stands(error: XmlSecurityError) -> None:
    for otherwise in (FailedAuthentication, FailedDecryption):
        with pytest.raises(PolicyNoncompliance, match=str(error)), spoken_as(otherwise):
            raise error


@pytest.mark.parametrize(
    "error",
    [
        WrongDigest("a"),
        WrongSignature("b"),
        TokenNotFound("c"),
        MalformedSecurity("d"),
        CertificateRefused("expired", "e"),
        DecryptionFailed("f"),
    ],
)
def test_anything_else_is_the_business_of_its_step(error: XmlSecurityError) -> None:
    for otherwise in (FailedAuthentication, FailedDecryption):
        with pytest.raises(otherwise, match=str(error)) as raised, spoken_as(otherwise):
            raise error
        assert raised.value.__cause__ is error
        assert raised.value.public == otherwise.default_public


def test_other_errors_pass() -> None:
    for error in (InvalidHeader("x"), StoreError("y"), KeyError("z")):
        with pytest.raises(type(error)), spoken_as(FailedAuthentication):
            raise error


def test_the_lowest_step_is_answered_whatever_the_order() -> None:
    faults = Faults()
    faults.raise_first()
    with faults.at(8):
        raise FailedAuthentication("eight")
    with faults.at(7):
        raise PolicyNoncompliance("seven")
    with faults.at(7):
        raise PolicyNoncompliance("seven again")
    assert faults.any()
    assert faults.up_to(7)
    assert not faults.up_to(6)
    with pytest.raises(PolicyNoncompliance, match=r"^seven$"):
        faults.raise_first()


def test_only_faults_of_the_peer_are_noted() -> None:
    faults = Faults()
    with pytest.raises(StoreError), faults.at(5):
        raise StoreError("ours")
    assert not faults.any()
