"""The operations, played against a management service that takes the published messages to the letter."""

import socket
from datetime import date

import pki
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.discovery.naptr import select
from ehmi_ap.discovery.network import Naming
from ehmi_ap.discovery.sml import dns_name
from ehmi_ap.model import Participant
from ehmi_ap.questions import Naptr
from ehmi_ap.sml import (
    Publisher,
    Sml,
    SmlBadRequest,
    SmlInput,
    SmlInternalError,
    SmlNotFound,
    SmlUnauthorized,
    SmlUnreadable,
)
from tests.sml_stub import FIRST, LOCATOR, ROOT, SOAP, ZONE, Refused, SmlStub, Told, envelope, fault, say

KEY = "aB1-cD2-eF3=gH4"
TODAY = date(2026, 11, 23)
OURS = Publisher(id="FIRST-SMP", logical_address="https://smp.first.example/", physical_address="192.0.2.1")
THEIRS = Publisher(id="SECOND-SMP", logical_address="https://smp.second.example/smp", physical_address="192.0.2.2")


def upis(*values: str) -> list[Participant]:
    return [Participant(value, "iso6523-actorid-upis") for value in values]


THREE = upis("0088:5790000121526", "0088:5790000201389", "9915:Test")


@pytest.fixture
def registered(sml: Sml) -> Sml:
    """The first operator's SMP is registered, and has three participants."""
    sml.create_publisher(OURS)
    sml.create(OURS.id, THREE)
    return sml


def values(participants: list[Participant]) -> list[str]:
    return [each.value.lower() for each in participants]


def test_a_participant_comes_moves_and_goes(stub: SmlStub, sml: Sml, other: Sml) -> None:
    """Register an SMP, add three participants, list them, migrate one to another SMP, take all of it out."""
    sml.check_alive()
    sml.create_publisher(OURS)
    assert sml.read_publisher(OURS.id) == OURS
    assert list(sml.participants(OURS.id)) == []
    sml.create(OURS.id, THREE)
    assert values(list(sml.participants(OURS.id))) == values(THREE)
    name = f"eh5boavaktmbgzyh2a63dz4qov33fvp5nsdvqklucfraayoodw6a.iso6523-actorid-upis.{ZONE}"  # discovery.md 1.4, 4
    assert stub.zone[name] == (100, 10, "U", "Meta:SMP", "!.*!https://smp.first.example/!")

    other.create_publisher(THEIRS)
    sml.prepare_to_migrate(OURS.id, THREE[2], KEY)
    other.migrate(THEIRS.id, THREE[2], KEY)
    assert values(list(sml.participants(OURS.id))) == values(THREE[:2])
    assert values(list(other.participants(THEIRS.id))) == ["9915:test"]
    assert stub.zone[name] == (100, 10, "U", "Meta:SMP", "!.*!https://smp.second.example/smp!")
    with pytest.raises(SmlNotFound):
        sml.delete(OURS.id, THREE[2:])

    sml.delete(OURS.id, THREE[:1])
    sml.delete_publisher(OURS.id)
    assert list(stub.publishers) == [THEIRS.id]
    assert list(stub.zone) == [name]
    assert stub.migrations == {}


def test_an_smp_is_given_another_url(stub: SmlStub, registered: Sml) -> None:
    moved = Publisher(id=OURS.id, logical_address="https://new.example/", physical_address="192.0.2.9")
    registered.update_publisher(moved)
    assert registered.read_publisher(OURS.id) == moved
    assert {record[-1] for record in stub.zone.values()} == {"!.*!https://new.example/!"}


def test_one_participant_is_a_create_and_several_are_a_list(stub: SmlStub, registered: Sml) -> None:
    registered.create(OURS.id, upis("0088:1"))
    registered.delete(OURS.id, upis("0088:1"))
    registered.delete(OURS.id, THREE)
    said = [told.action.rpartition(":")[2] for told in stub.told]
    assert said == ["createIn", "createListIn", "createIn", "deleteIn", "deleteListIn"]
    assert stub.participants == {}


def test_many_go_in_lists_of_a_hundred_and_come_in_pages(stub: SmlStub, registered: Sml) -> None:
    stub.page = 40
    many = upis(*(f"0088:{number}" for number in range(250)))
    done: list[int] = []
    registered.create(OURS.id, many, advance=done.append)
    assert done == [100, 100, 50]
    assert values(list(registered.participants(OURS.id))) == values(THREE) + values(many)
    registered.delete(OURS.id, many, advance=done.append)
    assert done[3:] == [100, 100, 50]
    assert len(stub.participants) == 3


def test_a_failure_in_between_says_how_far_it_came(stub: SmlStub, registered: Sml) -> None:
    """A list is taken as a whole or not at all, so the count is exact."""
    many = upis(*(f"0088:{number}" for number in range(250)))
    done: list[int] = []
    registered.create(OURS.id, upis("0088:120"))
    with pytest.raises(SmlBadRequest, match="already exist"):
        registered.create(OURS.id, many, advance=done.append)
    assert sum(done) == 100
    assert len(stub.participants) == 3 + 1 + 100


def test_a_naptr_service_of_our_own(stub: SmlStub, registered: Sml) -> None:
    registered.create(OURS.id, upis("0088:7", "0088:8"), service="Meta:EHMI")
    assert {service for who, (_, service) in stub.participants.items() if who[1] in ("0088:7", "0088:8")} == {
        "Meta:EHMI"
    }


def found_in(stub: SmlStub, participant: Participant) -> str | None:
    """The SMP that a look-up finds in what the SML publishes."""
    order, preference, flags, service, regexp = stub.zone[dns_name(participant, ZONE, Naming())]
    record = Naptr(order=order, preference=preference, flags=flags, service=service, regexp=regexp)
    return select([record], ZONE, ["Meta:SMP"]).url


def test_what_is_registered_is_found(stub: SmlStub, registered: Sml) -> None:
    """By the look-up of an access point, for each form of identifier."""
    ebcore = Participant("5790000121526", "urn:oasis:names:tc:ebcore:partyid-type:iso6523:0088")
    registered.create(OURS.id, [ebcore])
    for participant in (*THREE, ebcore):
        assert found_in(stub, participant) == OURS.logical_address.rstrip("/")


def test_a_url_in_place_of_the_service_would_hide_a_participant(stub: SmlStub, registered: Sml) -> None:
    """phoss-smp 482: a service takes it, which is why we do not send it."""
    who = ("iso6523-actorid-upis", THREE[0].value)
    stub.participants[who] = (OURS.id, OURS.logical_address)
    assert found_in(stub, THREE[0]) is None
    before = len(stub.told)
    with pytest.raises(SmlInput, match="no NAPTR service") as refused:
        registered.create(OURS.id, upis("0088:9"), service=OURS.logical_address)
    assert "Meta:SMP" in refused.value.fix
    assert len(stub.told) == before


def test_participants_of_every_identifier(stub: SmlStub, registered: Sml) -> None:
    registered.create(OURS.id, upis("*"))
    assert ("iso6523-actorid-upis", "*") in stub.participants


class TestChangeOfCertificate:
    def test_it_goes_as_pem_with_begin_and_end(self, stub: SmlStub, registered: Sml) -> None:
        """phoss-smp 151: without them the service calls it a bad request."""
        new = pki.make_leaf(ROOT, "first operator", key="d")
        certificate = Certificate.from_der(new.cert.public_bytes(Encoding.DER))
        registered.prepare_change_certificate(certificate, date(2026, 12, 1), today=TODAY)
        assert stub.changes == {"CN=first operator": (new.pem.decode(), "2026-12-01")}

    def test_without_a_day_it_is_the_first_of_its_validity(self, stub: SmlStub, registered: Sml) -> None:
        new = pki.make_leaf(ROOT, "first operator", key="d", not_before=pki.NOW + 5 * pki.YEAR)
        registered.prepare_change_certificate(Certificate.from_x509(new.cert), today=TODAY)
        assert stub.changes["CN=first operator"][1] is None


class TestFaults:
    """Each of the four, from the service in its own words."""

    def test_not_found(self, sml: Sml) -> None:
        with pytest.raises(SmlNotFound) as refused:
            sml.read_publisher("NOBODY")
        assert str(refused.value) == "the SML says: [ERR-100] The SMP 'NOBODY' doesn't exist. [VH_QReaAzDt]"
        assert not refused.value.retryable

    def test_unauthorized_for_another_certificate(self, stub: SmlStub, registered: Sml, other: Sml) -> None:
        with pytest.raises(SmlUnauthorized, match=r"FIRST-SMP.*second operator") as refused:
            other.delete_publisher(OURS.id)
        assert "certificate" in refused.value.fix
        assert OURS.id in stub.publishers

    def test_unauthorized_for_another_key(self, stub: SmlStub, registered: Sml, other: Sml) -> None:
        other.create_publisher(THEIRS)
        registered.prepare_to_migrate(OURS.id, THREE[0], KEY)
        with pytest.raises(SmlUnauthorized, match="key") as refused:
            other.migrate(THEIRS.id, THREE[0], KEY[::-1])
        assert KEY[::-1] not in str(refused.value)
        assert stub.participants["iso6523-actorid-upis", THREE[0].value][0] == OURS.id

    def test_unauthorized_while_a_migration_is_prepared(self, stub: SmlStub, registered: Sml) -> None:
        registered.prepare_to_migrate(OURS.id, THREE[0], KEY)
        with pytest.raises(SmlUnauthorized, match="migration is planned"):
            registered.delete(OURS.id, THREE)
        assert len(stub.participants) == 3

    def test_bad_request_for_what_is_there_already(self, registered: Sml, other: Sml) -> None:
        with pytest.raises(SmlBadRequest, match="already exists"):
            registered.create_publisher(OURS)
        other.create_publisher(THEIRS)
        with pytest.raises(SmlBadRequest, match="already exist") as refused:
            other.create(THEIRS.id, THREE[:1])
        assert "migrated" in refused.value.fix

    def test_internal_error_may_be_tried_again(self, stub: SmlStub, sml: Sml) -> None:
        stub.scene = lambda handler: say(handler, 500, fault("InternalError", "Internal error"))
        with pytest.raises(SmlInternalError, match=r"Internal error \[VH_QReaAzDt\]") as refused:
            sml.check_alive()
        assert refused.value.retryable


class TestOddAnswers:
    """A result that is not what was asked for is no result."""

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "<html/>",
            '<ServiceMetadataPublisherService xmlns="urn:other"/>',
            f'<ParticipantIdentifierPage xmlns="{LOCATOR}"/>',
            f'<ServiceMetadataPublisherService xmlns="{LOCATOR}"/>',
            f'<ServiceMetadataPublisherService xmlns="{LOCATOR}"><x/></ServiceMetadataPublisherService>',
        ],
    )
    def test_an_smp_that_is_none(self, stub: SmlStub, sml: Sml, body: str) -> None:
        stub.scene = lambda handler: say(handler, 200, envelope(body))
        with pytest.raises(SmlUnreadable):
            sml.read_publisher(OURS.id)

    def test_a_list_that_is_none(self, stub: SmlStub, sml: Sml) -> None:
        stub.scene = lambda handler: say(handler, 200, envelope("<participants/>"))
        with pytest.raises(SmlUnreadable, match="another thing than ParticipantIdentifierPage"):
            list(sml.participants(OURS.id))

    def test_a_list_without_an_end(self, stub: SmlStub, sml: Sml) -> None:
        more = "<NextPageIdentifier>2</NextPageIdentifier>"
        body = envelope(f'<ParticipantIdentifierPage xmlns="{LOCATOR}">{more}</ParticipantIdentifierPage>')
        stub.scene = lambda handler: say(handler, 200, body)
        with pytest.raises(SmlUnreadable, match="circle"):
            list(sml.participants(OURS.id))
        assert len(stub.told) == 2

    def test_an_empty_page_is_an_end(self, stub: SmlStub, sml: Sml) -> None:
        page = f'<ParticipantIdentifierPage xmlns="{LOCATOR}"/>'
        stub.scene = lambda handler: say(handler, 200, envelope(page))
        assert list(sml.participants(OURS.id)) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda sml: sml.create_publisher(
            Publisher(id="a_b", logical_address="https://a", physical_address="192.0.2.1")
        ),
        lambda sml: sml.update_publisher(Publisher(id="A", logical_address="smp", physical_address="192.0.2.1")),
        lambda sml: sml.read_publisher(""),
        lambda sml: sml.delete_publisher("a b"),
        lambda sml: sml.create("SMP", []),
        lambda sml: sml.create("SMP", [*THREE, THREE[0]]),
        lambda sml: sml.create("-", THREE),
        lambda sml: sml.delete("SMP", upis("0088:1", "5790000121526")),
        lambda sml: list(sml.participants("SMP/")),
        lambda sml: sml.prepare_to_migrate("SMP", THREE[0], "weak"),
        lambda sml: sml.migrate("SMP", THREE[0], "a1b2C3D4"),
        lambda sml: sml.migrate("SMP", upis("x")[0], KEY),
        lambda sml: sml.prepare_change_certificate(Certificate.from_x509(FIRST.cert), today=TODAY),
    ],
)
def test_what_cannot_be_sent_is_not(stub: SmlStub, sml: Sml, ask) -> None:
    with pytest.raises(SmlInput):
        ask(sml)
    assert stub.told == []


def test_nothing_is_fetched_to_begin(showing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The WSDL is our own file, without imports; no connection is made before the first question."""

    def refuse(*_: object) -> None:
        raise AssertionError("a connection was made")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with Sml("https://sml.example/edelivery-sml", showing(FIRST)):
        pass


class TestTheStub:
    """It would notice a client that strays from the published interfaces."""

    ID = "http://busdox.org/serviceMetadata/ManageBusinessIdentifierService/1.0/         :createIn"
    WHO = '<i:ParticipantIdentifier xmlns:i="http://busdox.org/transport/identifiers/1.0/" scheme="a-b-c">1</i:ParticipantIdentifier>'
    SMP = "<ServiceMetadataPublisherID>SMP</ServiceMetadataPublisherID>"

    def post(self, stub: SmlStub, inner: str, *, action: str = ID, path: str = "/manageparticipantidentifier") -> str:
        body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{inner}</s:Body></s:Envelope>'.encode()
        headers = {"content-type": "text/xml; charset=utf-8"}
        return stub.answer(Told(path=path, action=action, headers=headers, body=body), "CN=x")

    def test_order_names_and_namespaces_count(self, stub: SmlStub) -> None:
        right = f'<CreateParticipantIdentifier xmlns="{LOCATOR}">{self.SMP}{self.WHO}</CreateParticipantIdentifier>'
        with pytest.raises(Refused, match="doesn't exist"):  # it was read, and the SMP looked for
            self.post(stub, right)
        for wrong in (
            right.replace(self.SMP + self.WHO, self.WHO + self.SMP),
            right.replace(self.SMP, ""),
            right.replace(LOCATOR, "urn:other"),
            right.replace("</CreateP", "<NextPageIdentifier/></CreateP"),
            right.replace("scheme", "schemeID"),
        ):
            etree.fromstring(wrong)
            with pytest.raises(Refused) as refused:
                self.post(stub, wrong)
            assert "doesn't exist" not in refused.value.message

    def test_nine_blanks_and_the_path_count(self, stub: SmlStub) -> None:
        for action, path in (
            (self.ID.replace(" " * 9, " " * 8), "/manageparticipantidentifier"),
            (self.ID.replace(" " * 9, ""), "/manageparticipantidentifier"),
            (self.ID, "/managebusinessidentifier"),
        ):
            with pytest.raises(Refused, match="does not match an operation"):
                self.post(stub, "<x/>", action=action, path=path)
