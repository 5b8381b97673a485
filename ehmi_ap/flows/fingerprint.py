"""What makes two messages the same: SHA-256 over everything the other side said, and nothing that we added."""

import hashlib
import json
from collections.abc import Callable, Iterable

from ehmi_ap.body import Body
from ehmi_ap.model import AgreementRef, Participant, PartyId, Payload, Property, Reference, Service, Submission

_Typed = PartyId | Service | AgreementRef | Property | Participant


def submission_fingerprint(submission: Submission, backend: str) -> bytes:
    """Of what C1 gave: metadata as canonical JSON, then each payload's length and bytes.

    The MessageId is the key that this is kept under, so it is left out. `backend` is in it: the same id from
    another backend is a conflict, not a repetition. Reads every payload once.
    """
    said = {
        "backend": backend,
        "ref_to": submission.ref_to,
        "conversation_id": submission.conversation_id,
        "pmode": submission.pmode,
        "to": _typed(submission.to),
        "service": _typed(submission.service),
        "action": submission.action,
        "agreement": _typed(submission.agreement),
        "sender": _typed(submission.sender),
        "receiver": _typed(submission.receiver),
        "tracking_id": submission.tracking_id,
        "properties": _properties(submission.properties),
        "payloads": [_payload(payload) for payload in submission.payloads],
    }
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for payload in submission.payloads:
        _feed(digest.update, payload.body)
    return digest.digest()


def references_fingerprint(references: Iterable[Reference]) -> bytes:
    """Of what C2 signed: a retry has the same digests (design decision 19), whatever its order of references."""
    digest = hashlib.sha256()
    for reference in sorted(references, key=Reference.key):
        for field in (reference.uri.encode(), reference.digest_method.encode(), reference.digest):
            digest.update(len(field).to_bytes(4, "big") + field)
    return digest.digest()


def _feed(update: Callable[[bytes], object], body: Body) -> None:
    update(body.size.to_bytes(8, "big"))
    for chunk in body.chunks():
        update(chunk)


def _payload(payload: Payload) -> list[object]:
    return [payload.mime_type, payload.content_id, payload.character_set, _properties(payload.properties)]


def _properties(properties: Iterable[Property]) -> list[object]:
    return [[item.name, _typed(item)] for item in properties]


def _typed(value: _Typed | None) -> list[str | None] | None:
    if value is None:
        return None
    return [value.value, value.scheme if isinstance(value, Participant) else value.type]
