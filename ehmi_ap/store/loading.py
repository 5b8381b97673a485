"""Rows of messages to what the flows and faces get: with payloads that are there, or are read when they are wanted."""

from functools import partial

from ehmi_ap.body import Body, MemoryBody
from ehmi_ap.model import MessageId
from ehmi_ap.ports import Job, Stored
from ehmi_ap.store import codec
from ehmi_ap.store.blobs import FileBlobs
from ehmi_ap.store.codec import Place, moment
from ehmi_ap.store.readers import InlineBody, Readers
from ehmi_ap.store.rules import HELD
from ehmi_ap.store.statements import SQL


class Loader:
    """Makes values of rows."""

    def __init__(self, readers: Readers, blobs: FileBlobs) -> None:
        self._readers = readers
        self._blobs = blobs

    def lazy(self, key: int) -> codec.Bodies:
        """The payloads of a message, read when somebody reads them."""
        return partial(self._lazy_body, key)

    def _lazy_body(self, key: int, place: Place) -> Body:
        if place.file is not None:
            return self._blobs.body(place.file, place.size)
        return InlineBody(self._readers, SQL["inline_bytes"], key, place.start, place.size)

    def _loaded(self, inline: bytes) -> codec.Bodies:
        def body(place: Place) -> Body:
            if place.file is not None:
                return self._blobs.body(place.file, place.size)
            return MemoryBody(inline[place.start : place.start + place.size])

        return body

    def job(
        self,
        key: int,
        pmode: str,
        backend: str,
        lane: str,
        attempts: int,
        first_at: int,
        code: str | None,
        header: str,
        inline: bytes | None,
        meta: str | None,
        envelope: bytes,
        parts: bytes | None,
        signers: str,
    ) -> Job:
        """A row of due_now."""
        bodies = self.lazy(key) if inline is None else self._loaded(inline)
        return Job(
            key=key,
            message=codec.decode_message(header, bodies),
            pmode=pmode,
            backend=backend,
            lane=lane,
            attempts=attempts,
            first_at=moment(first_at),
            signed=codec.decode_signed(meta, envelope, self._loaded(parts or b"")) if meta else None,
            signers=codec.decode_signers(signers),
            lost_code=code,
        )

    def stored(
        self,
        key: int,
        direction: str,
        state: str,
        pmode: str,
        backend: str,
        attempts: int,
        first_at: int,
        changed_at: int,
        due: int | None,
        has_receipt: int,
        payloads_kept: int,
        code: str | None,
        detail: str,
        header: str,
        answers: str | None,
        answered_by: str,
    ) -> Stored:
        """A row of the query `stored`."""
        waits = due is not None and codec.STATE[state] not in HELD
        return Stored(
            key=key,
            direction=codec.DIRECTION[direction],
            state=codec.STATE[state],
            message=codec.decode_message(header, self.lazy(key)),
            pmode=pmode,
            backend=backend,
            attempts=attempts,
            first_at=moment(first_at),
            changed_at=moment(changed_at),
            due=moment(due) if due is not None and waits else None,
            has_receipt=bool(has_receipt),
            payloads_kept=bool(payloads_kept),
            last_code=code,
            last_detail=detail,
            answers=MessageId(answers) if answers is not None else None,
            answered_by=tuple(map(codec.decode_answer, codec.decode_list(answered_by))),
        )
