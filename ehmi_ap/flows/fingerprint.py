"""What makes two messages the same: SHA-256 over everything the other side said, and nothing that we added."""

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace

from ehmi_ap.body import Body, MemoryBody
from ehmi_ap.model import Reference, Submission

_NO_BODY = MemoryBody(b"")


def submission_fingerprint(submission: Submission, backend: str) -> bytes:
    """Of what C1 gave: metadata as canonical JSON, then each payload's length and bytes.

    The MessageId is the key that this is kept under, so it is left out. `backend` is in it: the same id from
    another backend is a conflict, not a repetition. Reads every payload once.
    """
    bare = tuple(replace(payload, body=_NO_BODY) for payload in submission.payloads)
    metadata = asdict(replace(submission, message_id=None, payloads=bare))
    for payload in metadata["payloads"]:
        del payload["body"]
    digest = hashlib.sha256(json.dumps([backend, metadata], sort_keys=True).encode())
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
