"""GLNs and their check digit."""

import pytest

from ehmi_ap import gln


@pytest.mark.parametrize(
    ("number", "valid"), [("5790000120048", True), ("5790000120049", False), ("57900001200", False)]
)
def test_gln(number: str, valid: bool) -> None:
    assert gln.is_valid(number) is valid


def test_the_digit_that_would_be_right() -> None:
    assert gln.check_digit("5790000120049") == 8
