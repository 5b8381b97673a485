"""What the operator of an authorization server is given of an access point: `ehmi-ap eds enrolment` prints it."""

import io
import json
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path

from ehmi_ap import cli
from ehmi_ap.model import Organisation
from ehmi_ap.tables import to_toml
from tests.interop.eds.identities import Identities
from tests.interop.eds.realm import Json


def settings(
    ids: Identities, name: str, device: str, served: Iterable[Organisation], *, issuer: str, base: str
) -> Json:
    """[eds] of an access point with the certificate called `name`."""
    return {
        "base": base,
        "issuer": issuer,
        "tls": {"certificate": str(ids.chain(name)), "key": str(ids.key(name))},
        "device": {"id": device},
        "organisations": [{"name": f"Organisation {each.sor}", "sor": each.sor, "gln": each.gln} for each in served],
    }


def printed(folder: Path, eds: Json) -> Json:
    """Of an access point with this [eds], that is configured in a folder which is made."""
    for each in ("trust", "pmodes"):
        (folder / each).mkdir(parents=True)
    tls = eds["tls"]
    table = {
        "domain": "ehmi-ap.example",
        "party": {"id": "ehmi-ap"},
        "as4": {"public_url": "https://ehmi-ap.example/as4", "tls": tls},
        "keys": {"signing": {"file": tls["key"], "certificate": tls["certificate"]}},
        "eds": eds,
    }
    config = folder / "ehmi-ap.toml"
    config.write_text(to_toml(table), encoding="utf-8")
    output = io.StringIO()
    with redirect_stdout(output):
        cli.main(["eds", "enrolment", "--config", str(config)])
    enrolment: Json = json.loads(output.getvalue())
    return enrolment
