"""The demo's message in its ehmiSBDH envelope, as a sending message service handler makes it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from ehmi_ap.demo import bundle, fhir
from ehmi_ap.ehmi.message import Form
from ehmi_ap.ehmi.wrap import wrap


def standard_business_document(*, now: datetime, new_uuid: Callable[[], UUID], form: Form = "xml") -> bytes:
    """A new HomeCareObservation (see `bundle`), in the given FHIR form, in its envelope, made at `now` (aware)."""
    message = bundle.home_care_observation(now=now, new_uuid=new_uuid)
    content = fhir.to_xml(message) if form == "xml" else fhir.to_json(message)
    return wrap(content, now=now, new_uuid=new_uuid)
