"""One spelling per name: where a lower floor spells a URI too, it is the same one."""

import pytest

from ehmi_ap.as4 import names
from ehmi_ap.crypto import algorithms, safexml
from ehmi_ap.pmode import EBMS


def test_qname_is_the_expanded_name() -> None:
    assert names.qname(names.DS, "Reference") == "{http://www.w3.org/2000/09/xmldsig#}Reference"


@pytest.mark.parametrize(
    ("here", "below"),
    [(names.EB, EBMS), (names.WSU, safexml.WSU), (names.DS, algorithms.DS), (names.EC, algorithms.EXC_C14N)],
)
def test_floors_agree(here: str, below: str) -> None:
    assert here == below


def test_the_ebms_namespace_ends_in_a_slash() -> None:
    """as4-wire 0: the trailing slash is part of it."""
    assert names.EB.endswith("/200704/")
