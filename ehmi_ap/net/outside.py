"""Whom look-ups ask: DNS and SMPs, set up as each network says and kept as long as that stays the same."""

from collections.abc import Callable
from ssl import SSLContext

from ehmi_ap.crypto.keys import Trust
from ehmi_ap.discovery.network import Network, Resolver
from ehmi_ap.net.dns import RecursiveDns
from ehmi_ap.net.documents import WebDocuments
from ehmi_ap.ports import Dns, Documents


class Outside:
    """The networks' DNS and SMPs; used inside a running event loop, ended by close()."""

    def __init__(self, context: Callable[[tuple[bytes, ...], bool], SSLContext]) -> None:
        """`context` gives TLS below these anchors (DER; none: the system's), with our certificate shown or not."""
        self._context = context
        self._dns: dict[Resolver, RecursiveDns] = {}
        self._documents: dict[tuple[tuple[bytes, ...], bool], WebDocuments] = {}

    def of(self, network: Network, trust: Trust) -> tuple[Dns, Documents]:
        """Whom this network has asked.

        Raises:
            ConfigError: the TLS files are wrong.
        """
        publishers = network.publishers
        anchors = trust.anchors((publishers.tls_trust,)) if publishers.tls_trust is not None else ()
        seen_as = (tuple(anchor.der for anchor in anchors), publishers.client_certificate)
        if network.resolver not in self._dns:
            self._dns[network.resolver] = RecursiveDns(network.resolver)
        if seen_as not in self._documents:
            self._documents[seen_as] = WebDocuments(self._context(*seen_as))
        return self._dns[network.resolver], self._documents[seen_as]

    async def close(self) -> None:
        """Close all connections."""
        for documents in self._documents.values():
            await documents.close()
