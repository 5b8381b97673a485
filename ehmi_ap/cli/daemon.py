"""Finding the running daemon: where its REST is and which token to show.

`--url` or $EHMI_AP_URL names it, with a token in $EHMI_AP_TOKEN or `--token-file`; without either, the configuration
says both. A token is never an argument, because other users of the machine can read arguments.
"""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ehmi_ap.cli.arguments import add_config
from ehmi_ap.cli.output import UsageError

if TYPE_CHECKING:
    from ehmi_ap.client import Client
    from ehmi_ap.config import Config
    from ehmi_ap.crypto.keys import KeyPair


def add_daemon(parser: argparse.ArgumentParser) -> None:
    """What every command that talks to the daemon needs."""
    add_config(parser)
    parser.add_argument(
        "--url", metavar="URL", help="the daemon's REST (default: $EHMI_AP_URL, else the configuration)"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="file with the token to show (default: $EHMI_AP_TOKEN, else the configuration)",
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="CA of an HTTPS daemon (default: the system's)")
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE", help="PEM, shown to an HTTPS daemon that asks who we are"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="PEM (default: in the certificate's file)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def connect(args: argparse.Namespace, *, backend: str | None = None, signing: "KeyPair | None" = None) -> "Client":
    """A client of the daemon.

    `backend` asks for the token of that backend, or else the administrator's; None for the administrator's, which
    sees every backend's messages, or else the default backend's. What it submits is signed with `signing`.

    Raises ConfigError, UsageError.
    """
    from ehmi_ap.client import Client

    url = args.url or os.environ.get("EHMI_AP_URL")
    if url is not None and not url.startswith(("http://", "https://")):
        raise UsageError(f"{url} is not the URL of a daemon", fix="Write it as http://HOST:PORT or https://HOST:PORT.")
    for name in ("ca", "certificate", "key"):
        path = getattr(args, name)
        if path is not None and not path.exists():
            raise UsageError(f"--{name}: there is no {path}")
    shown = None if args.certificate is None else (args.certificate, args.key or args.certificate)
    token = _given_token(args)
    if url is None:
        config = load_config(args.config)
        url, token = _internal_url(config), token or _token(config, backend)
    return Client(url, token, verify=args.ca or True, certificate=shown, signing=signing)


def load_config(path: Path) -> "Config":
    """The configuration at `path`. Raises ConfigError with all findings, UsageError when there is no such file."""
    from ehmi_ap.config import Config

    if not path.is_file():
        raise UsageError(
            f"there is no configuration {path}",
            fix="Name it with --config, change to its folder, or write one with `ehmi-ap init DIR`.",
        )
    return Config.load(path)


def _given_token(args: argparse.Namespace) -> str | None:
    if args.token_file is None:
        token, place = os.environ.get("EHMI_AP_TOKEN"), "$EHMI_AP_TOKEN"
    else:
        token, place = _first_line(args.token_file), str(args.token_file)
    if token is not None and not (token.isascii() and token.isprintable()):
        raise UsageError(f"{place} holds no token", fix="A token is one line of printable ASCII.")
    return token


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n", 1)[0].strip()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _internal_url(config: "Config") -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.internal.host, config.internal.host)  # noqa: S104 - compared
    scheme = "https" if config.internal.tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{config.internal.port}"


def _token(config: "Config", backend: str | None) -> str:
    """The token of `backend`, or of whoever sees the most. Raises UsageError when the configuration holds none."""
    secrets = {name: item.token for name, item in config.backends.items() if item.token is not None}
    own = secrets.get(backend or config.backend_of(None) or "")
    admin = config.internal.admin_token
    secret = (own or admin) if backend else (admin or own or next(iter(secrets.values()), None))
    token = secret.read() if secret is not None else ""
    if secret is None or token.startswith("sha256:"):
        raise UsageError(
            f"the configuration holds no token{f' of backend {backend}' if backend else ''} to show",
            fix="Put the token into $EHMI_AP_TOKEN, or name its file with --token-file.",
        )
    return token
