"""Who asks: a token stands for the administrator or for one backend.

A token is what its `Secret` holds, or `sha256:` and the hexadecimal SHA-256 of it, so that the secret's file need
not hold what a program shows. Every comparison is of digests and takes the same time; all tokens are compared.
"""

import hashlib
import hmac
import string
from collections.abc import Mapping
from dataclasses import dataclass

from ehmi_ap.config import Config
from ehmi_ap.errors import RequestRefused


@dataclass(frozen=True, slots=True)
class Caller:
    """The administrator, who sees everything, or a backend, which sees only its own messages."""

    backend: str | None

    @property
    def is_admin(self) -> bool:
        return self.backend is None

    def may_see(self, backend: str) -> bool:
        return self.backend is None or self.backend == backend


class Tokens:
    """The tokens of a configuration, as digests. Raises ConfigError when one cannot be read."""

    def __init__(self, config: Config) -> None:
        self._callers: dict[bytes, Caller] = {}
        if config.internal.admin_token is not None:
            self._callers[digest_of(config.internal.admin_token.read())] = Caller(None)
        for name, backend in config.backends.items():
            if backend.token is not None:
                self._callers.setdefault(digest_of(backend.token.read()), Caller(name))

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Whose token the Authorization header shows. Raises RequestRefused (401)."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        found = None
        if scheme.lower() == "bearer" and token.strip():
            shown = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
            for known, caller in self._callers.items():
                if hmac.compare_digest(shown, known):
                    found = caller
        if found is None:
            raise RequestRefused(
                401,
                "The request shows no token, or one that is not known.",
                fix="Send `Authorization: Bearer TOKEN` with the token of a backend or of the administrator.",
            )
        return found


def digest_of(secret: str) -> bytes:
    """The SHA-256 that a token must have."""
    kind, _, value = secret.partition(":")
    if kind == "sha256" and len(value) == 64 and set(value) <= set(string.hexdigits):
        return bytes.fromhex(value)
    return hashlib.sha256(secret.encode()).digest()


def only_admin(caller: Caller) -> None:
    """Raises RequestRefused (403) for anybody but the administrator."""
    if not caller.is_admin:
        raise RequestRefused(
            403, "Only the administrator may do this.", fix="Use the administrator's token (`[internal] admin_token`)."
        )
