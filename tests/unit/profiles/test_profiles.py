"""Profiles: what they fix, and how an operator changes the level of a rule."""

import tomllib
from datetime import UTC, datetime

from ehmi_ap.ehmi.names import DOCUMENTIDS, PROCESSID
from ehmi_ap.model import MessageId, Party, PartyId, Service, UserMessage
from ehmi_ap.pmode import parse_pmode
from ehmi_ap.profile import Checked, Finding, Profile
from ehmi_ap.profiles import PROFILES, RULES, with_levels

MESSAGE = UserMessage(
    message_id=MessageId("1@test.example"),
    timestamp=datetime(2026, 11, 23, tzinfo=UTC),
    from_=Party(PartyId("a"), "r"),
    to=Party(PartyId("b"), "r"),
    service=Service("urn:s"),
    action="a",
    conversation_id="c",
    payloads=(),
)


def strict(_: UserMessage) -> Checked:
    return Checked((Finding("V-3", "reject", "one"), Finding("V-5-status", "warn", "two")))


def test_each_is_found_by_its_name() -> None:
    assert {name: profile.name for name, profile in PROFILES.items()} == {"edelivery": "edelivery", "ehmi": "ehmi"}


def test_each_makes_a_pmode_of_a_short_table() -> None:
    table = tomllib.loads('partner = "p"\nurl = "https://p"\ncertificate = "p"\nservice = "urn:s"\nactions = ["a"]')
    for name in PROFILES:
        assert parse_pmode("p", {**table, "profile": name}, us=PartyId("u"), profiles=PROFILES).profile == name


def test_ehmi_documents() -> None:
    """ehmi.md 2.5: one string per message, opaque and case-sensitive."""
    assert PROCESSID == "urn:ehmi:sdn-emergence"
    assert [document.rpartition("::")[2] for document in DOCUMENTIDS] == ["1.1", "1.2", "2.0", "3.0", "5.0", "1.0"]
    assert all(document.count("##") == 1 for document in DOCUMENTIDS)
    assert len(set(DOCUMENTIDS)) == len(DOCUMENTIDS)


def test_levels() -> None:
    """Design decision 9: off, warn or reject."""
    profile = with_levels(Profile(name="x", check=strict), {"V-3": "off", "V-5-status": "reject"})
    assert profile.check is not None
    assert [(found.rule, found.level) for found in profile.check(MESSAGE).findings] == [("V-5-status", "reject")]


def test_no_levels_change_nothing() -> None:
    profile = Profile(name="x", check=strict)
    assert with_levels(profile, {}) is profile
    assert with_levels(Profile(name="x"), {"V-3": "off"}).check is None


def test_every_rule_can_be_named() -> None:
    """Those that an access point can judge: not what only the opened document shows (decision 13)."""
    status = {"V-4", "V-4-action", "V-5", "V-5-status", "V-5-scopes"}
    assert {"V-1", "V-2", "V-3", *status, "V-6", "V-7", "V-8", "V-9", "V-11"} == set(RULES)
