"""The steps of judging an envelope, each for itself: what inspect calls one by one."""

from dataclasses import replace

import pki
import pytest
from sample_exchange import (
    ALPHA,
    alpha,
    answered,
    beta,
    certificate,
    crafted,
    inbound,
    issuing,
    message,
    outbound,
    payload,
    security,
    sent,
    stranger,
    trust,
    verified,
)

from ehmi_ap.as4 import verify
from ehmi_ap.as4.mime import Part
from ehmi_ap.as4.soap import Envelope
from ehmi_ap.as4.verify import Proof, Signer
from ehmi_ap.crypto.safexml import DEFAULT_LIMITS, XmlLimits
from ehmi_ap.errors import FailedAuthentication, HttpRefusal, PolicyNoncompliance
from ehmi_ap.model import Wire


def _taken_apart(wire: Wire) -> tuple[Envelope, list[Part]]:
    parts = verify.split(wire)
    return verify.parse_envelope(parts[0], DEFAULT_LIMITS), parts


def _proof(wire: Wire, **changes: tuple[str, ...]) -> tuple[Proof, Envelope, list[Part]]:
    envelope, parts = _taken_apart(wire)
    policy = security(inbound(), **changes).security
    return verify.read_proof(envelope, parts, security=policy, trust=trust(), now=pki.NOW), envelope, parts


def test_split_has_a_budget_of_parts() -> None:
    wire = sent(message(payload(), payload(), payload())).wire
    assert len(verify.split(wire, parts=3)) == 4
    with pytest.raises(HttpRefusal) as refused:
        verify.split(wire, parts=2)
    assert refused.value.status == 413


def test_the_envelope_has_a_budget() -> None:
    parts = verify.split(crafted())
    with pytest.raises(HttpRefusal) as refused:
        verify.parse_envelope(parts[0], XmlLimits(bytes=100))
    assert refused.value.status == 413


def test_a_proof_points_at_the_very_elements_of_the_envelope() -> None:
    """as4-wire 9.15: objects, not names."""
    proof, envelope, parts = _proof(crafted())
    elements = [element for element, _ in proof.elements]
    assert elements[0] is envelope.messaging
    assert elements[1] is envelope.body
    assert list(proof.parts) == [1]
    assert proof.signers == (Signer(certificate=certificate(alpha())),)
    assert [reference.uri for reference in proof.references()] == ["#messaging", "#body", "cid:p1@craft.example"]
    verify.check_elements(proof)
    assert verify.check_value(proof) == proof.signers
    verify.check_coverage(proof, envelope, len(parts))


def test_a_proof_of_a_message_that_is_wrong_in_one_thing_holds_in_the_others() -> None:
    """Decision 25: inspect reports each thing for itself."""
    wrong_header = crafted(envelope=lambda data: data.replace(b">c1<", b">c2<"))
    proof, envelope, parts = _proof(wrong_header)
    with pytest.raises(FailedAuthentication):
        verify.check_elements(proof)
    assert verify.check_value(proof) == proof.signers
    verify.check_coverage(proof, envelope, len(parts))


def test_the_wrong_transform_on_an_element() -> None:
    transform = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
    old = '#body"><ds:Transforms><ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#'
    proof, _, _ = _proof(
        crafted(signed_info=lambda text: text.replace(old, old.rpartition('="')[0] + f'="{transform}'))
    )
    with pytest.raises(PolicyNoncompliance, match="transform"):
        verify.check_elements(proof)


def test_a_part_is_signed_once() -> None:
    """However its Content-ID is escaped: else each reference would cost a digest of the whole part."""

    def twice(text: str) -> str:
        start = text.index('<ds:Reference URI="cid:p1@')
        end = text.index("</ds:SignedInfo>")
        return text[:end] + text[start:end].replace("p1@", "p1%40") + text[end:]

    with pytest.raises(FailedAuthentication, match="one part"):
        _proof(crafted(signed_info=twice))


def test_an_inclusive_c14n_of_signed_info() -> None:
    """as4-wire 3.6: exclusive C14N only."""
    with pytest.raises(PolicyNoncompliance, match="canonicalization"):
        _proof(
            crafted(
                signed_info=lambda text: text.replace(
                    'Method Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"',
                    'Method Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"',
                )
            )
        )


def test_an_answer_is_taken_apart_like_a_request() -> None:
    proof, envelope, _ = _proof(answered(verified(crafted())))
    verify.check_elements(proof)
    verify.check_coverage(proof, envelope, parts=1)
    assert verify.check_value(proof)[0].certificate == certificate(beta())


def test_the_intermediates_of_a_pkipath_come_with_the_signer() -> None:
    wire = sent(message(payload()), security(outbound(), sign_token="pkipath")).wire
    proof, _, _ = _proof(wire)
    assert certificate(issuing()) in proof.signers[0].others
    with pytest.raises(PolicyNoncompliance, match="pkipath"):
        _proof(wire, accept_token=("bst", "ski"))


def test_only_signers_whose_key_fits_are_left() -> None:
    proof, _, _ = _proof(crafted())
    both = replace(proof, signers=(Signer(certificate=certificate(beta())), *proof.signers))
    assert verify.check_value(both) == proof.signers
    with pytest.raises(FailedAuthentication):
        verify.check_value(replace(proof, signers=both.signers[:1]))
    with pytest.raises(FailedAuthentication):
        verify.check_value(replace(proof, signers=()))


def test_the_first_signer_that_is_trusted_is_taken() -> None:
    signers = [Signer(certificate=certificate(each)) for each in (stranger(), alpha())]
    arguments = {"pmode": inbound(), "party": ALPHA, "trust": trust(), "now": pki.NOW}
    assert verify.check_signers(signers, **arguments) == certificate(alpha())
    with pytest.raises(FailedAuthentication, match="not the one agreed"):
        verify.check_signers(signers[:1], **arguments)


def test_an_unknown_binding_binds_nobody() -> None:
    """Fails closed."""
    with pytest.raises(FailedAuthentication, match="by shoe-size"):
        verify.check_signer(
            Signer(certificate=certificate(alpha())),
            pmode=inbound(party_binding="shoe-size"),
            party=ALPHA,
            trust=trust(),
            now=pki.NOW,
        )


def test_no_security_header_at_all() -> None:
    envelope, _ = _taken_apart(crafted(sign=False, encrypt=False))
    assert envelope.security is None
    assert verify.binary_tokens(envelope) == {}
    verify.check_header(envelope, pki.NOW)
    with pytest.raises(PolicyNoncompliance, match="not signed"):
        verify.read_signature(envelope)
