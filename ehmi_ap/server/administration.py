"""P-Modes and certificates for the administrator: read, replace, delete; effective without a restart.

The access point checks the whole before anything is written: an answer of 422 lists every mistake, and nothing
has changed then. P-Modes travel as JSON or as TOML, certificates as PEM or DER; keys never travel at all.
"""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from ehmi_ap.as4.mime import media_type
from ehmi_ap.config.folders import CERTIFICATES_LISTED, PMODES_LISTED
from ehmi_ap.crypto.certs import Certificate
from ehmi_ap.errors import NotFound, RequestRefused
from ehmi_ap.server import documents
from ehmi_ap.server.intake import IntakeLimits, in_thread, small
from ehmi_ap.server.routes import JSON, Access, Call, Given, Parameter, Route

TOML = "application/toml"
PEM = "application/x-pem-file"
LIMITS = IntakeLimits(bytes=1048576, idle=30.0, total=60.0)
NAME = Parameter("name", "its name: that of its file, without the ending", where="path")


async def list_pmodes(call: Call) -> web.StreamResponse:
    """GET /pmodes."""
    return documents.answer(documents.Names(names=_pmode_names(call)))


async def show_pmode(call: Call) -> web.StreamResponse:
    """GET /pmodes/{name}: as JSON, or as the TOML file it is where the client asks for application/toml."""
    name = call.path("name")
    if name not in _pmode_names(call):
        raise NotFound("there is no such P-Mode", fix=PMODES_LISTED)
    try:
        text = await in_thread((call.ap.config.pmodes / f"{name}.toml").read_bytes)
    except FileNotFoundError:
        raise NotFound("there is no such P-Mode", fix=PMODES_LISTED) from None
    return table_as_asked(call, text)


async def put_pmode(call: Call) -> web.StreamResponse:
    """PUT /pmodes/{name}."""
    name = call.path("name")
    await call.ap.put_pmode(name, read_table(call.request, await small(call.request, LIMITS)))
    return web.Response(status=204)


async def delete_pmode(call: Call) -> web.StreamResponse:
    """DELETE /pmodes/{name}."""
    await call.ap.delete_pmode(call.path("name"))
    return web.Response(status=204)


async def list_certificates(call: Call) -> web.StreamResponse:
    """GET /certificates."""
    named = _certificates(call)
    return documents.answer(
        documents.CertificateList(
            certificates=tuple(
                documents.NamedCertificates(name=name, certificates=tuple(map(_certificate_info, named[name])))
                for name in sorted(named)
            )
        )
    )


async def show_certificate(call: Call) -> web.StreamResponse:
    """GET /certificates/{name}: PEM."""
    named = _certificates(call)
    if call.path("name") not in named:
        raise NotFound("there is no such certificate", fix=CERTIFICATES_LISTED)
    body = b"".join(each.x509.public_bytes(Encoding.PEM) for each in named[call.path("name")])
    return web.Response(body=body, content_type=PEM)


async def put_certificate(call: Call) -> web.StreamResponse:
    """PUT /certificates/{name}."""
    await call.ap.put_certificate(call.path("name"), await small(call.request, LIMITS))
    return web.Response(status=204)


async def delete_certificate(call: Call) -> web.StreamResponse:
    """DELETE /certificates/{name}."""
    await call.ap.delete_certificate(call.path("name"))
    return web.Response(status=204)


def _pmode_names(call: Call) -> tuple[str, ...]:
    return tuple(sorted(pmode.name for pmode in call.ap.agreements.pmodes))


def _certificates(call: Call) -> Mapping[str, tuple[Certificate, ...]]:
    trust = call.ap.agreements.trust
    return {name: trust.anchors([name]) for name in trust.names}


def _certificate_info(certificate: Certificate) -> documents.CertificateInfo:
    return documents.CertificateInfo(
        subject=certificate.subject,
        sha256=certificate.sha256,
        not_before=certificate.not_before,
        not_after=certificate.not_after,
    )


def read_table(request: web.Request, data: bytes) -> Mapping[str, Any]:
    """The P-Mode or network that a request carries, as a table. Raises RequestRefused (400, 415)."""
    try:
        kind, _ = media_type(request.headers.get("Content-Type", ""))
    except ValueError:
        kind = ""
    if kind not in (JSON, TOML):
        raise RequestRefused(415, f"A table is sent as {JSON} or {TOML}.")
    try:
        table = json.loads(data) if kind == JSON else tomllib.loads(data.decode())
    except (ValueError, RecursionError):
        raise RequestRefused(400, f"The body is not {'JSON' if kind == JSON else 'TOML'}.") from None
    if not isinstance(table, dict):
        raise RequestRefused(400, "The table is an object.")
    return table


def table_as_asked(call: Call, text: bytes) -> web.Response:
    """A table of TOML: as it is where the client asks for application/toml, else as JSON."""
    if TOML in call.request.headers.get("Accept", ""):
        return web.Response(body=text, content_type=TOML)
    return web.json_response(tomllib.loads(text.decode()), dumps=_dumps)


def _dumps(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, default=str)


DONE = {204: Given("done, and effective", media="")}
TABLE = (
    Given("the table as NAME.toml would say it", kind=dict[str, Any]),
    Given("the same as TOML", media=TOML),
)

ROUTES = (
    Route(
        method="GET",
        path="/pmodes",
        name="listPModes",
        what="The names of all P-Modes.",
        answerer=list_pmodes,
        access=Access.ADMIN,
        answers={200: Given("their names", kind=documents.Names)},
    ),
    Route(
        method="GET",
        path="/pmodes/{name}",
        name="showPMode",
        what="A P-Mode as its file says it; TOML where the client asks for it.",
        answerer=show_pmode,
        access=Access.ADMIN,
        parameters=(NAME,),
        answers={200: Given("the P-Mode", kind=dict[str, Any])},
        refusals=(404,),
    ),
    Route(
        method="PUT",
        path="/pmodes/{name}",
        name="putPMode",
        what="Add or replace a P-Mode.",
        answerer=put_pmode,
        access=Access.ADMIN,
        parameters=(NAME,),
        takes=TABLE,
        answers=DONE,
        refusals=(400, 408, 413, 415, 422),
    ),
    Route(
        method="DELETE",
        path="/pmodes/{name}",
        name="deletePMode",
        what="Delete a P-Mode.",
        answerer=delete_pmode,
        access=Access.ADMIN,
        parameters=(NAME,),
        answers=DONE,
        refusals=(404, 422),
    ),
    Route(
        method="GET",
        path="/certificates",
        name="listCertificates",
        what="The certificates we trust, by name.",
        answerer=list_certificates,
        access=Access.ADMIN,
        answers={200: Given("them", kind=documents.CertificateList)},
    ),
    Route(
        method="GET",
        path="/certificates/{name}",
        name="showCertificate",
        what="The certificates under a name, as PEM.",
        answerer=show_certificate,
        access=Access.ADMIN,
        parameters=(NAME,),
        answers={200: Given("PEM", media=PEM)},
        refusals=(404,),
    ),
    Route(
        method="PUT",
        path="/certificates/{name}",
        name="putCertificate",
        what="Add or replace the certificates under a name.",
        answerer=put_certificate,
        access=Access.ADMIN,
        parameters=(NAME,),
        takes=(
            Given("PEM, one or several", media=PEM),
            Given("one, as DER", media="application/pkix-cert"),
        ),
        answers=DONE,
        refusals=(400, 408, 413, 422),
    ),
    Route(
        method="DELETE",
        path="/certificates/{name}",
        name="deleteCertificate",
        what="Delete the certificates under a name that no P-Mode needs.",
        answerer=delete_certificate,
        access=Access.ADMIN,
        parameters=(NAME,),
        answers=DONE,
        refusals=(404, 422),
    ),
)
