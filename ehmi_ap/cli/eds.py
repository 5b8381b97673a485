"""`ehmi-ap eds`: the delivery status that an envelope gives, and what an access point is enrolled with for it."""

import argparse
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli import edsqueue
from ehmi_ap.cli.arguments import DEFAULT_CONFIG, add_config, moment
from ehmi_ap.cli.daemon import load_config
from ehmi_ap.cli.files import certificates, read
from ehmi_ap.cli.output import Exit, UsageError, print_json
from ehmi_ap.cli.tree import Node, draw
from ehmi_ap.errors import ConfigError, EnvelopeError

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.config import Eds
    from ehmi_ap.crypto.certificate import Certificate
    from ehmi_ap.ehmi.status import Facts
    from ehmi_ap.envelope import Envelope

Json = Mapping[str, Any]
_SIDES = ("sender", "receiver")
_NAMELESS = "example-ap"
"""Device of the events where no configuration says which one this access point is."""


def add(subparsers: "Subparsers") -> None:
    """Register the command and its parts."""
    parser = subparsers.add_parser(
        "eds",
        help="EHMI's delivery status: what an envelope gives, what waits to be told, and the enrolment",
        description="EHMI's delivery status service (EDS).",
    )
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True, dest="what")
    _add_preview(parts)
    edsqueue.add(parts)
    enrolment = parts.add_parser(
        "enrolment",
        help="print the metadata with which this access point is enrolled",
        description="Prints the client metadata of [eds] as JSON: what the operator of the authorization server is "
        "given. There is nothing secret in it.",
    )
    enrolment.add_argument("--contact", action="append", metavar="MAIL", help="whom the operator asks (repeatable)")
    add_config(enrolment)
    enrolment.set_defaults(run=run_enrolment)


def _add_preview(parts: "Subparsers") -> None:
    preview = parts.add_parser(
        "preview",
        help="show the AuditEvents that an envelope gives",
        description="Shows what an access point reports of the ehmiSBDH in FILE: when it took it and when it handed it "
        "on. Device and names are those of [eds], where there is a configuration.",
    )
    preview.add_argument("file", type=Path, metavar="FILE", help="the envelope")
    preview.add_argument("--at-ap", choices=_SIDES, help="only what the access point of this side reports")
    preview.add_argument(
        "--original", type=Path, metavar="FILE", help="the envelope that this receipt or acknowledgement answers"
    )
    preview.add_argument("--at", type=moment, metavar="TIME", help="when it happened (default: now)")
    add_config(preview)
    preview.add_argument(
        "--json", action="store_true", help="print a FHIR Bundle of the events; the patient's CPR number is in it"
    )
    preview.set_defaults(run=run_preview)


# -- what is run -----------------------------------------------------------------------------------------------------


def run_preview(args: argparse.Namespace) -> int:
    """Returns 0; 1, it is no right envelope, or lacks what every event needs."""
    from ehmi_ap.ehmi.auditevent import Deed, Device, audit_event

    eds = _eds(args.config)
    device = eds.as_told() if eds is not None else Device(id=_NAMELESS)
    known = _facts(args.file, _envelope(args.original) if args.original is not None else None)
    at = args.at or datetime.now(UTC)
    told = {
        (side, deed): audit_event(known, deed, at=at, failed=False, device=device)
        for side in ((args.at_ap,) if args.at_ap else _SIDES)
        for deed in Deed
    }
    if args.json:
        entries = [{"resource": event} for event in told.values()]
        print_json({"resourceType": "Bundle", "type": "collection", "entry": entries})
    else:
        events = (f"{deed.value} at the {side}'s access point" for side, deed in told)
        print(draw(_root(next(iter(told.values())), known.kind.value, events)), end="")
    return Exit.OK


def run_enrolment(args: argparse.Namespace) -> int:
    """Returns 0; 78, the configuration has mistakes, or no [eds]."""
    from ehmi_ap.net.eds import SCOPE

    eds = load_config(args.config).eds
    if eds is None:
        raise ConfigError(["ehmi-ap.toml: [eds]: is missing; add it (docs/reference/configuration.md)"])
    metadata: dict[str, Any] = {
        "client_name": eds.device.name or eds.device.id,
        "token_endpoint_auth_method": "tls_client_auth",
        "grant_types": ["client_credentials"],
        "scope": SCOPE,
        "tls_client_auth_subject_dn": _subject(_certificate(eds)),
        "ehmi:eer:device_id": eds.device.id,
        "ehmi:org_context": [{"name": each.name, "sor": each.sor, "gln": each.gln} for each in eds.organisations],
    }
    if args.contact:
        metadata["contacts"] = args.contact
    print_json(metadata)
    return Exit.OK


# -- below -----------------------------------------------------------------------------------------------------------


def _eds(path: Path) -> "Eds | None":
    """None: no configuration was named and there is none at its usual place, or it has no [eds]."""
    if path == Path(DEFAULT_CONFIG) and not path.is_file():
        return None
    return load_config(path).eds


def _facts(path: Path, original: "Envelope | None") -> "Facts":
    """Raises EnvelopeError."""
    from ehmi_ap.ehmi.status import Gap, facts
    from ehmi_ap.envelope import Kind

    envelope = _envelope(path)
    if original is not None and envelope.kind is Kind.MESSAGE:
        raise UsageError(f"{path} is a message, which answers nothing", fix="Leave --original out.")
    found = facts(envelope, original.original if original is not None else None)
    if isinstance(found, Gap):
        lacking = ", ".join(found.missing)
        raise EnvelopeError(
            f"{path} gives no delivery status: there is not exactly one scope {lacking}",
            fix="Have whoever made the envelope write these scopes once each.",
        )
    return found


def _envelope(path: Path) -> "Envelope":
    """Raises EnvelopeError."""
    from ehmi_ap.body import MemoryBody
    from ehmi_ap.ehmi.envelope import read as read_envelope
    from ehmi_ap.ehmi.status import envelope_of

    reading = read_envelope(MemoryBody(read(path)))
    if reading.header is None:
        said = "; ".join(finding.what for finding in reading.findings)
        raise EnvelopeError(f"{path} is no right envelope: {said}", fix="`ehmi-ap sbdh` says more of it.")
    return envelope_of(reading.header)


def _certificate(eds: "Eds") -> "Certificate":
    path = eds.tls.certificate
    assert path is not None  # reading.py asks for it
    found = certificates(path, None)
    if not found:
        raise ConfigError([f"ehmi-ap.toml: [eds.tls] certificate: there is no certificate in {path}"])
    return found[0]


def _subject(certificate: "Certificate") -> str:
    """RFC 4514, with the keywords that EHMI's own example has for what OCES certificates name (spec/eds.md 4)."""
    from cryptography.x509.oid import NameOID

    words = {NameOID.SERIAL_NUMBER: "serialNumber", NameOID.ORGANIZATION_IDENTIFIER: "organizationIdentifier"}
    return certificate.x509.subject.rfc4514_string(words)


def _root(event: Json, kind: str, events: Iterator[str]) -> Node:
    """The events of one envelope differ in when and by whom they are told; everything else is said once."""
    profile = event["meta"]["profile"][0].rpartition("/")[2]
    return Node(
        kind,
        (
            Node(f"profile   {profile}"),
            Node(f"device    {event['source']['observer']['identifier']['value']}"),
            *(_agent(each) for each in event["agent"]),
            *(_entity(each) for each in event["entity"]),
            Node("events", tuple(map(Node, events))),
        ),
    )


def _agent(agent: Json) -> Node:
    gln = agent["extension"][0]["valueIdentifier"]["value"]
    name = f", {agent['name']}" if "name" in agent else ""
    role = agent["type"]["coding"][0]["display"].lower()
    return Node(_shown(f"{role:9} SOR {agent['who']['identifier']['value']}, GLN {gln}") + name)


def _entity(entity: Json) -> Node:
    kind = entity["type"]["display"].lower()
    if entity["type"]["code"] == "ehmiPatient":
        return Node(f"{kind:9} named by a CPR number, which is not shown")
    details = tuple(Node(_shown(f"{each['type']} {each['valueString']}")) for each in entity.get("detail", ()))
    return Node(_shown(f"{kind:9} {entity['what']['identifier']['value']}"), details)


def _shown(text: str) -> str:
    """What an envelope says, as one line without what looks like a CPR number."""
    from ehmi_ap.flows.explain import quoted

    return quoted(text)
