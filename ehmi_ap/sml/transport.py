"""What zeep sends with: POST of an envelope over TLS with our certificate, to the SML alone; its answer is bounded.

Nothing is fetched, followed or sent a second time; proxies and .netrc are not looked at. zeep asks two things of a
transport, `load` and `post_xml`, and finds no more here.
"""

import ssl
import time
from importlib.metadata import version
from typing import Any, NoReturn

import requests
from lxml import etree
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from ehmi_ap.sml.answers import LIMIT, result
from ehmi_ap.sml.failures import failure
from ehmi_ap.sml.faults import SmlUnreadable

CONNECT_TIMEOUT = 20.0
_CHUNK = 65_536


class _Adapter(HTTPAdapter):
    """Connections with our TLS context as it is: requests by itself would add certifi's CAs to those it trusts."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **more)

    def cert_verify(self, conn: Any, *_: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"


class Transport:
    """One session of HTTPS connections; ended by close()."""

    def __init__(self, context: ssl.SSLContext, *, timeout: float) -> None:
        """`timeout`: seconds for an answer, from its first to its last byte and before it begins."""
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.adapters.clear()
        self._session.mount("https://", _Adapter(context))
        self._session.headers.update(
            {"User-Agent": f"ehmi-ap/{version('ehmi-ap')}", "Accept": "text/xml", "Accept-Encoding": "identity"}
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def load(self, url: str) -> NoReturn:
        """What zeep would fetch imports with; our WSDL has none."""
        raise SmlUnreadable(f"{url} was to be fetched, which this client never does")

    def post_xml(self, address: str, envelope: etree._Element, headers: dict[str, str]) -> etree._Element | None:
        """POST `envelope`; what the Body of the answer holds.

        Raises:
            SmlError: a fault, an answer that cannot be read, or no TLS.
            TransportError: no answer.
        """
        data = etree.tostring(envelope, encoding="utf-8", xml_declaration=True)
        try:
            with self._session.post(
                address,
                data=data,
                headers=headers,
                timeout=(CONNECT_TIMEOUT, self._timeout),
                stream=True,
                allow_redirects=False,
            ) as response:
                status, content_type, content = self._read(response)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise failure(error, address, connect_timeout=CONNECT_TIMEOUT, timeout=self._timeout) from error
        return result(status, content_type, content)

    def _read(self, response: requests.Response) -> tuple[int, str, bytes]:
        if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
            raise SmlUnreadable("the answer of the SML has a Content-Encoding that was not offered")
        deadline = time.monotonic() + self._timeout
        content = bytearray()
        while chunk := response.raw.read1(_CHUNK):  # what is there; iter_content would wait for all of a chunk
            content += chunk
            if len(content) > LIMIT:
                raise SmlUnreadable(f"the answer of the SML is larger than {LIMIT} bytes")
            if time.monotonic() > deadline:
                raise requests.ReadTimeout
        return response.status_code, response.headers.get("Content-Type", ""), bytes(content)
