"""Who may sign metadata: chain, time, key, policies, and the subjects that a network names."""

from dataclasses import replace
from datetime import timedelta

import pki
import pytest

from ehmi_ap.crypto.keys import KeyPair
from ehmi_ap.discovery import smp
from ehmi_ap.discovery.network import Publishers
from ehmi_ap.discovery.signer import check_signer
from ehmi_ap.errors import Untrusted
from tests.unit.discovery.smp_documents import NOW, PAIR, SMP_CA, metadata, of

HOUR = timedelta(hours=1)
ANCHORS = (of(SMP_CA),)


def signature(identity: pki.Identity):
    pair = KeyPair(identity.key, of(identity), ())
    return smp.read(smp.write(metadata(), pair)).signature


def refused(identity: pki.Identity, publishers: Publishers = Publishers(), anchors=ANCHORS) -> str:  # noqa: B008 - frozen
    with pytest.raises(Untrusted) as caught:
        check_signer(signature(identity), publishers, anchors, at=NOW)
    assert of(identity).subject in caught.value.what
    return caught.value.reason


def test_the_path_of_a_signer_is_what_is_asked_for_its_revocation():
    signed = smp.read(smp.write(metadata(), PAIR)).signature

    assert check_signer(signed, Publishers(), ANCHORS, at=NOW) == (PAIR.certificate, of(SMP_CA))
    assert check_signer(signed, Publishers(), (PAIR.certificate,), at=NOW) == (PAIR.certificate,)


def test_the_certificates_beside_the_signer_s_help_to_find_its_path():
    issuing = pki.make_ca("Issuing CA", issuer=SMP_CA, key="intermediate")
    signed = signature(pki.make_leaf(issuing, "SMP_3"))

    with pytest.raises(Untrusted):
        check_signer(signed, Publishers(), ANCHORS, at=NOW)
    path = check_signer(replace(signed, others=(of(issuing),)), Publishers(), ANCHORS, at=NOW)
    assert path == (signed.signer, of(issuing), of(SMP_CA))


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        (pki.make_leaf(pki.make_ca("SMP CA", key="d")), "SIGNER_UNTRUSTED"),
        (pki.make_leaf(None), "SIGNER_UNTRUSTED"),
        (pki.make_leaf(SMP_CA, not_after=NOW - HOUR), "SIGNER_EXPIRED"),
        (pki.make_leaf(SMP_CA, not_before=NOW + HOUR), "SIGNER_NOT_YET_VALID"),
        (pki.make_leaf(SMP_CA, key="rsa1024-a"), "SIGNER_WEAK"),
        (pki.make_leaf(SMP_CA, key_usage=["key_encipherment"]), "SIGNER_UNFIT"),
    ],
)
def test_a_signer_that_may_not(identity, reason):
    assert refused(identity) == reason


def test_without_anchors_nobody_may():
    assert refused(pki.make_leaf(SMP_CA), anchors=()) == "SIGNER_UNTRUSTED"


def test_policies():
    wanted = Publishers(policies=("1.2.3",))

    assert refused(pki.make_leaf(SMP_CA), wanted) == "SIGNER_POLICY"
    assert check_signer(signature(pki.make_leaf(SMP_CA, policies=["1.2.3"])), wanted, ANCHORS, at=NOW)


@pytest.mark.parametrize(
    ("subject", "passes"),
    [
        ("CN=SMP_1,O=Test,C=DK", True),
        ("CN=SMP_[0-9],.*", True),
        (".*SMP_1.*", True),
        ("SMP_1", False),
        ("CN=SMP_", False),
    ],
)
def test_subjects_are_matched_as_a_whole(subject, passes):
    publishers = Publishers(subject=subject)
    identity = pki.make_leaf(SMP_CA, "SMP_1")

    if passes:
        assert check_signer(signature(identity), publishers, ANCHORS, at=NOW)
    else:
        assert refused(identity, publishers) == "SIGNER_SUBJECT"
