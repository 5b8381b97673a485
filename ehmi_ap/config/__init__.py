"""ehmi-ap.toml as a frozen value, and what it points at: keys, certificates and P-Modes.

Rules of this room:
- Every default is safe: TLS unless `insecure_http = true` is written, no default accepts what is unsigned,
  unencrypted or not trusted.
- All mistakes are reported at once, each with its file, its place and what to do (`ConfigError.findings`).
- Relative paths are relative to the file that names them.
- Secrets stay out of the TOML: a `Secret` names a file or an environment variable.

`Config.load` reads the settings; `load_agreements` and its siblings read and write what changes while we run,
`judge_again` says what has become of it.
"""

from ehmi_ap.agreements import Agreements
from ehmi_ap.config.folders import (
    delete_certificate,
    delete_network,
    delete_pmode,
    judge_again,
    load_agreements,
    put_certificate,
    put_network,
    put_partner,
    put_pmode,
)
from ehmi_ap.config.reading import examine
from ehmi_ap.config.settings import (
    UNREGISTERED,
    As4Listener,
    BackendConfig,
    BackendSignature,
    Config,
    Discovery,
    Eds,
    EdsDevice,
    EdsOrganisation,
    HttpLimits,
    InternalListener,
    KeyFile,
    KeyFiles,
    Log,
    Retention,
    Tls,
    WebClient,
    Workers,
)
from ehmi_ap.config.shipped import network_tables, product_pmodes, shipped_networks, shipped_pmodes
from ehmi_ap.tables import Secret

__all__ = [
    "UNREGISTERED",
    "Agreements",
    "As4Listener",
    "BackendConfig",
    "BackendSignature",
    "Config",
    "Discovery",
    "Eds",
    "EdsDevice",
    "EdsOrganisation",
    "HttpLimits",
    "InternalListener",
    "KeyFile",
    "KeyFiles",
    "Log",
    "Retention",
    "Secret",
    "Tls",
    "WebClient",
    "Workers",
    "delete_certificate",
    "delete_network",
    "delete_pmode",
    "examine",
    "judge_again",
    "load_agreements",
    "network_tables",
    "product_pmodes",
    "put_certificate",
    "put_network",
    "put_partner",
    "put_pmode",
    "shipped_networks",
    "shipped_pmodes",
]
