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
    from ehmi_ap.errors import (
        ApError,
        BackendError,
        ConfigError,
        NotAllowed,
        NotFound,
        PeerError,
        StoreError,
        SubmissionConflict,
        SubmissionError,
        TransportError,
    )
    from ehmi_ap.model import DeliveryEvent, MessageId, Participant, PartyId, Payload, Property, Service, Submission
    from ehmi_ap.pmode import PMode

__version__ = "0.1.0"

_HOME = {
    "AccessPoint": "access_point",
    "ApError": "errors",
    "BackendError": "errors",
    "Config": "config",
    "ConfigError": "errors",
    "DeliveryEvent": "model",
    "MemoryBody": "body",
    "MessageId": "model",
    "NotAllowed": "errors",
    "NotFound": "errors",
    "PMode": "pmode",
    "Participant": "model",
    "PartyId": "model",
    "Payload": "model",
    "PeerError": "errors",
    "Property": "model",
    "Service": "model",
    "StoreError": "errors",
    "Submission": "model",
    "SubmissionConflict": "errors",
    "SubmissionError": "errors",
    "TransportError": "errors",
}

__all__ = [
    "AccessPoint",
    "ApError",
    "BackendError",
    "Config",
    "ConfigError",
    "DeliveryEvent",
    "MemoryBody",
    "MessageId",
    "NotAllowed",
    "NotFound",
    "PMode",
    "Participant",
    "PartyId",
    "Payload",
    "PeerError",
    "Property",
    "Service",
    "StoreError",
    "Submission",
    "SubmissionConflict",
    "SubmissionError",
    "TransportError",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(f"ehmi_ap.{_HOME[name]}"), name)
    raise AttributeError(f"module 'ehmi_ap' has no attribute {name!r}")
