"""`ehmi-ap partner`: add a partner in one line; what it needs of us is told by `sheet`."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli import sheet
from ehmi_ap.cli.arguments import add_config
from ehmi_ap.cli.daemon import load_config
from ehmi_ap.cli.files import read
from ehmi_ap.cli.output import Exit, UsageError, note, print_json

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers


def add(subparsers: "Subparsers") -> None:
    """Register the command and its two parts."""
    parser = subparsers.add_parser("partner", help="add a partner, or say what a partner needs of us")
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True, dest="what")
    _add_add(parts)
    sheet.add(parts)


def _add_add(parts: "Subparsers") -> None:
    parser = parts.add_parser(
        "add",
        help="write a partner's P-Mode",
        description="Write pmodes/NAME.toml and put the certificate into trust/. A partner has --url and --party; all "
        "those of a --network have neither. All is checked first; when something is wrong, nothing is written. A "
        "running daemon takes it up when it is restarted; over REST it does at once.",
    )
    parser.add_argument("name", metavar="NAME", help="what we call the partner: letters, digits, dot, dash, underscore")
    parser.add_argument("--url", metavar="URL", help="where the partner's access point listens")
    parser.add_argument("--party", metavar="ID", help="the partner's PartyId")
    trusted = parser.add_mutually_exclusive_group(required=True)
    trusted.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="the partner's certificate, PEM or DER: we encrypt for it, and only it may sign for the partner",
    )
    trusted.add_argument(
        "--trust",
        type=Path,
        metavar="FILE",
        help="a CA instead: whoever it issued the PartyId as common name to may sign; we cannot send, only receive",
    )
    trusted.add_argument(
        "--network",
        metavar="NETWORK",
        help="all access points of this network instead: each is looked up when there is a message for it",
    )
    parser.add_argument(
        "--like",
        metavar="PRODUCT",
        help="take the values that the partner's product needs: phase4, oxalis-peppol, oxalis-cef, holodeck, domibus, "
        "domibus-pkipath",
    )
    parser.add_argument("--type", metavar="TYPE", help="type of the PartyId (default: that of our own; '' for none)")
    parser.add_argument("--profile", default="ehmi", metavar="NAME", help="the network's profile (default: ehmi)")
    parser.add_argument("--service", metavar="VALUE", help="eb:Service (default: the profile's)")
    parser.add_argument(
        "--action", action="append", metavar="VALUE", help="eb:Action; may be repeated (default: the profile's)"
    )
    parser.add_argument("--agreement", metavar="VALUE", help="eb:AgreementRef (default: none)")
    parser.add_argument(
        "--participant",
        action="append",
        metavar="ID",
        help="an end user behind the partner, like 0088:GLN; may be repeated",
    )
    parser.add_argument(
        "--backend", metavar="NAME", help="the backend that gets what the partner sends (default: the default one)"
    )
    parser.add_argument(
        "--tls-ca", type=Path, metavar="FILE", help="CA of the partner's HTTPS server (default: the system's CAs)"
    )
    parser.add_argument("--replace", action="store_true", help="replace a partner of this name")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_add)


def run_add(args: argparse.Namespace) -> int:
    """Write the P-Mode and the certificates; 0."""
    from ehmi_ap.config import put_partner
    from ehmi_ap.tables import to_toml

    config = load_config(args.config)
    path = config.pmodes / f"{args.name}.toml"
    if path.exists() and not args.replace:
        raise UsageError(f"{path} is there already", fix="Choose another name, or add --replace.")
    table, files = _table(args)
    certificates = {name: read(file) for name, file in files.items()}
    if not args.replace:
        _check_new(config.trust, certificates)
    agreements = put_partner(config, args.name, table, certificates)
    if args.json:
        print_json({"pmode": str(path), "certificates": [str(config.trust / f"{name}.pem") for name in files]})
    else:
        print(f"{path}:\n")
        print(to_toml(table))
    for warning in agreements.warnings:
        note(f"warning: {warning}")
    return Exit.OK


def _table(args: argparse.Namespace) -> tuple[dict[str, object], dict[str, Path]]:
    """The P-Mode as a table, at most ten lines and what its product needs; and the certificates to put beside it."""
    like = _like(args.like)
    table: dict[str, object] = {"profile": args.profile} | _who(args, like)
    files: dict[str, Path] = {}
    if args.certificate is not None:
        files[args.name] = args.certificate
        table["certificate"] = args.name
    elif args.trust is not None:
        files[f"{args.name}-ca"] = args.trust
        table |= {"trust": [f"{args.name}-ca"], "party_binding": "subject-cn"}
    if args.tls_ca is not None:
        files[f"{args.name}-tls"] = args.tls_ca
        table["tls_trust"] = f"{args.name}-tls"
    optional = {
        "service": _typed(args.service, like, "service", "value"),
        "actions": args.action,
        "agreement": args.agreement,
        "participants": args.participant,
        "backend": args.backend,
    }
    others = _THE_PARTNERS if args.profile == like.get("profile") else (*_THE_PARTNERS, *_THE_NETWORKS)
    values = {key: value for key, value in like.items() if key not in others and value != {}}
    return table | values | {key: value for key, value in optional.items() if value is not None}, files


def _who(args: argparse.Namespace, like: Mapping[str, object]) -> dict[str, object]:
    """The partner and where it is, or the network that says both. Raises UsageError."""
    given = [f"--{name}" for name in ("url", "party", "type") if getattr(args, name) is not None]
    if args.network is not None:
        if given:
            raise UsageError(f"{given[0]}: a look-up in the network says it", fix=f"Leave out {' and '.join(given)}.")
        return {"network": args.network}
    if args.url is None or args.party is None:
        raise UsageError("a partner needs --url and --party", fix="Add them, or name a --network to look it up in.")
    party = args.party if args.type is None else {"id": args.party, "type": args.type}
    return {"partner": _typed(party, like, "partner", "id"), "url": args.url}


_THE_PARTNERS = ("profile", "partner", "url", "certificate")
"""What the arguments always say; in a shipped P-Mode it is an example."""
_THE_NETWORKS = ("service", "actions")
"""What is exchanged in the network of the shipped P-Mode's profile, and in no other."""


def _like(product: str | None) -> Mapping[str, object]:
    """The values that a product needs; none where no product is named. Raises UsageError."""
    from ehmi_ap.config import product_pmodes

    if product is None:
        return {}
    known = product_pmodes()
    if product not in known:
        raise UsageError(f"--like: no values are known for {product}", fix=f"Name one of: {', '.join(sorted(known))}.")
    return known[product]


def _typed(given: object, like: Mapping[str, object], key: str, name: str) -> object:
    """What was given, with the type that the product writes where none was given with it."""
    needed = like.get(key)
    return {**needed, name: given} if isinstance(given, str) and isinstance(needed, Mapping) else given


def _check_new(trust: Path, certificates: dict[str, bytes]) -> None:
    """Raises UsageError where another certificate has the name: a partner of ours may count on it."""
    from ehmi_ap.crypto.keys import load_certificates
    from ehmi_ap.errors import XmlSecurityError

    for name, data in certificates.items():
        path = trust / f"{name}.pem"
        try:
            known = not path.exists() or load_certificates(read(path)) == load_certificates(data)
        except XmlSecurityError:
            continue  # told with all other findings, and nothing is written then
        if not known:
            raise UsageError(
                f"{path} is there already and holds another certificate",
                fix="Choose another name, or add --replace to have this certificate in its place.",
            )
