"""C4 and C1 behind a URL of theirs: messages and events are POSTed to it.

A message is one multipart/form-data: the part `metadata` is JSON (backends/metadata.py), then one part `payload` for
each payload in its order. An event is JSON. Both carry `Idempotency-Key`, the same for every repeat: a repeat can come
after a crash between the answer and our commit, or when an answer was lost. Any 2xx means: taken, durably; anything
else, that it has to be sent again. Redirects are not followed. Bodies stream.
"""

import asyncio
import hashlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from ehmi_ap import tables
from ehmi_ap.backends.inbox import ending
from ehmi_ap.backends.metadata import event_json, message_json
from ehmi_ap.body import Body, Joined, MemoryBody
from ehmi_ap.errors import ApError, BackendError, ConfigError
from ehmi_ap.model import DeliveryEvent, Payload, UserMessage
from ehmi_ap.ports import Submit, party_key

CONTENT = "message"
EVENT = "event"
_ANSWER_READ = 64 * 1024  # bytes of an answer that we read, so that the connection can be used again


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The table [backends.NAME] of kind "webhook"."""

    url: str
    events_url: str | None = None  # None: the same
    bearer: tables.Secret | None = None  # sent as Authorization: Bearer ...
    ca: Path | None = None  # PEM of the CAs for their server; None: the system's
    certificate: Path | None = None  # PEM: shown to their server (mTLS)
    key: Path | None = None  # PEM; None: in the certificate's file
    insecure_http: bool = False  # allow plain http:// to a host that is not this machine
    timeout: float = 300.0  # seconds for one message


class WebhookBackend:
    """Posts messages and events to the URL of C4 and C1."""

    fetches = False

    def __init__(self, options: Options, *, bearer: str | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._options = options
        self._headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_config(cls, name: str, table: Mapping[str, object], *, home: Path, **_place: object) -> "WebhookBackend":
        """Raises ConfigError."""
        at = ("backends", name)
        options = tables.read(Options, table, where="ehmi-ap.toml", at=at)
        findings: list[str] = []

        def find(key: str, text: str) -> None:
            findings.append(f"ehmi-ap.toml: {tables.place((*at, key))}: {text}")

        for key, url in (("url", options.url), ("events_url", options.events_url)):
            if url is not None and not _is_safe(url, options):
                find(key, "has to begin with https://; or write insecure_http = true")
        if options.timeout <= 0:
            find("timeout", "has to be more than 0 seconds")
        bearer, tls = None, None
        if options.bearer is not None:
            secret = options.bearer.below(home)
            if (mistake := secret.mistake()) is not None:
                find("bearer", mistake)
            else:
                bearer = secret.read()
        try:
            tls = _tls(options, home)
        except (OSError, ssl.SSLError) as error:
            find("ca, certificate, key", f"cannot be used ({error.strerror}); give PEM files that belong together")
        if findings:
            raise ConfigError(findings)
        return cls(options, bearer=bearer, tls=tls)

    async def deliver(self, message: UserMessage) -> None:
        """POST the message. Raises BackendError unless the answer is 2xx."""
        boundary = f"ehmi-ap-{uuid.uuid4().hex}"
        body = _form(message, boundary)
        key = hashlib.sha256(f"{party_key(message.from_.id)}\n{message.message_id}".encode()).hexdigest()
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}", "Idempotency-Key": key}
        await self._post(self._options.url, headers, body, kind=CONTENT)

    async def notify(self, event: DeliveryEvent) -> None:
        """POST the event. Raises BackendError unless the answer is 2xx."""
        body = MemoryBody(json.dumps(event_json(event), ensure_ascii=False).encode())
        key = f"{event.direction.value}-{event.seq}"
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        await self._post(self._options.events_url or self._options.url, headers, body, kind=EVENT)

    async def run(self, submit: Submit) -> None:
        """Feeds nothing; keeps connections open for deliver() until it is cancelled."""
        del submit  # C1 posts to our REST
        async with self._new_session() as session:
            self._session = session
            try:
                await asyncio.Event().wait()
            finally:
                self._session = None

    async def _post(self, url: str, headers: Mapping[str, str], body: Body, *, kind: str) -> None:
        if self._session is not None:
            return await self._post_on(self._session, url, headers, body, kind=kind)
        async with self._new_session() as session:
            return await self._post_on(session, url, headers, body, kind=kind)

    def _new_session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=self._options.timeout, sock_connect=min(20.0, self._options.timeout))
        # Cookies of theirs would be state that nobody sees.
        return aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), headers=self._headers)

    async def _post_on(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: Body, *, kind: str
    ) -> None:
        tls = self._tls if self._tls is not None else True
        sent = {**headers, "Content-Length": str(body.size), "Ehmi-Ap-Kind": kind}
        unread: list[ApError] = []
        data = _stream(body, unread)
        try:
            async with session.post(url, data=data, headers=sent, ssl=tls, allow_redirects=False) as answer:
                await answer.content.read(_ANSWER_READ)
                status = answer.status
        except TimeoutError:
            raise BackendError(f"the webhook did not answer within {self._options.timeout:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            if unread:
                raise unread[0] from None
            raise BackendError(f"the webhook could not be reached ({type(error).__name__})") from error
        if not 200 <= status < 300:
            raise BackendError(
                f"the webhook answered {status}",
                fix="Look into the log of the receiving system for this moment; delivery goes on by itself.",
            )


def _is_safe(url: str, options: Options) -> bool:
    split = urlsplit(url)
    local = split.hostname in ("localhost", "127.0.0.1", "::1")
    return split.scheme == "https" or (split.scheme == "http" and (local or options.insecure_http))


def _tls(options: Options, home: Path) -> ssl.SSLContext:
    """How their server is trusted, and what we show it. Raises OSError."""
    context = ssl.create_default_context(cafile=None if options.ca is None else home / options.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.certificate is not None:
        context.load_cert_chain(home / options.certificate, None if options.key is None else home / options.key)
    return context


def _form(message: UserMessage, boundary: str) -> Body:
    """The multipart/form-data of a message (RFC 7578), joined and not copied."""
    metadata = json.dumps(message_json(message), ensure_ascii=False).encode()
    head = _part_head(boundary, "metadata", "application/json")
    pieces: list[Body] = [MemoryBody(head + metadata + b"\r\n")]
    for number, payload in enumerate(message.payloads, start=1):
        head = _part_head(boundary, "payload", _media_type(payload), f"payload-{number}{ending(payload)}")
        pieces += [MemoryBody(head), payload.body, MemoryBody(b"\r\n")]
    return Joined((*pieces, MemoryBody(f"--{boundary}--\r\n".encode())))


def _part_head(boundary: str, name: str, content_type: str, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
    return f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n".encode()


def _media_type(payload: Payload) -> str:
    """The payload's MIME type for a header of ours; what a peer said must not become a header of its own."""
    return (
        payload.mime_type
        if payload.mime_type.isascii() and payload.mime_type.isprintable()
        else "application/octet-stream"
    )


async def _stream(body: Body, unread: list[ApError]) -> AsyncIterator[bytes]:
    """The body's chunks; those that a disk has to give are read in a thread.

    aiohttp makes a broken connection of whatever is raised here, so our own errors are left in `unread` too.
    """
    chunks = body.chunks()
    try:
        while chunk := next(chunks, b"") if body.resident else await asyncio.to_thread(next, chunks, b""):
            yield chunk
    except ApError as error:
        unread.append(error)
        raise
