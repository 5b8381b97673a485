"""P-Modes: what a table means, what is a mistake, and which P-Mode a message falls under."""

import re
import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from importlib.resources.abc import Traversable

import pytest

from ehmi_ap.body import MemoryBody
from ehmi_ap.config import shipped_pmodes
from ehmi_ap.ehmi.names import DOCUMENTIDS
from ehmi_ap.errors import ConfigError, ProcessingModeMismatch, SubmissionError
from ehmi_ap.model import (
    AgreementRef,
    MessageId,
    Participant,
    Party,
    PartyId,
    Payload,
    Service,
    Submission,
    UserMessage,
)
from ehmi_ap.pmode import (
    DEFAULT_MPC,
    INITIATOR,
    RESPONDER,
    TEST_ACTION,
    TEST_SERVICE,
    PMode,
    agreed_action,
    agreed_service,
    match_inbound,
    match_outbound,
    parse_pmode,
    parties,
)
from ehmi_ap.profiles import PROFILES

US = PartyId("our-ap", "urn:type")
TABLE: dict[str, object] = {
    "partner": "partner-ap",
    "certificate": "partner",
    "url": "https://ap.partner.example/as4",
    "service": "urn:example:service",
    "actions": ["urn:example:a", "urn:example:b"],
}


def parse(table: dict[str, object], **changes: object) -> PMode:
    return parse_pmode("partner", {**table, **changes}, us=US, profiles=PROFILES)


TEMPLATE: dict[str, object] = {key: TABLE[key] for key in ("service", "actions")} | {"network": "net"}
NETWORKS = {"net": {"trust": ("net-ca",), "policies": ("1.2.3",), "party_binding": "subject-serial"}}


def template(**changes: object) -> PMode:
    """A P-Mode whose partners are looked up."""
    return parse_pmode("dynamic", TEMPLATE | changes, us=US, profiles=PROFILES, networks=NETWORKS)


def mistakes(**changes: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        parse(TABLE, **changes)
    assert all(text.startswith("pmodes/partner.toml: ") for text in refused.value.findings)
    return tuple(text.removeprefix("pmodes/partner.toml: ") for text in refused.value.findings)


class TestParse:
    def test_short(self) -> None:
        pmode = parse(TABLE)
        assert pmode == PMode(
            name="partner",
            us=US,
            partner=PartyId("partner-ap", "urn:type"),
            certificate="partner",
            url="https://ap.partner.example/as4",
            service=Service("urn:example:service"),
            actions=("urn:example:a", "urn:example:b"),
        )

    def test_a_partner_of_ehmi_in_four_lines(self) -> None:
        """A static partner is at most ten lines, and the profile is not repeated."""
        text = 'profile = "ehmi"\npartner = "x"\nurl = "https://x"\ncertificate = "x"\n'
        pmode = parse_pmode("x", tomllib.loads(text), us=US, profiles=PROFILES)
        assert pmode.service == Service("urn:ehmi:sdn-emergence")
        assert pmode.actions == DOCUMENTIDS
        assert pmode.four_corner

    def test_long_forms(self) -> None:
        pmode = parse(
            TABLE,
            partner={"id": "p", "type": "urn:other"},
            us={"id": "we"},
            service={"value": "s", "type": "t"},
            agreement={"value": "a", "type": "t"},
            actions="one",
        )
        assert pmode.partner == PartyId("p", "urn:other")
        assert pmode.us == PartyId("we", "urn:type")
        assert pmode.service == Service("s", "t")
        assert pmode.agreement == AgreementRef("a", "t")
        assert pmode.actions == ("one",)

    def test_parties_without_a_type(self) -> None:
        """ebMS3 core 5.2.2.4: @type is optional; the Commission's messages of 2019 have none."""
        pmode = parse(TABLE, partner={"id": "p", "type": ""}, us={"id": "urn:we", "type": ""})
        assert (pmode.partner, pmode.us) == (PartyId("p"), PartyId("urn:we"))
        assert pmode.partner == parse_pmode("p", TABLE | {"partner": "p"}, us=PartyId("we"), profiles=PROFILES).partner

    def test_our_own_id_may_be_of_another_type_for_a_partner(self) -> None:
        assert parse(TABLE, us={"type": "urn:other"}).us == PartyId(US.value, "urn:other")
        assert parse(TABLE, us={"id": "other"}).us == PartyId("other", US.type)

    def test_a_profile_gives_way_to_the_table(self) -> None:
        pmode = parse({"profile": "ehmi", "certificate": "c", "service": "urn:other", "four_corner": False})
        assert (pmode.service.value, pmode.four_corner, pmode.actions) == ("urn:other", False, DOCUMENTIDS)

    def test_nested_tables_keep_their_other_defaults(self) -> None:
        pmode = parse(TABLE, retry={"attempts": 6, "factor": 1}, security={"encrypt": False}, limits={"parts": 3})
        assert (pmode.retry.attempts, pmode.retry.factor, pmode.retry.window) == (6, 1, 86400)
        assert (pmode.security.encrypt, pmode.security.sign) == (False, "rsa-sha256")
        assert (pmode.limits.parts, pmode.limits.outbound_parts) == (3, 28)

    def test_any_partner_below_an_anchor(self) -> None:
        pmode = parse({"profile": "ehmi", "trust": ["ca"], "party_binding": "subject-cn"})
        assert pmode.partner is None

    def test_a_template_takes_from_its_network_what_it_leaves_out(self) -> None:
        """One file for the dynamic sender and the dynamic receiver (1.15 4.3.2, 4.4.2)."""
        pmode = template()
        assert (pmode.network, pmode.partner, pmode.url, pmode.certificate) == ("net", None, None, None)
        assert (pmode.trust, pmode.policies, pmode.party_binding) == (("net-ca",), ("1.2.3",), "subject-serial")
        own = template(trust=["own"], policies=[], party_binding="subject-cn")
        assert (own.trust, own.policies, own.party_binding) == (("own",), (), "subject-cn")

    def test_the_partner_of_a_template_may_be_preset(self) -> None:
        """Doubt 18 of the conformance catalogue: the Commission presets the party that is looked up (DS_TA02)."""
        assert template(partner="r").partner == PartyId("r", "urn:type")


class TestMistakes:
    @pytest.mark.parametrize(
        ("key", "value", "expected"),
        [
            ("profile", "ehm", "profile: 'ehm' is not a profile; use one of edelivery, ehmi"),
            ("serviceType", "x", "serviceType: is not a setting; did you mean `service`?"),
            ("SenderErrorsTo", "x", "SenderErrorsTo: is not a setting; known here: "),  # CP_TA11
            ("name", "x", "name: is the file's name; leave it out"),
            ("security", {"sgn": "x"}, "[security] sgn: is not a setting; did you mean `sign`?"),
            ("security", {"encrypt": "no"}, "[security] encrypt: has to be true or false, without quotes"),
            ("security", {"sign_token": "x"}, "[security] sign_token: 'x' is not known; use one of bst, "),
            ("security", {"accept_token": ["x"]}, "[security] accept_token: 'x' is not known; use one of bst, "),
            ("security", "x", "security: has to be a table"),
            ("partner", {"type": "x"}, "[partner] id: is missing; add it"),
            ("partner", 5, "partner: has to be a table"),
            ("actions", [], "actions: is empty; name at least one"),
            ("actions", [1], "actions #1: has to be text in quotes"),
            ("url", "ftp://x", "url: has to begin with https://"),
            ("certificate", None, "certificate: nobody is trusted; "),
            ("party_binding", "subject", "party_binding: 'subject' is not known; use one of certificate, "),
            ("mep", "push-and-push", "mep: 'push-and-push' is not known; use one of one-way, two-way"),
            ("error_status", 400, "error_status: 400 is not known; use one of 200, 500"),
            ("timeout", 0, "timeout: has to be more than 0 seconds"),
            ("retry", {"first_wait": -1}, "[retry] first_wait: has to be more than 0 seconds"),
            ("retry", {"factor": 0.5}, "[retry] factor, jitter: "),
            ("retry", {"jitter": 2}, "[retry] factor, jitter: "),
            ("retry", {"attempts": 0}, "[retry] attempts: has to be at least 1; 1 sends once"),
            ("retry", {"attempts": 1.5}, "[retry] attempts: has to be a whole number"),
            ("limits", {"parts": 0}, "[limits] parts: has to be at least 1"),
        ],
    )
    def test_one(self, key: str, value: object, expected: str) -> None:
        assert mistakes(**{key: value})[0].startswith(expected)

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"url": "https://x"}, "url: is what a look-up in the network says"),
            ({"certificate": "c"}, "certificate: is what a look-up in the network says"),
            ({"participants": ["0088:1"]}, "participants: is what a look-up in the network says"),
            ({"party_binding": "certificate"}, 'party_binding: "certificate" needs one certificate'),
            ({"network": "other"}, "network: 'other' is not a network; use one of net, or describe it in networks/ot"),
            ({"network": 7}, "network: has to be text"),
        ],
    )
    def test_one_of_a_template(self, changes: dict[str, object], expected: str) -> None:
        with pytest.raises(ConfigError) as refused:
            template(**changes)
        [finding] = refused.value.findings
        assert finding.startswith(f"pmodes/dynamic.toml: {expected}")

    def test_all_at_once(self) -> None:
        found = mistakes(seervice="x", timeout="long", security={"sgn": "x"}, retry={"window": True})
        assert len(found) == 4

    def test_a_binding_that_needs_a_certificate(self) -> None:
        for partner in ("partner-ap", None):
            found = mistakes(partner=partner, certificate=None, trust=["ca"])
            assert found[0].startswith('party_binding: "certificate" needs')


SHIPPED = sorted(
    (
        file
        for folder in (shipped_pmodes(), shipped_pmodes() / "products")
        for file in folder.iterdir()
        if file.is_file()
    ),
    key=lambda file: file.name,
)


class TestShipped:
    @pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.name)
    def test_each_is_right(self, file: Traversable) -> None:
        """Each parses, and a default that is shown as "#key = value" is the default."""
        text = file.read_text(encoding="utf-8")
        shown = re.sub(r"(?m)^#(\[|[a-z_]+ = )", r"\1", text)
        plain, uncommented = (
            parse_pmode(
                file.name.removesuffix(".toml"),
                tomllib.loads(each),
                us=US,
                profiles=PROFILES,
                networks={"ehmi": NETWORKS["net"]},
            )
            for each in (text, shown)
        )
        assert plain == uncommented

    def test_edelivery_explains_every_key(self) -> None:
        text = (shipped_pmodes() / "edelivery.toml").read_text(encoding="utf-8")
        pmode = parse(TABLE)
        tables = (pmode, pmode.security, pmode.retry, pmode.limits)
        keys = {key for table in tables for key in table.__dataclass_fields__} - {"name"}
        assert {key for key in keys if not re.search(rf"(?m)^(# ?)?\[?{key}(\]| = )", text)} == set()

    def test_the_conformance_set(self) -> None:
        """conformance.md 1"""
        found = {file.name.removesuffix(".toml"): file for file in shipped_pmodes().iterdir()}
        sets = {
            name: parse_pmode(name, tomllib.loads(found[name].read_text()), us=US, profiles=PROFILES)
            for name in ("SIMPLE_ONEWAY", "SIMPLE_TWOWAY", "ONEWAY_RETRY", "ONEWAY_ONLY_SIGN", "PING")
        }
        assert {name: p.retry.attempts for name, p in sets.items()} == {
            "SIMPLE_ONEWAY": 1,
            "SIMPLE_TWOWAY": 1,
            "ONEWAY_RETRY": 6,
            "ONEWAY_ONLY_SIGN": 1,
            "PING": 1,
        }
        assert sets["ONEWAY_RETRY"].retry.longest_wait >= sets["ONEWAY_RETRY"].retry.first_wait
        assert sets["ONEWAY_RETRY"].retry.first_wait < 180
        assert [name for name, p in sets.items() if p.mep == "two-way"] == ["SIMPLE_TWOWAY"]
        assert [name for name, p in sets.items() if not p.security.encrypt] == ["ONEWAY_ONLY_SIGN"]
        assert all(p.compress and not p.party_id_uri for p in sets.values())


def received(pmode: PMode, **changes: object) -> UserMessage:
    values: dict[str, object] = {
        "message_id": MessageId("1@test.example"),
        "timestamp": datetime(2026, 11, 23, tzinfo=UTC),
        "from_": Party(pmode.partner or PartyId("any"), pmode.initiator_role),
        "to": Party(pmode.us, pmode.responder_role),
        "service": pmode.service,
        "action": pmode.actions[0],
        "conversation_id": "c",
        "payloads": (),
    }
    return UserMessage(**{**values, **changes})  # type: ignore[arg-type]  # a table of test values


SWAPPED = [
    ("two-way", "request@test.example", True),
    ("two-way", None, False),
    ("one-way", "request@test.example", False),
    ("one-way", None, False),
]
"""MEP, RefToMessageId, and whether the roles change places."""


class TestInbound:
    pmode = parse(TABLE)

    def test_fits(self) -> None:
        assert match_inbound([self.pmode], received(self.pmode)) is self.pmode
        assert match_inbound([self.pmode], received(self.pmode, mpc=DEFAULT_MPC)) is self.pmode

    @pytest.mark.parametrize(
        ("changes", "named"),
        [
            ({"to": Party(PartyId("other"), RESPONDER)}, "To party"),
            ({"from_": Party(PartyId("partner-ap"), INITIATOR)}, "From party"),  # the type is part of the id
            ({"from_": Party(PartyId("partner-ap", "urn:type"), RESPONDER)}, "roles"),
            ({"service": Service("urn:example:service", "t")}, "service"),
            ({"action": "urn:example:c"}, "action"),
            ({"agreement": AgreementRef("x")}, "agreement"),
            ({"mpc": "urn:mpc"}, "mpc"),
        ],
    )
    def test_names_the_first_value_that_no_pmode_has(self, changes: dict[str, object], named: str) -> None:
        """G06"""
        with pytest.raises(ProcessingModeMismatch, match=f"no P-Mode fits the message's {named}"):
            match_inbound([self.pmode], received(self.pmode, **changes))

    @pytest.mark.parametrize(("mep", "ref_to", "roles_swap"), SWAPPED)
    def test_a_reply_of_two_way_may_have_its_roles_swapped(
        self, mep: str, ref_to: str | None, roles_swap: bool
    ) -> None:
        """CP_TA02: it may, and need not; a request may not, nor anything under a one-way P-Mode."""
        pmode = parse(TABLE, mep=mep)
        plain = received(pmode, ref_to=ref_to and MessageId(ref_to))
        swapped = replace(plain, from_=Party(plain.from_.id, RESPONDER), to=Party(plain.to.id, INITIATOR))
        assert match_inbound([pmode], plain) is pmode
        if roles_swap:
            assert match_inbound([pmode], swapped) is pmode
        else:
            with pytest.raises(ProcessingModeMismatch, match="roles"):
                match_inbound([pmode], swapped)
        for role in (INITIATOR, RESPONDER):
            same = replace(plain, from_=Party(plain.from_.id, role), to=Party(plain.to.id, role))
            with pytest.raises(ProcessingModeMismatch, match="roles"):
                match_inbound([pmode], same)

    def test_a_test_message_fits_whatever_the_action(self) -> None:
        """G38"""
        ping = received(self.pmode, service=Service(TEST_SERVICE), action="anything")
        assert match_inbound([self.pmode], ping) is self.pmode

    def test_a_test_message_falls_under_the_p_mode_for_tests_where_there_is_one(self) -> None:
        """conformance.md 1: PING"""
        ping = parse(TABLE, service=TEST_SERVICE, actions=[TEST_ACTION])
        assert match_inbound([self.pmode, ping], received(ping)) is ping
        assert match_inbound([self.pmode, ping], received(self.pmode)) is self.pmode

    def test_a_named_partner_comes_before_any_partner(self) -> None:
        anyone = replace(self.pmode, name="anyone", partner=None)
        assert match_inbound([anyone, self.pmode], received(self.pmode)) is self.pmode
        stranger = received(self.pmode, from_=Party(PartyId("x"), INITIATOR))
        assert match_inbound([anyone, self.pmode], stranger) is anyone


class TestOutbound:
    a = parse(TABLE, participants=["0088:1"])
    b = replace(a, name="b", partner=PartyId("b-ap", "urn:type"), participants=("0088:2",))

    def asked(self, **changes: object) -> Submission:
        payload = Payload(body=MemoryBody(b"x"), mime_type="text/plain")
        return Submission(**{"payloads": (payload,), **changes})  # type: ignore[arg-type]  # a table of test values

    @pytest.mark.parametrize(
        "changes",
        [
            {"pmode": "b"},
            {"to": PartyId("b-ap", "urn:type")},
            {"receiver": Participant("0088:2")},
            {"receiver": Participant("0088:2"), "service": Service("urn:example:service"), "action": "urn:example:b"},
        ],
    )
    def test_chosen(self, changes: dict[str, object]) -> None:
        assert match_outbound([self.a, self.b], self.asked(**changes)) is self.b

    def test_one_needs_no_choice(self) -> None:
        assert match_outbound([self.a], self.asked()) is self.a

    def test_chosen_by_agreement(self) -> None:
        """G05"""
        agreed = replace(self.a, name="agreed", agreement=AgreementRef("x"))
        assert match_outbound([self.a, agreed], self.asked(agreement=AgreementRef("x"))) is agreed

    def test_ping(self) -> None:
        ping = self.asked(to=self.b.partner, service=Service(TEST_SERVICE), action=TEST_ACTION)
        assert match_outbound([self.a, self.b], ping) is self.b

    def test_ping_by_the_p_mode_for_it(self) -> None:
        """conformance.md 1: PING, beside others with the same partner."""
        others = [self.a, replace(self.a, name="c", service=Service("urn:example:c"))]
        pmode = replace(self.a, name="ping", service=Service(TEST_SERVICE), actions=(TEST_ACTION,))
        ping = self.asked(to=self.a.partner, service=Service(TEST_SERVICE), action=TEST_ACTION)
        assert match_outbound([*others, pmode], ping) is pmode
        with pytest.raises(SubmissionError, match="does not say which P-Mode to use: c, partner"):
            match_outbound(others, ping)

    def test_the_network_s_spelling_is_the_p_mode_s(self) -> None:
        """An envelope knows no type of its PROCESSID and no scheme of its DOCUMENTID (spec/ehmi.md 5.2)."""
        peppol = replace(self.a, service=Service("urn:p", "cenbii-procid-ubl"), actions=("busdox-docid-qns::urn:d::1",))
        asked = self.asked(service=Service("urn:p"), action="urn:d::1")
        assert match_outbound([peppol], asked) is peppol
        assert agreed_service(peppol, asked) == Service("urn:p", "cenbii-procid-ubl")
        assert agreed_action(peppol, asked) == "busdox-docid-qns::urn:d::1"
        with pytest.raises(SubmissionError, match="no P-Mode has the service"):
            match_outbound([peppol], self.asked(service=Service("urn:p", "other-type")))

    @pytest.mark.parametrize(
        ("changes", "chosen"),
        [
            ({"receiver": Participant("0088:3")}, "dynamic"),  # it lives behind no partner that we know
            ({"receiver": Participant("0088:2")}, "b"),
            ({"to": PartyId("b-ap", "urn:type")}, "b"),
            ({"to": PartyId("b-ap", "urn:type"), "receiver": Participant("0088:1")}, "b"),
            ({"to": PartyId("stranger", "urn:type")}, "dynamic"),  # it is looked up itself
            ({"pmode": "dynamic", "receiver": Participant("0088:2")}, "dynamic"),
        ],
    )
    def test_who_is_not_known_is_looked_up(self, changes: dict[str, object], chosen: str) -> None:
        assert match_outbound([self.a, template(), self.b], self.asked(**changes)).name == chosen

    def test_a_receiver_is_looked_up_and_not_the_party_that_c1_thinks_it_is_behind(self) -> None:
        asked = self.asked(to=PartyId("stranger"), receiver=Participant("0088:3"))
        with pytest.raises(SubmissionError, match="no P-Mode has the partner"):
            match_outbound([template()], asked)

    def test_a_template_needs_somebody_to_look_for(self) -> None:
        with pytest.raises(SubmissionError, match="does not say which P-Mode to use: dynamic, partner"):
            match_outbound([self.a, template()], self.asked())

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, "does not say which P-Mode to use: b, partner"),
            ({"receiver": Participant("0088:3")}, "does not say which"),
            ({"pmode": "c"}, "no P-Mode has the name"),
            ({"to": PartyId("b-ap")}, "no P-Mode has the partner"),
            ({"action": "urn:other"}, "no P-Mode has the action"),
        ],
    )
    def test_says_what_to_add(self, changes: dict[str, object], expected: str) -> None:
        with pytest.raises(SubmissionError, match=expected) as refused:
            match_outbound([self.a, self.b], self.asked(**changes))
        assert refused.value.fix

    def test_none_at_all(self) -> None:
        with pytest.raises(SubmissionError, match="none is configured"):
            match_outbound([], self.asked())


@pytest.mark.parametrize(("mep", "ref_to", "roles_swap"), SWAPPED)
def test_parties(mep: str, ref_to: str | None, roles_swap: bool) -> None:
    """CP_TA02: a reply of two-way goes from the responder to the initiator."""
    from_, to = (RESPONDER, INITIATOR) if roles_swap else (INITIATOR, RESPONDER)
    pmode = parse(TABLE, mep=mep)
    assert parties(pmode, PartyId("x"), reply=ref_to is not None) == (Party(US, from_), Party(PartyId("x"), to))
