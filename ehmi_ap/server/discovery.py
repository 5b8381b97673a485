"""Networks in which partners are looked up, and what look-ups found, for the administrator.

Networks travel as P-Modes do and are checked with them. What is remembered of receivers can be seen and forgotten: the
next message to one of them has it looked up anew.
"""

from typing import Any

from aiohttp import web

from ehmi_ap.config.folders import NETWORKS_LISTED
from ehmi_ap.config.shipped import network_tables
from ehmi_ap.discovery.found import FOUND
from ehmi_ap.errors import NotFound
from ehmi_ap.flows.directory import Entry
from ehmi_ap.server import documents
from ehmi_ap.server.administration import DONE, LIMITS, NAME, TABLE, read_table, table_as_asked
from ehmi_ap.server.intake import in_thread, small
from ehmi_ap.server.routes import Access, Call, Given, Parameter, Route
from ehmi_ap.tables import to_toml


async def list_networks(call: Call) -> web.StreamResponse:
    """GET /networks."""
    return documents.answer(documents.Names(names=tuple(sorted(call.ap.agreements.networks))))


async def show_network(call: Call) -> web.StreamResponse:
    """GET /networks/{name}: an operator's own as its file says it, else the one that ships."""
    name = call.path("name")
    if name not in call.ap.agreements.networks:
        raise NotFound("there is no such network", fix=NETWORKS_LISTED)
    try:
        text = await in_thread((call.ap.config.discovery.networks / f"{name}.toml").read_bytes)
    except FileNotFoundError:
        text = to_toml(network_tables()[name]).encode()
    return table_as_asked(call, text)


async def put_network(call: Call) -> web.StreamResponse:
    """PUT /networks/{name}."""
    await call.ap.put_network(call.path("name"), read_table(call.request, await small(call.request, LIMITS)))
    return web.Response(status=204)


async def delete_network(call: Call) -> web.StreamResponse:
    """DELETE /networks/{name}."""
    await call.ap.delete_network(call.path("name"))
    return web.Response(status=204)


async def list_receivers(call: Call) -> web.StreamResponse:
    """GET /receivers."""
    entries = call.ap.directory.entries(call.query("participant"))
    return documents.answer(documents.ReceiverList(receivers=tuple(map(_receiver, entries))))


async def forget_receivers(call: Call) -> web.StreamResponse:
    """DELETE /receivers."""
    return documents.answer(documents.Forgotten(forgotten=call.ap.directory.flush(call.query("participant"))))


def _receiver(entry: Entry) -> documents.Receiver:
    remembered, wanted = entry.remembered, entry.wanted
    found, error = remembered.found or remembered.snapshot, remembered.error
    return documents.Receiver(
        network=entry.network,
        participant=str(wanted.participant),
        document=str(wanted.document),
        process=str(wanted.process),
        use=entry.use,
        outcome=FOUND if error is None else error.outcome,
        problem=None if error is None else documents.LookupProblem(reason=error.reason, what=error.what, fix=error.fix),
        url=None if found is None else found.endpoint.url,
        certificate_sha256=None if found is None else found.endpoint.encryption.sha256,
        smp=None if found is None else found.smp,
        found_at=remembered.found_at,
        usable_until=None if found is None else found.usable_until,
    )


PARTICIPANT = Parameter("participant", "value of the receiver's identifier, in any case; all receivers without it")

ROUTES = (
    Route(
        method="GET",
        path="/networks",
        name="listNetworks",
        what="The names of all networks, those that ship too.",
        answerer=list_networks,
        access=Access.ADMIN,
        answers={200: Given("their names", kind=documents.Names)},
    ),
    Route(
        method="GET",
        path="/networks/{name}",
        name="showNetwork",
        what="A network as its file says it; TOML where the client asks for it.",
        answerer=show_network,
        access=Access.ADMIN,
        parameters=(NAME,),
        answers={200: Given("the network", kind=dict[str, Any])},
        refusals=(404,),
    ),
    Route(
        method="PUT",
        path="/networks/{name}",
        name="putNetwork",
        what="Add or replace a network; it takes the place of a shipped one of its name.",
        answerer=put_network,
        access=Access.ADMIN,
        parameters=(NAME,),
        takes=TABLE,
        answers=DONE,
        refusals=(400, 408, 413, 415, 422),
    ),
    Route(
        method="DELETE",
        path="/networks/{name}",
        name="deleteNetwork",
        what="Delete a network of the operator's own that no P-Mode needs.",
        answerer=delete_network,
        access=Access.ADMIN,
        parameters=(NAME,),
        answers=DONE,
        refusals=(404, 422),
    ),
    Route(
        method="GET",
        path="/receivers",
        name="listReceivers",
        what="What is remembered of receivers that were looked up.",
        answerer=list_receivers,
        access=Access.ADMIN,
        parameters=(PARTICIPANT,),
        answers={200: Given("them", kind=documents.ReceiverList)},
    ),
    Route(
        method="DELETE",
        path="/receivers",
        name="forgetReceivers",
        what="Forget what is remembered of a receiver, or of all: they are looked up anew.",
        answerer=forget_receivers,
        access=Access.ADMIN,
        parameters=(PARTICIPANT,),
        answers={200: Given("how much was forgotten", kind=documents.Forgotten)},
    ),
)
