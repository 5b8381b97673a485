"""Whom we call, and how: partners' access points, the DNS servers and SMPs that look-ups ask, and EDS.

Each has TLS of its own kind. A partner sees the certificate of [web.tls] and stands below its P-Mode's `tls_trust`;
an SMP sees that of [discovery.tls], where its network wants one, and stands below the network's; EDS and its
authorization server see that of [eds.tls]. AS4 has other keys.
"""

import ssl
import time
from collections.abc import Callable, Sequence
from datetime import datetime

from ehmi_ap.agreements import Agreements
from ehmi_ap.config import Config, Tls
from ehmi_ap.config import Eds as EdsConfig
from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.found import Found, Result, Wanted
from ehmi_ap.discovery.lookup import judge_metadata, lookup
from ehmi_ap.discovery.network import Network
from ehmi_ap.discovery.snapshots import Snapshot
from ehmi_ap.errors import ConfigError, TokenNotFound
from ehmi_ap.flows.ask import ask
from ehmi_ap.net.calls import Caller
from ehmi_ap.net.eds import EdsClient
from ehmi_ap.net.http import PeerWeb
from ehmi_ap.net.outside import Outside
from ehmi_ap.net.tls import client_context
from ehmi_ap.net.tokens import Tokens
from ehmi_ap.reports import Eds


class Outward:
    """The calls of one access point: `web` posts to partners, `eds` is told delivery status (None: there is none).

    Used inside a running event loop, ended by close().
    """

    def __init__(self, config: Config, agreements: Callable[[], Agreements]) -> None:
        """Raises ConfigError: the TLS files of EDS are wrong."""
        self._config = config
        self._agreements = agreements
        self._contexts: dict[tuple[bytes, ...], ssl.SSLContext] = {}
        self._outside = Outside(self._smp_context)
        self.web = PeerWeb(
            self._partner_context, connect_timeout=config.web.connect_timeout, allow_http=config.web.insecure_http
        )

        self._eds_caller: Caller | None = None
        self.eds: Eds | None = None
        if config.eds is not None and config.eds.client_id is not None:
            self._eds_caller = caller = Caller(self._eds_context(config.eds))
            tokens = Tokens(caller, issuer=config.eds.issuer, client_id=config.eds.client_id, clock=time.monotonic)
            self.eds = EdsClient(caller, tokens, base=config.eds.base)

    async def look_up(
        self, wanted: Wanted, network: Network, trust: Trust, *, now: datetime, known: Found | None
    ) -> Result:
        """As flows.directory.Look."""
        dns, documents = self._outside.of(network, trust)
        return await ask(lookup(wanted, network, trust, now=now, known=known), dns, documents)

    async def judge(
        self, snapshot: Snapshot, wanted: Wanted, network: Network, trust: Trust, *, now: datetime
    ) -> Result:
        """As flows.directory.Judge."""
        dns, documents = self._outside.of(network, trust)
        return await ask(judge_metadata(snapshot.data, wanted, network, trust, now=now), dns, documents)

    async def close(self) -> None:
        """Close all connections."""
        await self._outside.close()
        await self.web.close()
        if self._eds_caller is not None:
            await self._eds_caller.close()

    def _partner_context(self, name: str | None) -> ssl.SSLContext:
        """For a P-Mode's `tls_trust`; built once for each set of anchors."""
        anchors = self._agreements().trust.anchors([name]) if name is not None else ()
        wanted = tuple(anchor.der for anchor in anchors)
        if wanted not in self._contexts:
            self._contexts[wanted] = calling(self._config.web.tls, wanted, shown=True)
        return self._contexts[wanted]

    def _eds_context(self, eds: EdsConfig) -> ssl.SSLContext:
        try:
            anchors = self._agreements().trust.anchors([eds.tls_trust] if eds.tls_trust is not None else ())
        except TokenNotFound:
            what = (
                f"ehmi-ap.toml: [eds] tls_trust: there is no trust/{eds.tls_trust}.pem; put the CA's certificate there"
            )
            raise ConfigError([what]) from None
        return calling(eds.tls, [anchor.der for anchor in anchors], shown=True)

    def _smp_context(self, anchors: tuple[bytes, ...], shown: bool) -> ssl.SSLContext:
        return calling(self._config.discovery.tls, anchors, shown=shown)


def calling(tls: Tls, anchors: Sequence[bytes], *, shown: bool) -> ssl.SSLContext:
    """TLS to others below these anchors (DER; none: the system's CAs); `shown`: with our certificate.

    Raises:
        ConfigError: the TLS files are wrong.
    """
    return client_context(
        anchors=anchors,
        certificate=tls.certificate if shown else None,
        key=tls.key if shown else None,
        password=tls.key_password.read() if tls.key_password is not None else None,
        versions=tls.versions,
        ciphers=tls.ciphers,
    )
