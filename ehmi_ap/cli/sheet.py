"""`ehmi-ap partner sheet`: what a partner needs of us."""

import argparse
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import add_config
from ehmi_ap.cli.daemon import load_config
from ehmi_ap.cli.output import Exit, UsageError, print_json

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.config import Config
    from ehmi_ap.crypto.certs import Certificate
    from ehmi_ap.crypto.keys import Keys
    from ehmi_ap.pmode import PMode


def add(parts: "Subparsers") -> None:
    """Register the part of `ehmi-ap partner`."""
    parser = parts.add_parser(
        "sheet",
        help="print what a partner needs of us",
        description="Print our URL, PartyId, certificate and the P-Mode values that a partner has to configure.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a partner of ours, for the values agreed with it")
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the sheet; 0."""
    from ehmi_ap.config import load_agreements

    config = load_config(args.config)
    agreements = load_agreements(config)
    pmode = next((pmode for pmode in agreements.pmodes if pmode.name == args.name), None)
    if args.name is not None and pmode is None:
        names = ", ".join(pmode.name for pmode in agreements.pmodes) or "there is none yet"
        raise UsageError(f"there is no partner {args.name}", fix=f"Name one of: {names}.")
    facts = facts_for(config, agreements.keys, pmode)
    if args.json:
        print_json(facts)
    else:
        _tell(facts)
    return Exit.OK


def facts_for(config: "Config", own: "Keys", pmode: "PMode | None" = None) -> dict[str, Any]:
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
