"""`ehmi-ap partner`: add a partner in one line, and say what a partner needs of us."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import add_config
from ehmi_ap.cli.daemon import load_config
from ehmi_ap.cli.output import Exit, UsageError, note, print_json

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.config import Config
    from ehmi_ap.crypto.certs import Certificate
    from ehmi_ap.crypto.keys import Keys
    from ehmi_ap.pmode import PMode


def add(subparsers: "Subparsers") -> None:
    """Register the command and its two parts."""
    parser = subparsers.add_parser("partner", help="add a partner, or say what a partner needs of us")
    parts = parser.add_subparsers(title="what to do", metavar="WHAT", required=True, dest="what")
    _add_add(parts)
    _add_sheet(parts)


def _add_add(parts: "Subparsers") -> None:
    parser = parts.add_parser(
        "add",
        help="write a partner's P-Mode",
        description="Write pmodes/NAME.toml and put the certificate into trust/. All is checked first; when something "
        "is wrong, nothing is written. A running daemon takes it up when it is restarted; over REST it does at once.",
    )
    parser.add_argument("name", metavar="NAME", help="what we call the partner: letters, digits, dot, dash, underscore")
    parser.add_argument("--url", required=True, metavar="URL", help="where the partner's access point listens")
    parser.add_argument("--party", required=True, metavar="ID", help="the partner's PartyId")
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


def _add_sheet(parts: "Subparsers") -> None:
    parser = parts.add_parser(
        "sheet",
        help="print what a partner needs of us",
        description="Print our URL, PartyId, certificate and the P-Mode values that a partner has to configure.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a partner of ours, for the values agreed with it")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_sheet)


def run_add(args: argparse.Namespace) -> int:
    """Write the P-Mode and the certificates; 0."""
    from ehmi_ap.config import put_partner
    from ehmi_ap.tables import to_toml

    config = load_config(args.config)
    path = config.pmodes / f"{args.name}.toml"
    if path.exists() and not args.replace:
        raise UsageError(f"{path} is there already", fix="Choose another name, or add --replace.")
    table, files = _table(args)
    certificates = {name: _read(file) for name, file in files.items()}
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
    party = args.party if args.type is None else {"id": args.party, "type": args.type}
    table: dict[str, object] = {
        "profile": args.profile,
        "partner": _typed(party, like, "partner", "id"),
        "url": args.url,
    }
    files: dict[str, Path] = {}
    if args.certificate is not None:
        files[args.name] = args.certificate
        table["certificate"] = args.name
    else:
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
    values = {key: value for key, value in like.items() if key not in _THE_PARTNERS and value != {}}
    return table | values | {key: value for key, value in optional.items() if value is not None}, files


_THE_PARTNERS = ("profile", "partner", "url", "certificate")
"""What the arguments always say; in a shipped P-Mode it is an example."""


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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _check_new(trust: Path, certificates: dict[str, bytes]) -> None:
    """Raises UsageError where another certificate has the name: a partner of ours may count on it."""
    from ehmi_ap.crypto.keys import load_certificates
    from ehmi_ap.errors import XmlSecurityError

    for name, data in certificates.items():
        path = trust / f"{name}.pem"
        try:
            known = not path.exists() or load_certificates(_read(path)) == load_certificates(data)
        except XmlSecurityError:
            continue  # told with all other findings, and nothing is written then
        if not known:
            raise UsageError(
                f"{path} is there already and holds another certificate",
                fix="Choose another name, or add --replace to have this certificate in its place.",
            )


def run_sheet(args: argparse.Namespace) -> int:
    """Print the sheet; 0."""
    from ehmi_ap.config import load_agreements

    config = load_config(args.config)
    agreements = load_agreements(config)
    pmode = next((pmode for pmode in agreements.pmodes if pmode.name == args.name), None)
    if args.name is not None and pmode is None:
        names = ", ".join(pmode.name for pmode in agreements.pmodes) or "there is none yet"
        raise UsageError(f"there is no partner {args.name}", fix=f"Name one of: {names}.")
    facts = sheet(config, agreements.keys, pmode)
    if args.json:
        print_json(facts)
    else:
        _tell(facts)
    return Exit.OK


def sheet(config: "Config", own: "Keys", pmode: "PMode | None" = None) -> dict[str, Any]:
    """What a partner needs of us, public facts only; the P-Mode's values, or those of EHMI's profile."""
    from ehmi_ap.crypto.certs import Certificate
    from ehmi_ap.pmode import parse_pmode

    template = {"profile": "ehmi", "trust": ["-"], "party_binding": "subject-cn"}
    agreed = pmode or parse_pmode("sheet", template, us=config.party, profiles=config.profiles())
    certificates = {"signing": own.signing.certificate, "encryption": own.decryption[0].certificate}
    if config.as4.tls is not None and config.as4.tls.certificate is not None:
        certificates["tls"] = Certificate.from_pem(config.as4.tls.certificate.read_bytes())
    return {
        "url": config.as4.public_url,
        "party": {"id": agreed.us.value, "type": agreed.us.type},
        "certificates": {use: _certificate_facts(certificate) for use, certificate in certificates.items()},
        "pmode": _pmode_facts(agreed),
    }


def _certificate_facts(certificate: "Certificate") -> dict[str, str]:
    from cryptography.hazmat.primitives.serialization import Encoding

    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "sha256": certificate.sha256,
        "pem": certificate.x509.public_bytes(Encoding.PEM).decode(),
    }


def _pmode_facts(pmode: "PMode") -> dict[str, Any]:
    """What both sides have to configure alike, from the partner's point of view."""
    from ehmi_ap.pmode import EBMS, TWO_WAY

    security = pmode.security
    mep, binding = ("twoWay", "pushAndPush") if pmode.mep == TWO_WAY else ("oneWay", "push")
    return {
        "mep": EBMS + mep,
        "mep_binding": EBMS + binding,
        "profile": pmode.profile,
        "service": {"value": pmode.service.value, "type": pmode.service.type},
        "actions": list(pmode.actions),
        "agreement": {"value": pmode.agreement.value, "type": pmode.agreement.type} if pmode.agreement else None,
        "initiator_role": pmode.initiator_role,
        "responder_role": pmode.responder_role,
        "mpc": pmode.mpc,
        "four_corner": pmode.four_corner,
        "receipt": "signed non-repudiation receipt in the HTTP response",
        "sign": list(security.accept_sign),
        "digest": list(security.accept_digest),
        "encrypt": list(security.accept_cipher) if security.encrypt else [],
        "key_transport": list(security.accept_key_transport) if security.encrypt else [],
        "token_sent": security.sign_token,
        "tokens_accepted": list(security.accept_token),
        "compress": "application/gzip",
    }


def _tell(facts: dict[str, Any]) -> None:
    party, pmode = facts["party"], facts["pmode"]
    rows = [
        ("URL", facts["url"]),
        ("PartyId", party["id"]),
        ("PartyId type", party["type"] or "none"),
        ("MEP", f"{pmode['mep']}, {pmode['mep_binding'].rpartition('/')[2]}"),
        ("Service", " ".join(filter(None, pmode["service"].values()))),
        *(("Action", action) for action in pmode["actions"]),
        ("AgreementRef", " ".join(filter(None, (pmode["agreement"] or {"value": "none"}).values()))),
        ("Initiator role", pmode["initiator_role"]),
        ("Responder role", pmode["responder_role"]),
        ("MPC", pmode["mpc"]),
        ("Properties", "originalSender, finalRecipient" if pmode["four_corner"] else "none required"),
        ("Receipt", pmode["receipt"]),
        ("Signature", f"{', '.join(pmode['sign'])}; digests {', '.join(pmode['digest'])}"),
        ("Encryption", ", ".join((*pmode["encrypt"], *pmode["key_transport"])) or "none"),
        ("Tokens", f"we send {pmode['token_sent']}, we accept {', '.join(pmode['tokens_accepted'])}"),
        ("Compression", pmode["compress"]),
    ]
    for name, value in rows:
        print(f"{name + ':':<16}{value}")
    told: dict[str, list[str]] = {}
    for use, certificate in facts["certificates"].items():
        told.setdefault(certificate["pem"], []).append(_USES[use])
    for certificate in facts["certificates"].values():
        if uses := told.pop(certificate["pem"], None):
            _tell_certificate(f"Certificate for {' and '.join(uses)}", certificate)


_USES = {"signing": "our signature", "encryption": "encrypting for us", "tls": "our TLS server"}


def _tell_certificate(title: str, certificate: dict[str, str]) -> None:
    print(f"\n{title}: {certificate['subject']}")
    print(f"valid until {certificate['not_after']}, SHA-256 {certificate['sha256']}")
    print(certificate["pem"].strip())
