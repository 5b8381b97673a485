"""`ehmi-ap init DIR`: a configuration that works, with fresh keys and tokens."""

import argparse
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.output import Exit, UsageError

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers

_PRIVATE = 0o700
_SHARED = 0o770  # C1 and C4 may be another user of our group

TEMPLATE = """\
# An access point. Every setting: docs/reference/configuration.md. After a change: `ehmi-ap check`.
# Paths are relative to this file. Secrets are in files of their own.

domain = {domain}                # the right side of our MessageIds

[party]                             # our eb:PartyId, as partners write it into their P-Modes
id = {party}
#type = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"

[as4]                               # where partners reach us: POST /as4 and nothing else
host = "0.0.0.0"
port = {port}
public_url = {url}

[as4.tls]                           # replace it by a certificate that your partners' systems trust
certificate = "keys/tls.crt.pem"
key = "keys/tls.key.pem"

[internal]                          # REST, health and metrics, for this machine only
port = {internal_port}
admin_token = {{ file = "tokens/admin" }}

[keys.signing]                      # signs what we send, and decrypts what we get
file = "keys/ap.key.pem"
certificate = "keys/ap.crt.pem"

[backends.exchange]                 # C1 drops into exchange/outbox, C4 takes from exchange/inbox
kind = "directory"
path = "exchange"
token = {{ file = "tokens/exchange" }}

[backends.exchange.signature]       # C1 signs what it submits: trust/msh.pem says who may
trust = ["msh"]

[backends.exchange.signature.key]   # we sign what C4 takes
file = "keys/delivery.key.pem"
certificate = "keys/delivery.crt.pem"

[retention]                         # days after a message's final state
#payload_days = 14
#message_days = 180
"""


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "init",
        help="write a configuration with keys",
        description="Write a ready configuration into DIR: ehmi-ap.toml, fresh keys with certificates of a throw-away "
        "CA, tokens, and the folders that C1 and C4 use. Nothing that is there is overwritten.",
    )
    parser.add_argument("dir", type=Path, metavar="DIR", help="the folder; made when it is not there")
    parser.add_argument("--party", metavar="ID", help="our PartyId (default: DOMAIN)")
    parser.add_argument(
        "--domain", default="localhost", metavar="HOST", help="our host name, as partners reach us (default: localhost)"
    )
    parser.add_argument("--port", type=_port, default=8443, metavar="N", help="port of AS4 (default: 8443)")
    parser.add_argument("--internal-port", type=_port, default=8080, metavar="N", help="port of REST (default: 8080)")
    parser.add_argument(
        "--public-url", metavar="URL", help="the URL that partners are told (default: https://DOMAIN:PORT/as4)"
    )
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port; give a number up to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Write it, check it and say what to do next; 0."""
    from ehmi_ap.cli.check import check
    from ehmi_ap.errors import ConfigError

    folder: Path = args.dir
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there and not empty", fix="Name a new or an empty folder.")
    write(
        folder,
        party=args.party or args.domain,
        domain=args.domain,
        port=args.port,
        internal_port=args.internal_port,
        public_url=args.public_url or f"https://{args.domain}:{args.port}/as4",
    )
    report = check(folder / "ehmi-ap.toml")
    if not report.right:
        raise ConfigError([*report.mistakes, *report.lapsed])
    _tell(folder)
    return Exit.OK


def write(folder: Path, *, party: str, domain: str, port: int, internal_port: int, public_url: str) -> None:
    """Write the whole configuration. Raises ConfigError for a party or domain that no certificate can carry."""
    from ehmi_ap.demo.pki import LOOPBACK, Authority, write_private

    now = datetime.now(UTC)
    authority = Authority.new(f"ehmi-ap throw-away CA of {party}"[:64], now=now)
    own = authority.access_point(party, now=now)
    tls = authority.tls_server(party, now=now, hosts=tuple(dict.fromkeys((domain, *LOOPBACK))))

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("keys", "tokens", "trust", "pmodes", "data"):
        (folder / name).mkdir(mode=_PRIVATE)
    for name in ("", "outbox", "inbox", "events", "errors"):
        shared = folder / "exchange" / name
        shared.mkdir()
        shared.chmod(_SHARED)  # whatever the umask is
    own.write(folder / "keys", "ap")
    tls.write(folder / "keys", "tls")
    authority.system(f"delivery of {party}"[:64], now=now).write(folder / "keys", "delivery")
    msh = authority.system(f"MSH of {party}"[:64], now=now)
    write_private(folder / "keys" / "msh.pem", msh.key_pem + msh.certificate_pem)
    (folder / "trust" / "msh.pem").write_bytes(msh.certificate_pem)
    # The CA's own key is forgotten: it has signed what it was made for.
    (folder / "keys" / "ca.crt.pem").write_bytes(authority.certificate_pem)
    for name in ("admin", "exchange"):
        _write_token(folder / "tokens" / name)
    text = TEMPLATE.format(
        domain=_toml(domain),
        party=_toml(party),
        port=port,
        internal_port=internal_port,
        url=_toml(public_url),
    )
    (folder / "ehmi-ap.toml").write_text(text, encoding="utf-8")


def _toml(text: str) -> str:
    from ehmi_ap.tables import to_toml

    return to_toml({"x": text}).removeprefix("x = ").strip()


def _write_token(path: Path) -> None:
    from ehmi_ap.durable import write_atomically

    write_atomically(path, (secrets.token_urlsafe(32).encode() + b"\n",))


def _tell(folder: Path) -> None:
    print(f"""\
{folder}/ehmi-ap.toml is ready.

  keys/      what we sign, decrypt and serve TLS with; from a throw-away CA, so replace them before production.
             msh.pem is for C1, which signs with it what it submits: give it away, and keep only trust/msh.pem
  tokens/    what an administrator and the programs of C1 and C4 show to REST
  exchange/  drop a signed StandardBusinessDocument into outbox/, take what came from inbox/

Next, in {folder}:
  ehmi-ap partner sheet                            what a partner needs of you
  ehmi-ap partner add NAME --url URL --certificate FILE --party ID
  ehmi-ap check
  ehmi-ap serve""")
