"""An AS4 eDelivery access point, as a library.

The public names are those of `__all__`; everything else may change. They are resolved on first use, so that
importing one room of the package (say `ehmi_ap.crypto`) does not import the whole house.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ehmi_ap.access_point import AccessPoint
    from ehmi_ap.body import MemoryBody
    from ehmi_ap.config import Config
    from ehmi_ap.ehmi.header import Header
    from ehmi_ap.ehmi.judge import Judgement, judge
    from ehmi_ap.ehmi.receipts import correlates, envelope_receipt, wants_receipt
    from ehmi_ap.ehmi.reliability import (
        Arrival,
        ReceiptArrival,
        ResendPolicy,
        Waiting,
        arrival,
        envelope_ids,
        receipt_arrival,
        resend,
        waiting,
    )
    from ehmi_ap.ehmi.signals import Cause, Refusal, read_signal
    from ehmi_ap.ehmi.unwrap import Unwrapped, unwrap
    from ehmi_ap.ehmi.wrap import wrap
    from ehmi_ap.errors import (
        ApError,
        BackendError,
        ConfigError,
        EnvelopeError,
        NotAllowed,
        NotFound,
        PeerError,
        StoreError,
        SubmissionConflict,
        SubmissionError,
        TransportError,
    )
    from ehmi_ap.model import (
        DeliveryEvent,
        MessageId,
        Organisation,
        Participant,
        PartyId,
        Payload,
        Property,
        Service,
        Submission,
    )
    from ehmi_ap.pmode import PMode

__version__ = "0.1.0"

_HOME = {
    "AccessPoint": "access_point",
    "ApError": "errors",
    "Arrival": "ehmi.reliability",
    "BackendError": "errors",
    "Cause": "ehmi.signals",
    "Config": "config",
    "ConfigError": "errors",
    "DeliveryEvent": "model",
    "EnvelopeError": "errors",
    "Header": "ehmi.header",
    "Judgement": "ehmi.judge",
    "MemoryBody": "body",
    "MessageId": "model",
    "NotAllowed": "errors",
    "NotFound": "errors",
    "Organisation": "model",
    "PMode": "pmode",
    "Participant": "model",
    "PartyId": "model",
    "Payload": "model",
    "PeerError": "errors",
    "Property": "model",
    "ReceiptArrival": "ehmi.reliability",
    "Refusal": "ehmi.signals",
    "ResendPolicy": "ehmi.reliability",
    "Service": "model",
    "StoreError": "errors",
    "Submission": "model",
    "SubmissionConflict": "errors",
    "SubmissionError": "errors",
    "TransportError": "errors",
    "Unwrapped": "ehmi.unwrap",
    "Waiting": "ehmi.reliability",
    "arrival": "ehmi.reliability",
    "correlates": "ehmi.receipts",
    "envelope_ids": "ehmi.reliability",
    "envelope_receipt": "ehmi.receipts",
    "judge": "ehmi.judge",
    "read_signal": "ehmi.signals",
    "receipt_arrival": "ehmi.reliability",
    "resend": "ehmi.reliability",
    "unwrap": "ehmi.unwrap",
    "waiting": "ehmi.reliability",
    "wants_receipt": "ehmi.receipts",
    "wrap": "ehmi.wrap",
}

__all__ = [
    "AccessPoint",
    "ApError",
    "Arrival",
    "BackendError",
    "Cause",
    "Config",
    "ConfigError",
    "DeliveryEvent",
    "EnvelopeError",
    "Header",
    "Judgement",
    "MemoryBody",
    "MessageId",
    "NotAllowed",
    "NotFound",
    "Organisation",
    "PMode",
    "Participant",
    "PartyId",
    "Payload",
    "PeerError",
    "Property",
    "ReceiptArrival",
    "Refusal",
    "ResendPolicy",
    "Service",
    "StoreError",
    "Submission",
    "SubmissionConflict",
    "SubmissionError",
    "TransportError",
    "Unwrapped",
    "Waiting",
    "arrival",
    "correlates",
    "envelope_ids",
    "envelope_receipt",
    "judge",
    "read_signal",
    "receipt_arrival",
    "resend",
    "unwrap",
    "waiting",
    "wants_receipt",
    "wrap",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"ehmi_ap.{_HOME[name]}"), name)
    raise AttributeError(f"module 'ehmi_ap' has no attribute {name!r}")
