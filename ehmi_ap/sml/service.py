"""The operations of an SML's management service (spec/discovery.md 3), as the SMP whose certificate is shown.

An SMP can be changed only by whoever shows the certificate that it was registered with. A list of participants is taken
as a whole or not at all; where no answer came, only asking shows which.
"""

import ssl
from collections.abc import Iterator, Sequence
from datetime import date
from importlib.resources import files
from types import TracebackType
from typing import Any, Protocol, cast

import zeep
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree
from zeep.exceptions import Error as ZeepError

from ehmi_ap.crypto.certificate import Certificate
from ehmi_ap.model import Participant
from ehmi_ap.sml import values
from ehmi_ap.sml.answers import LOCATOR, plain
from ehmi_ap.sml.faults import SmlUnreadable
from ehmi_ap.sml.transport import Transport
from ehmi_ap.sml.values import Publisher

AT_ONCE = 100
"""Participants of one CreateList or DeleteList; the services in use take no more."""

_PATHS = {
    "ManageServiceMetadata": "/manageservicemetadata",
    "ManageParticipantIdentifier": "/manageparticipantidentifier",
    "BDMSL": "/bdmslservice",
}


class Advance(Protocol):
    """What is called with how many more participants are done, so that a failure in between leaves nobody in doubt."""

    def __call__(self, amount: int, /) -> None: ...


def _unwatched(amount: int) -> None:
    """Progress that nobody watches."""


class Sml:
    """The management service below `url`; a context manager that ends its connections."""

    def __init__(self, url: str, context: ssl.SSLContext, *, timeout: float = 60.0) -> None:
        """`context` shows the SMP's certificate (ehmi_ap.net.tls.client_context). `timeout`: seconds for each answer.

        Raises:
            SmlInput: not the https base URL of a management service.
        """
        self._url = values.base_url(url)
        self._transport = Transport(context, timeout=timeout)
        settings = zeep.Settings(forbid_dtd=True, forbid_entities=True, forbid_external=True, raw_response=True)
        with files(__package__).joinpath("sml.wsdl").open("rb") as wsdl:
            self._zeep = zeep.Client(wsdl, transport=self._transport, settings=settings)

    def __enter__(self) -> "Sml":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transport.close()

    # All below raise SmlInput before anything is sent, and as sml.transport.Transport.post_xml does.

    def check_alive(self) -> None:
        """Ask whether the service works; returns when it does."""
        self._call("BDMSL", "IsAlive")

    # -- SMPs ----------------------------------------------------------------------------------------------------

    def create_publisher(self, publisher: Publisher) -> None:
        """Register an SMP, for the certificate that is shown."""
        values.check_publisher(publisher)
        self._call("ManageServiceMetadata", "Create", **_publisher(publisher))

    def read_publisher(self, publisher_id: str) -> Publisher:
        """What is registered for an SMP."""
        values.check_publisher_id(publisher_id)
        found = self._call("ManageServiceMetadata", "Read", ServiceMetadataPublisherID=publisher_id)
        read = None if found is None else self._read(found, "ServiceMetadataPublisherService")
        if read is None or read.PublisherEndpoint is None:
            raise SmlUnreadable("the SML answered without the SMP's addresses")
        return Publisher(
            id=plain(read.ServiceMetadataPublisherID or ""),
            logical_address=plain(read.PublisherEndpoint.LogicalAddress or ""),
            physical_address=plain(read.PublisherEndpoint.PhysicalAddress or ""),
        )

    def update_publisher(self, publisher: Publisher) -> None:
        """Give an SMP another URL and address."""
        values.check_publisher(publisher)
        self._call("ManageServiceMetadata", "Update", **_publisher(publisher))

    def delete_publisher(self, publisher_id: str) -> None:
        """Take an SMP out. The services in use take its participants out with it."""
        values.check_publisher_id(publisher_id)
        self._call("ManageServiceMetadata", "Delete", publisher_id)

    def prepare_change_certificate(self, certificate: Certificate, on: date | None = None, *, today: date) -> None:
        """Announce the certificate of all SMPs of the one that is shown, from the day `on`.

        None: from the day that `certificate` becomes valid, which has to come yet. `today` is the day in UTC.
        """
        values.check_change(certificate, on, today=today)
        pem = certificate.x509.public_bytes(Encoding.PEM).decode()  # with BEGIN and END, which the SML insists on
        self._call("BDMSL", "PrepareChangeCertificate", newCertificatePublicKey=pem, migrationDate=on)

    # -- participants --------------------------------------------------------------------------------------------

    def create(
        self,
        publisher_id: str,
        participants: Sequence[Participant],
        *,
        service: str | None = None,
        advance: Advance = _unwatched,
    ) -> None:
        """Register participants at an SMP: in lists of AT_ONCE, or one by one under the NAPTR `service`."""
        values.check_publisher_id(publisher_id)
        values.check_participants(participants)
        if service is None:
            self._in_lists("Create", publisher_id, participants, advance)
            return
        values.check_service(service)
        for participant in participants:
            one = _participant(publisher_id, participant)
            self._call("BDMSL", "CreateParticipantIdentifier", CreateParticipantIdentifier=one, serviceName=service)
            advance(1)

    def delete(
        self,
        publisher_id: str,
        participants: Sequence[Participant],
        *,
        advance: Advance = _unwatched,
    ) -> None:
        """Take participants of an SMP out, in lists of AT_ONCE."""
        values.check_publisher_id(publisher_id)
        values.check_participants(participants)
        self._in_lists("Delete", publisher_id, participants, advance)

    def participants(self, publisher_id: str) -> Iterator[Participant]:
        """Every participant of an SMP, fetched page by page."""
        values.check_publisher_id(publisher_id)
        asked: set[str | None] = set()
        page: str | None = None
        while page not in asked:
            asked.add(page)
            found = self._call(
                "ManageParticipantIdentifier",
                "List",
                ServiceMetadataPublisherID=publisher_id,
                NextPageIdentifier=page,
            )
            if found is None:  # an SMP without participants
                return
            listed = self._read(found, "ParticipantIdentifierPage")
            for each in listed.ParticipantIdentifier:
                yield Participant(plain(each["_value_1"] or ""), plain(each.scheme or "") or None)
            page = listed.NextPageIdentifier or None
            if page is None:
                return
        raise SmlUnreadable(
            "the pages of the SML's list go round in a circle", fix="Show the SML's operator this line."
        )

    def prepare_to_migrate(self, publisher_id: str, participant: Participant, key: str) -> None:
        """Let whoever knows `key` take the participant over to another SMP."""
        self._migrate("PrepareToMigrate", publisher_id, participant, key)

    def migrate(self, publisher_id: str, participant: Participant, key: str) -> None:
        """Take a participant over to this SMP, with the key that its old SMP prepared."""
        self._migrate("Migrate", publisher_id, participant, key)

    # -- below ---------------------------------------------------------------------------------------------------

    def _migrate(self, operation: str, publisher_id: str, participant: Participant, key: str) -> None:
        values.check_publisher_id(publisher_id)
        values.check_participants([participant])
        values.check_migration_key(key)
        record = _participant(publisher_id, participant)
        self._call("ManageParticipantIdentifier", operation, **record, MigrationKey=key)

    def _in_lists(
        self, operation: str, publisher_id: str, participants: Sequence[Participant], advance: Advance
    ) -> None:
        interface = "ManageParticipantIdentifier"
        if len(participants) == 1:
            self._call(interface, operation, **_participant(publisher_id, participants[0]))
            advance(1)
            return
        for start in range(0, len(participants), AT_ONCE):
            some = participants[start : start + AT_ONCE]
            self._call(
                interface,
                f"{operation}List",
                ParticipantIdentifier=[_identifier(each) for each in some],
                ServiceMetadataPublisherID=publisher_id,
            )
            advance(len(some))

    def _call(self, interface: str, operation: str, *text: str, **fields: Any) -> etree._Element | None:
        """Send a request, made as sml.wsdl says; what the Body of its answer holds."""
        service = self._zeep.create_service(f"{{urn:ehmi-ap:sml}}{interface}", self._url + _PATHS[interface])
        return cast("etree._Element | None", service[operation](*text, **fields))

    def _read(self, found: etree._Element, name: str) -> Any:
        """The values of a result, which has to be the element `name` of sml.wsdl."""
        if found.tag != f"{{{LOCATOR}}}{name}":
            raise SmlUnreadable(f"the SML answered with another thing than {name}")
        try:
            return self._zeep.get_element(found.tag).parse(found, self._zeep.wsdl.types)
        except ZeepError as error:
            raise SmlUnreadable(f"{name} in the SML's answer has not the form agreed") from error


def _publisher(publisher: Publisher) -> dict[str, Any]:
    addresses = {"LogicalAddress": publisher.logical_address, "PhysicalAddress": publisher.physical_address}
    return {"PublisherEndpoint": addresses, "ServiceMetadataPublisherID": publisher.id}


def _participant(publisher_id: str, participant: Participant) -> dict[str, Any]:
    return {"ServiceMetadataPublisherID": publisher_id, "ParticipantIdentifier": _identifier(participant)}


def _identifier(participant: Participant) -> dict[str, Any]:
    return {"_value_1": participant.value, "scheme": participant.scheme}
