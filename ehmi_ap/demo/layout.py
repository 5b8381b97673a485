"""The files of one access point of the demo, as an operator writes them: keys, trust, P-Mode, network, ehmi-ap.toml.

Nothing in them is of the access point at the other end: a P-Mode names the network, and the network the CAs.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from shutil import copyfile

from ehmi_ap import sor, tables
from ehmi_ap.config import Config
from ehmi_ap.demo.authorization import Enrolment
from ehmi_ap.demo.eds import Eds
from ehmi_ap.demo.pki import ORGANIZATION, Authority, Files, write_private
from ehmi_ap.demo.registry import AP_CA, NETWORK, TLS_CA, Registry
from ehmi_ap.model import Organisation
from ehmi_ap.profile import Addressing

PARTY_TYPE = "urn:oasis:names:tc:ebcore:partyid-type:unregistered"
PMODE = "ehmi"
SYSTEM_CA = "demo-system-ca"
"""The CA, by its name in trust/, of what signs between a system and its access point."""
SYSTEMS = {"c2": "c1", "c3": "c4"}
"""Who stands behind which access point; also the name of its backend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What is around an access point: where others are found, who issues to systems, who is told what becomes of it.

    `offer` is what is exchanged; `organisations` are those that each access point serves, by its name.
    """

    registry: Registry
    systems: Authority
    eds: Eds
    offer: Addressing
    organisations: Mapping[str, Organisation]
    now: datetime


def common_name(system: str) -> str:
    """By which somebody signs between a system and its access point."""
    return f"demo-{system}"


def subject(system: str) -> str:
    """Of its certificate."""
    return f"CN={common_name(system)},O={ORGANIZATION},C=DK"


def party_id(name: str) -> str:
    """Of an access point; also its client id and its device at EDS."""
    return f"demo-ap-{name}"


def lay_out(folder: Path, name: str, around: Around) -> Config:
    """Write all files of one access point, and read its ehmi-ap.toml back."""
    settings = _settings(folder, name, around)
    for kept in ("trust", "pmodes", "networks"):
        (folder / kept).mkdir()
    for authority in around.registry.authorities:
        copyfile(around.registry.folder / f"{authority}.pem", folder / "trust" / f"{authority}.pem")
    (folder / "trust" / f"{SYSTEM_CA}.pem").write_bytes(around.systems.certificate_pem)
    (folder / "networks" / f"{NETWORK}.toml").write_text(tables.to_toml(around.registry.settings))
    (folder / "pmodes" / f"{PMODE}.toml").write_text(tables.to_toml(_pmode(around.offer)))
    write_private(folder / "token", secrets.token_urlsafe(24).encode())
    file = folder / "ehmi-ap.toml"
    file.write_text(tables.to_toml(settings))
    return Config.load(file)


def _settings(folder: Path, name: str, around: Around) -> dict[str, object]:
    """What ehmi-ap.toml says; the keys that it names are written."""
    party, system = party_id(name), SYSTEMS[name]
    authorities, now = around.registry.authorities, around.now
    keys = authorities[AP_CA].access_point(party, now=now).write(folder / "keys", "ap")
    server = authorities[TLS_CA].tls_server(party, now=now).write(folder / "keys", "tls")
    client = authorities[TLS_CA].tls_client(party, now=now).write(folder / "keys", "smp-client")
    delivery = around.systems.system(common_name(name), now=now).write(folder / "keys", "delivery")
    backend = {"kind": "directory", "path": f"../{system}", "token": {"file": "token"}}
    signature = {"trust": [SYSTEM_CA], "subjects": [subject(system)], "key": _key_file(delivery)}
    return {
        "domain": f"{name}.demo.example",
        "party": {"id": party, "type": PARTY_TYPE},
        "as4": {
            "host": "127.0.0.1",
            "port": 0,
            "public_url": "https://localhost/as4",
            "tls": _named(server),
        },
        "internal": {"host": "127.0.0.1", "port": 0},
        "keys": {"signing": _key_file(keys)},
        "discovery": {"tls": _named(client)},
        "eds": _eds(folder, name, around),
        "backends": {system: {**backend, "signature": signature}},
        "log": {"level": "error"},
    }


def _eds(folder: Path, name: str, around: Around) -> dict[str, object]:
    """The table [eds]; the access point is enrolled with what it says."""
    party, serves = party_id(name), around.organisations[name]
    client = around.registry.authorities[TLS_CA].tls_client(f"{party}-eds", now=around.now)
    enrolment = Enrolment(
        client_id=party,
        subject=client.certificate.subject.rfc4514_string(),
        device_id=party,
        organisations=frozenset({serves}),
    )
    around.eds.authorization.enrol(enrolment)
    # An envelope may be without this SOR code, or have one that no configuration takes; it is carried all the same.
    code = serves.sor if sor.CODE.fullmatch(serves.sor) else "000000"
    return {
        "base": around.eds.base,
        "issuer": around.eds.issuer,
        "client_id": party,
        "tls_trust": TLS_CA,
        "tls": _named(client.write(folder / "keys", "eds-client")),
        "device": {"id": party, "name": f"{name.upper()} of the demo"},
        "organisations": [{"name": f"{SYSTEMS[name].upper()} of the demo", "sor": code, "gln": serves.gln}],
    }


def _key_file(files: Files) -> dict[str, str]:
    return {"file": f"keys/{files.key.name}", "certificate": f"keys/{files.certificate.name}"}


def _named(tls: Files) -> dict[str, str]:
    return {"certificate": f"keys/{tls.certificate.name}", "key": f"keys/{tls.key.name}"}


def _pmode(offer: Addressing) -> dict[str, object]:
    """The template for what `offer` says is exchanged, with whomever the network has."""
    pmode: dict[str, object] = {
        "profile": "ehmi",
        "network": NETWORK,
        "tls_trust": TLS_CA,
        "service": offer.service.value,
        "actions": [offer.action],
        "retry": {"attempts": 1},  # whoever watches the demo does not wait for a second one
    }
    if ":" not in offer.service.value:
        pmode["party_id_uri"] = False  # a PROCESSID of before 2026, `sdn-emergence`, is no URI (ehmi O-7)
    return pmode
