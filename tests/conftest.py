"""What every room's tests share: the clock, ids that count, the folder of foreign test data, a small PKI."""

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pki
import pytest

from ehmi_ap.model import MessageId

pytest_plugins = ["tests.conformance.report"]

_CHECKOUT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of messages, schemas and keys of other makers; $EHMI_AP_SHARED, or `shared` beside the checkout."""
    shared = Path(os.environ.get("EHMI_AP_SHARED", _CHECKOUT.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip("no shared test data: set EHMI_AP_SHARED to the folder that holds `data`")
    return shared / "data"


@pytest.fixture
def now() -> datetime:
    """The suite's fixed clock."""
    return pki.NOW


@pytest.fixture
def new_id() -> Callable[[], MessageId]:
    """Message ids that count: 1@test.example, 2@test.example, ..."""
    numbers = itertools.count(1)
    return lambda: MessageId(f"{next(numbers)}@test.example")


@dataclass(frozen=True)
class TestPki:
    """One root, one issuing CA, and two partners below it; `stranger` stands below a root of its own."""

    __test__ = False

    root: pki.Identity
    issuing: pki.Identity
    sender: pki.Identity
    receiver: pki.Identity
    stranger: pki.Identity


@pytest.fixture(scope="session")
def test_pki() -> TestPki:
    """The certificates most tests need, made once; tests that need odd ones use pki.make_leaf."""
    root = pki.make_ca("Test root")
    issuing = pki.make_ca("Test issuing CA", issuer=root)
    return TestPki(
        root=root,
        issuing=issuing,
        sender=pki.make_leaf(issuing, "sender", key="a"),
        receiver=pki.make_leaf(issuing, "receiver", key="b"),
        stranger=pki.make_leaf(pki.make_ca("Other root", key="d"), "stranger", key="c"),
    )
