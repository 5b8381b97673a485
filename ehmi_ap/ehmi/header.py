"""The header of a StandardBusinessDocument as values: what an envelope says of itself (spec/ehmi.md 2.2, 2.4, 2.6).

A scope's value may be a CPR number: no repr shows one.
"""

from dataclasses import dataclass, field

from ehmi_ap.ehmi import names
from ehmi_ap.envelope import Kind
from ehmi_ap.model import Participant


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """CorrelationInformation of a scope (ehmi.md 2.6): times are xs:dateTime."""

    created_at: str  # RequestingDocumentCreationDateTime
    instance_identifier: str  # RequestingDocumentInstanceIdentifier
    expected_at: str | None = None  # ExpectedResponseDateTime


@dataclass(frozen=True, slots=True)
class Scope:
    """One Scope of BusinessScope (ehmi.md 2.4). `value` is its InstanceIdentifier and may be a CPR number."""

    type: str
    value: str = field(repr=False)
    identifier: str
    correlation: Correlation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The facts of a StandardBusinessDocumentHeader whose structure is right; every text is trimmed."""

    version: str
    sender: Participant
    receiver: Participant
    standard: str
    type_version: str
    instance_identifier: str
    type: str
    created_at: str  # xs:dateTime
    scopes: tuple[Scope, ...]
    mime_type: str  # as BinaryContent declares it
    encoding: str | None

    @property
    def kind(self) -> Kind:
        """By Type, else by Standard (spec/eds.md 2.1, O-12)."""
        if self.type in names.RECEIPT_TYPES or self.standard == names.RECEIPT_STANDARD:
            return Kind.RECEIPT
        return Kind.ACKNOWLEDGEMENT if self.standard == names.ACKNOWLEDGEMENT_STANDARD else Kind.MESSAGE

    @property
    def correlation(self) -> Correlation | None:
        """That of the reliable-messaging scope, under its present or its former name (O-37)."""
        return next((scope.correlation for scope in self.scopes if scope.type in names.RELIABLE_SCOPES), None)

    @property
    def reliable_messaging(self) -> str | None:
        """`Request` or `Response`, as the one reliable-messaging scope says; None when it is not there once."""
        values = [scope.value for scope in self.scopes if scope.type in names.RELIABLE_SCOPES]
        return values[0] if len(values) == 1 else None

    def scope(self, kind: str) -> str | None:
        """The value of the one scope of this type; None when there is none, or more than one."""
        values = [scope.value for scope in self.scopes if scope.type == kind]
        return values[0] if len(values) == 1 else None
