"""The client itself. Uploads and downloads stream; one Session keeps its connections: keep one Client per thread."""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

import requests

from ehmi_ap.client.problem import raise_problem, unreachable
from ehmi_ap.client.upload import CHUNK, Form, Parts, Source, Upload, opened, signed
from ehmi_ap.errors import MalformedSecurity

if TYPE_CHECKING:
    from ehmi_ap.crypto.keys import KeyPair
    from ehmi_ap.crypto.signers import Signers

Json = dict[str, Any]

API = "/api/v1"
_JWS_FIELD = "Ehmi-Ap-JWS"  # crypto.jws.FIELD, which a client that signs nothing need not import


class Client:
    """Talks to the internal listener at `url` with a backend's or the administrator's token."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: tuple[float, float] = (10.0, 300.0),
        verify: bool | str | Path = True,
        certificate: Path | tuple[Path, Path] | None = None,
        signing: "KeyPair | None" = None,
    ) -> None:
        """`timeout`: seconds to connect, and between two bytes of an answer. `verify`: a CA file for HTTPS.

        `certificate` is shown to a server that asks for one: a PEM file with its key in it, or both. What is submitted
        is signed with `signing` (crypto.keys.load_key_pairs reads one), where it does not have its JWS already.
        """
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace the token, a proxy has no business here
        self._session.verify = str(verify) if isinstance(verify, Path) else verify
        if certificate is not None:
            files = (certificate,) if isinstance(certificate, Path) else certificate
            self._session.cert = (str(files[0]), str(files[-1]))
        self._signing = signing
        if token is not None:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    # -- C1 ------------------------------------------------------------------------------------------------------

    def submit_sbd(
        self,
        source: Source,
        *,
        pmode: str | None = None,
        message_id: str | None = None,
        backend: str | None = None,
        jws: str | None = None,
    ) -> str:
        """Submit an SBD document; its profile reads the addresses from it. Returns the MessageId.

        `backend` is for the administrator only: in whose name. `jws` is a signature that was made elsewhere.

        Raises SubmissionError, SubmissionConflict, SignatureRefused, NoSignersAgreed.
        """
        query = {"pmode": pmode, "message_id": message_id, "backend": backend}
        signature = self._signature(source, jws)
        with opened(source) as (file, size):
            headers = {"Content-Type": "application/xml"} | ({_JWS_FIELD: signature} if signature else {})
            body = Parts([(file, size)])
            return str(self._json("POST", "/messages", query, data=body, headers=headers)["message_id"])

    def submit(self, metadata: Mapping[str, Any], payloads: Sequence[Upload], *, backend: str | None = None) -> str:
        """Submit payloads with the metadata of docs/reference/rest.md, without its `payloads`. Returns the MessageId.

        Raises SubmissionError, SubmissionConflict, SignatureRefused, NoSignersAgreed.
        """
        payloads = [replace(each, jws=self._signature(each.source, each.jws)) for each in payloads]
        with Form(metadata, payloads) as form:
            headers = {"Content-Type": form.content_type}
            answer = self._json("POST", "/messages", {"backend": backend}, data=form.body, headers=headers)
        return str(answer["message_id"])

    def messages(
        self,
        *,
        direction: str | None = None,
        state: str | Sequence[str] = (),
        party: str | None = None,
        participant: str | None = None,
        conversation: str | None = None,
        since: datetime | str | None = None,
        page: int = 50,
    ) -> Iterator[Json]:
        """All messages that fit, newest first, fetched `page` at a time."""
        query = {
            "direction": direction,
            "state": state if isinstance(state, str) else ",".join(state),
            "party": party,
            "participant": participant,
            "conversation": conversation,
            "since": since.isoformat() if isinstance(since, datetime) else since,
            "limit": page,
        }
        return self._pages("messages", "/messages", query)

    def message(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> Json:
        """One message. `direction` and `party` choose where several have this MessageId. Raises NotFound."""
        return self._json("GET", _path(message_id), {"direction": direction, "party": party})

    def events(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> list[Json]:
        """What happened to a message, in order."""
        answer = self._json("GET", _path(message_id, "/events"), {"direction": direction, "party": party})
        return list(answer["events"])

    def watch(self, *, after: int = 0, wait: float = 25.0) -> Iterator[Json]:
        """Every event after the sequence number `after`, as it happens, without end; remember the last `seq`."""
        while True:
            answer = self._json("GET", "/events", {"after": after, "wait": wait})
            yield from answer["events"]
            after = answer["last"]

    def receipt(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> bytes:
        """The signed receipt, byte for byte. Raises NotFound while there is none."""
        query = {"direction": direction, "party": party}
        with self._asked("GET", _path(message_id, "/receipt"), query) as answer:
            return answer.content

    def payload(
        self,
        message_id: str,
        number: int,
        *,
        to: Path | BinaryIO,
        direction: str | None = None,
        party: str | None = None,
        signers: "Signers | None" = None,
    ) -> int:
        """Write payload `number` (from 1) to a file, which appears only when it is whole. Returns its size in bytes.

        With `signers` only a payload that one of them signed is taken. Otherwise XmlSecurityError is raised, and what
        an open file `to` got is not to be used.
        """
        path = _path(message_id, f"/payloads/{number}")
        with self._asked("GET", path, {"direction": direction, "party": party}, stream=True) as answer:
            if not isinstance(to, Path):
                return _copy(answer, to, signers)
            part = to.with_name(f".{to.name}.{secrets.token_hex(6)}.part")
            try:
                with part.open("xb") as file:
                    size = _copy(answer, file, signers)
                part.replace(to)
            finally:
                part.unlink(missing_ok=True)
            return size

    def resend(self, message_id: str, *, direction: str | None = None, party: str | None = None) -> None:
        """Send a failed message, or deliver an undelivered one, again. Raises NotAllowed in any other state."""
        self._json("POST", _path(message_id, "/resend"), {"direction": direction, "party": party})

    # -- C4 ------------------------------------------------------------------------------------------------------

    def inbox(self, *, page: int = 50) -> Iterator[Json]:
        """The messages that wait for this backend; each stays until ack()."""
        return self._pages("messages", "/inbox", {"limit": page})

    def ack(self, message_id: str, *, party: str | None = None) -> None:
        """Take a message over, once it is safe on your side. Again is as good as once."""
        self._json("POST", f"/inbox/{quote(message_id, safe='')}/ack", {"party": party})

    # -- the administrator ---------------------------------------------------------------------------------------

    def pmodes(self) -> list[str]:
        """The names of all P-Modes."""
        return list(self._json("GET", "/pmodes")["names"])

    def pmode(self, name: str) -> Json:
        """A P-Mode, as its file says it."""
        return self._json("GET", f"/pmodes/{quote(name, safe='')}")

    def put_pmode(self, name: str, pmode: Mapping[str, Any] | str) -> None:
        """Add or replace a P-Mode, given as a table or as TOML text. Raises ConfigError with every mistake."""
        self._put_table(f"/pmodes/{quote(name, safe='')}", pmode)

    def delete_pmode(self, name: str) -> None:
        """Raises NotFound."""
        self._json("DELETE", f"/pmodes/{quote(name, safe='')}")

    def certificates(self) -> list[Json]:
        """The certificates we trust, by name."""
        return list(self._json("GET", "/certificates")["certificates"])

    def certificate(self, name: str) -> bytes:
        """The certificates under a name, as PEM."""
        with self._asked("GET", f"/certificates/{quote(name, safe='')}") as answer:
            return answer.content

    def put_certificate(self, name: str, data: bytes) -> None:
        """Add or replace the certificates under a name, PEM or DER. Raises ConfigError."""
        headers = {"Content-Type": "application/octet-stream"}
        self._json("PUT", f"/certificates/{quote(name, safe='')}", data=data, headers=headers)

    def delete_certificate(self, name: str) -> None:
        """Raises NotFound; ConfigError while a P-Mode needs it."""
        self._json("DELETE", f"/certificates/{quote(name, safe='')}")

    def networks(self) -> list[str]:
        """Names of the networks, those that ship too."""
        return list(self._json("GET", "/networks")["names"])

    def network(self, name: str) -> Json:
        """A network as its file says it. Raises NotFound."""
        return self._json("GET", f"/networks/{quote(name, safe='')}")

    def put_network(self, name: str, network: Mapping[str, Any] | str) -> None:
        """Add or replace a network, given as put_pmode() is. Raises ConfigError with every mistake."""
        self._put_table(f"/networks/{quote(name, safe='')}", network)

    def delete_network(self, name: str) -> None:
        """Raises NotFound; ConfigError while a P-Mode needs it."""
        self._json("DELETE", f"/networks/{quote(name, safe='')}")

    def receivers(self, participant: str | None = None) -> list[Json]:
        """What is remembered of receivers that were looked up; of one, by the value of its identifier."""
        return list(self._json("GET", "/receivers", {"participant": participant})["receivers"])

    def forget_receivers(self, participant: str | None = None) -> int:
        """Have them looked up anew; how much was forgotten."""
        return int(self._json("DELETE", "/receivers", {"participant": participant})["forgotten"])

    def reports(
        self, *, state: str | Sequence[str] = (), message_id: str | None = None, page: int = 50
    ) -> Iterator[Json]:
        """The events that EDS is told, in the order in which they happened, and what became of each."""
        states = state if isinstance(state, str) else ",".join(state)
        return self._pages("reports", "/eds/reports", {"state": states, "message_id": message_id, "limit": page})

    def retry_report(self, seq: int) -> Json:
        """Have EDS told an event at once that is parked or waits. Raises NotFound; NotAllowed for what is settled."""
        return self._json("POST", f"/eds/reports/{seq}/retry")

    def retry_reports(self) -> int:
        """The same with everything that is parked or waits; how much that is."""
        return int(self._json("POST", "/eds/retry")["retried"])

    def drop_report(self, seq: int, reason: str) -> Json:
        """Give such an event up for good: EDS is never told. Raises NotFound, NotAllowed."""
        data, headers = json.dumps({"reason": reason}).encode(), {"Content-Type": "application/json"}
        return self._json("POST", f"/eds/reports/{seq}/drop", data=data, headers=headers)

    def health(self) -> Json:
        """What /health says, well or not."""
        try:
            answer = self._session.get(f"{self._url}/health", timeout=self._timeout, allow_redirects=False)
            return dict(answer.json())
        except (requests.RequestException, ValueError) as error:
            raise unreachable(self._url, error) from error

    # -- below ---------------------------------------------------------------------------------------------------

    def _signature(self, source: Source, given: str | None) -> str | None:
        return given if given is not None or self._signing is None else signed(source, self._signing)

    def _pages(self, what: str, path: str, query: Mapping[str, Any]) -> Iterator[Json]:
        cursor: str | None = None
        while True:
            page = self._json("GET", path, {**query, "cursor": cursor})
            yield from page[what]
            cursor = page["next"]
            if cursor is None:
                return

    def _put_table(self, path: str, table: Mapping[str, Any] | str) -> None:
        toml = isinstance(table, str)
        data = str(table) if toml else json.dumps(table)
        headers = {"Content-Type": "application/toml" if toml else "application/json"}
        self._json("PUT", path, data=data.encode(), headers=headers)

    def _json(self, method: str, path: str, query: Mapping[str, Any] | None = None, **more: Any) -> Json:
        with self._asked(method, path, query, **more) as answer:
            return dict(answer.json()) if answer.content else {}

    @contextmanager
    def _asked(
        self, method: str, path: str, query: Mapping[str, Any] | None = None, *, stream: bool = False, **more: Any
    ) -> Iterator[requests.Response]:
        """A successful answer, closed after the block. Raises as the module says."""
        given = {name: value for name, value in (query or {}).items() if value not in (None, "")}
        connect, read = self._timeout
        timeout = (connect, read + float(given.get("wait", 0)))
        try:
            with self._session.request(
                method,
                f"{self._url}{API}{path}",
                params=given,
                timeout=timeout,
                stream=stream,
                allow_redirects=False,
                **more,
            ) as answer:
                if not 200 <= answer.status_code < 300:
                    raise_problem(answer)
                yield answer
        except requests.RequestException as error:
            raise unreachable(self._url, error) from error


def _path(message_id: str, rest: str = "") -> str:
    return f"/messages/{quote(message_id, safe='')}{rest}"


def _copy(answer: requests.Response, file: BinaryIO, signers: "Signers | None") -> int:
    size, digest = 0, hashlib.sha256()
    for chunk in answer.iter_content(CHUNK):
        file.write(chunk)
        digest.update(chunk)
        size += len(chunk)
    if signers is not None:
        from ehmi_ap.crypto import jws

        if _JWS_FIELD not in answer.headers:
            raise MalformedSecurity("the payload is not signed")
        jws.verify(answer.headers[_JWS_FIELD], digest.digest(), signers, now=datetime.now(UTC))
    return size
