"""Errors: whose fault each is, and that none is there for nothing."""

import ast
from pathlib import Path

import ehmi_ap
from ehmi_ap.errors import ApError, DeliveryFailure, EbmsError, Fault, PeerError
from tests.errors_reference import leaves

ABSTRACT = {PeerError, EbmsError}


def test_every_error_is_used() -> None:
    """By name, outside errors.py."""
    root = Path(ehmi_ap.__file__).parent
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in root.rglob("*.py") if path.name != "errors.py"]
    used = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert {each.__name__ for each in leaves(ApError) if each not in ABSTRACT} <= used


def test_only_a_failure_to_store_is_ours_among_what_peers_are_answered() -> None:
    ours = {each for each in leaves(EbmsError) if each.fault is not Fault.PEER}
    assert ours == {DeliveryFailure}
    assert DeliveryFailure.retryable
    assert "Show the peer" not in DeliveryFailure("the disk is full").fix
