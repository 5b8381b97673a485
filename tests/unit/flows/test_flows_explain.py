"""A peer's words, made fit for our log and events."""

import pytest

from ehmi_ap.errors import TransportError
from ehmi_ap.flows.explain import advised, hint, quoted, told
from ehmi_ap.model import ErrorSignal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("patient 010203-1234 unknown", "patient [number] unknown"),
        ("patient 0102031234 unknown", "patient [number] unknown"),
        ("GLN 5790000123456 unknown", "GLN 5790000123456 unknown"),
        ("ab345678-1234-4234-8234-a0102031234b has it", "ab345678-1234-4234-8234-a0102031234b has it"),
        ("x0102031234-1234-4234-8234-a0102031234b", "x[number]-1234-4234-8234-a[number]b"),
        ("x" * 501, "x" * 499 + "…"),
    ],
)
def test_text_of_others_is_bounded_and_masked(text: str, shown: str) -> None:
    """What looks like a CPR number never reaches a log or an event; a GLN has more digits."""
    assert quoted(text) == shown


@pytest.mark.parametrize("what", ["it is down", "it is down."])
def test_what_happened_and_what_to_do_are_sentences(what: str) -> None:
    assert advised(TransportError(what, fix="Start it.")) == "it is down. Start it."


def test_errors_become_one_line() -> None:
    """Equal texts once: several products repeat the short description in the others."""
    errors = (
        ErrorSignal(
            code="EBMS:0010", severity="failure", short="ProcessingModeMismatch", description="no", detail="no"
        ),
        ErrorSignal(code="EBMS:0102", severity="failure"),
    )
    assert told(errors) == "EBMS:0010 ProcessingModeMismatch: no; EBMS:0102"


@pytest.mark.parametrize("code", ["EBMS:0001", "EBMS:0003", "EBMS:0010"])
def test_agreement_codes_point_to_the_pmode(code: str) -> None:
    """peers-live 10, sender 11."""
    assert "P-Mode" in hint(code)


def test_0009_is_not_only_the_header() -> None:
    """Oxalis says it of an unknown CA and of algorithms too (peers-live 4)."""
    for word in ("header", "certificate", "algorithm"):
        assert word in hint("EBMS:0009")


def test_not_serviced_is_not_only_an_unknown_receiver() -> None:
    """Oxalis says it of nearly anything (peers-live 4; 10, sender 11)."""
    said = hint("EBMS:0004", "EBMS:0004 Other: PEPPOL:NOT_SERVICED")
    for word in ("receiver", "signature", "encrypted", "BinarySecurityToken"):
        assert word in said
    assert hint("EBMS:0010", "PEPPOL:NOT_SERVICED") == hint("EBMS:0010")


@pytest.mark.parametrize(
    ("code", "text", "word"),
    [
        ("EBMS:0102", "Cannot find key for certificate", "encrypt for"),  # phase4
        ("EBMS:0103", "PolicyNoncompliance: Cannot find key for certificate", "encrypt for"),  # Domibus
        ("EBMS:0103", "Error during certificate path validation: No trusted certs found", "trust our signing"),
        ("EBMS:0102", "javax.crypto.AEADBadTagException: Tag mismatch!", "on the way"),
        ("EBMS:0004", "A0001:Authorization to send refused", "stored for our party"),
    ],
)
def test_a_text_that_says_more_than_its_code_decides(code: str, text: str, word: str) -> None:
    """peers-live 4: one text, whatever code the product chose for it; never where the code itself says what it is."""
    assert word in hint(code, text)
    assert hint(code, text) != hint(code)
    assert hint("EBMS:0001", text) == hint("EBMS:0001")


def test_the_code_of_a_duplicate_asks_whether_it_is_ours() -> None:
    assert "MessageId already" in hint("EBMS:4001")


@pytest.mark.parametrize("code", [None, "EBMS:4711"])
def test_unknown_codes_have_a_hint_too(code: str | None) -> None:
    assert "Ask the peer" in hint(code)
