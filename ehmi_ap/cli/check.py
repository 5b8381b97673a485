"""`ehmi-ap check`: every mistake of configuration, P-Modes, certificates and keys at once."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ehmi_ap.cli.arguments import add_config
from ehmi_ap.cli.output import Exit, print_json
from ehmi_ap.errors import ConfigError

if TYPE_CHECKING:
    from ehmi_ap.cli.arguments import Subparsers
    from ehmi_ap.config import Config


@dataclass
class Report:
    """What was found: mistakes, certificates that are not valid now, and what is worth knowing."""

    mistakes: list[str] = field(default_factory=list)
    lapsed: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    partners: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether messages can be exchanged with every partner."""
        return not self.mistakes and not self.lapsed


def add(subparsers: "Subparsers") -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check",
        help="find every mistake of the configuration",
        description="Read ehmi-ap.toml, keys, certificates and P-Modes, and print every mistake at once. Exit 0: it is "
        "right; 1: there are mistakes, or a certificate that is not valid now. Warnings do not count.",
    )
    add_config(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check everything that can be checked without starting; 0 right, 1 not."""
    report = check(args.config)
    if args.json:
        print_json({"ok": report.right, **vars(report)})
    else:
        _tell(report, args.config)
    return Exit.OK if report.right else Exit.FAILED


def check(path: Path) -> Report:
    """Look at the configuration and at all it points to, as far as its own mistakes let us."""
    from ehmi_ap.config import examine

    config, found = examine(path)
    report = Report(mistakes=list(found))
    if config is not None:
        for look in (_agreements, _backends, _tls, _eds, _store):
            _collect(report, look, config)
    report.mistakes = list(dict.fromkeys(report.mistakes))
    return report


def _collect(report: Report, look: Callable[["Config", Report], None], config: "Config") -> None:
    try:
        look(config, report)
    except ConfigError as error:
        report.mistakes += error.findings


def _agreements(config: "Config", report: Report) -> None:
    from ehmi_ap.config import load_agreements

    agreements = load_agreements(config)
    report.lapsed += agreements.lapsed
    report.warnings += [text for text in agreements.warnings if text not in agreements.lapsed]
    report.partners += [pmode.name for pmode in agreements.pmodes]
    if not agreements.pmodes:
        report.warnings.append("pmodes/: there is no partner yet; add one with `ehmi-ap partner add`")


def _backends(config: "Config", report: Report) -> None:
    from ehmi_ap.backends import build

    if not config.backends:
        report.warnings.append("ehmi-ap.toml: [backends]: there is none; a program has to bring its own")
    for name, backend in config.backends.items():
        try:
            build(name, backend.kind, backend.options, home=config.home, domain=config.domain)
        except ConfigError as error:
            report.mistakes += error.findings


def _tls(config: "Config", report: Report) -> None:
    from ehmi_ap.net.tls import client_context, server_context

    listeners = (("as4", config.as4.tls), ("internal", config.internal.tls))
    eds = config.eds.tls if config.eds is not None else None
    clients = (("web", config.web.tls), ("discovery", config.discovery.tls), ("eds", eds))
    for place, tls in (*listeners, *clients):
        if tls is None or any(f"[{place}.tls]" in text for text in report.mistakes):
            continue
        facts: dict[str, Any] = {
            "certificate": tls.certificate,
            "key": tls.key,
            "versions": tls.versions,
            "ciphers": tls.ciphers,
        }
        try:
            facts["password"] = tls.key_password.read() if tls.key_password else None
            client_context(**facts) if (place, tls) in clients else server_context(**facts, client_ca=tls.client_ca)
        except ConfigError as error:
            report.mistakes += [f"ehmi-ap.toml: [{place}.tls]: {text}" for text in error.findings]


def _eds(config: "Config", report: Report) -> None:
    if config.eds is None:
        return
    if config.eds.client_id is None:
        missing = "is missing, so nothing is reported; the enrolment gives one (`ehmi-ap eds enrolment`)"
        report.warnings.append(f"ehmi-ap.toml: [eds] client_id: {missing}")


def _store(config: "Config", report: Report) -> None:
    """The store's folder, or where it will be made, has to be ours to write."""
    import os

    folder = config.store
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        report.mistakes.append(f"ehmi-ap.toml: store: {folder} cannot be written; correct its owner or mode")


def _tell(report: Report, path: Path) -> None:
    for kind, lines in (("mistake", report.mistakes), ("not valid", report.lapsed), ("warning", report.warnings)):
        for line in lines:
            print(f"{kind}: {line}")
    partners = ", ".join(report.partners) or "none yet"
    if report.right:
        print(f"{path} is right. Partners: {partners}.")
    else:
        number = len(report.mistakes) + len(report.lapsed)
        print(f"{number} {'thing' if number == 1 else 'things'} to correct in {path} and what it names.")
