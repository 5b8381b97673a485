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


def printed(
    folder: Path, ids: Identities, name: str, device: str, served: Iterable[Organisation], *, issuer: str, base: str
) -> Json:
    """Of an access point that is configured in an empty folder, with the certificate called `name`."""
    for each in ("trust", "pmodes"):
        (folder / each).mkdir(parents=True)
    tls = {"certificate": str(ids.chain(name)), "key": str(ids.key(name))}
    table = {
        "domain": "ehmi-ap.example",
        "party": {"id": "ehmi-ap"},
        "as4": {"public_url": "https://ehmi-ap.example/as4", "tls": tls},
        "keys": {"signing": {"file": tls["key"], "certificate": tls["certificate"]}},
        "eds": {
            "base": base,
            "issuer": issuer,
            "tls": tls,
            "device": {"id": device},
            "organisations": [
                {"name": f"Organisation {each.sor}", "sor": each.sor, "gln": each.gln} for each in served
            ],
        },
    }
    config = folder / "ehmi-ap.toml"
    config.write_text(to_toml(table), encoding="utf-8")
    output = io.StringIO()
    with redirect_stdout(output):
        cli.main(["eds", "enrolment", "--config", str(config)])
    enrolment: Json = json.loads(output.getvalue())
    return enrolment
