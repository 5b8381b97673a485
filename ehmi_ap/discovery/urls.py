"""Which URLs that others wrote may be used at all.

Rules: nothing but http and https, no credentials, no fragment, a query only where one is usual. A host name is judged
by its address when it is asked; an address that is written as such, here already.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_VISIBLE = re.compile(r"[\x21-\x7e]{1,2048}")
_NEVER = re.compile(r'[\\"<>^`{|}]')
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]+\]")


def refusal(url: str, *, https_only: bool, private: bool = False, query: bool = False) -> str | None:
    """Why this URL must not be asked, in few words; None: it may. `query` allows one, `private` any address."""
    if not _VISIBLE.fullmatch(url) or _NEVER.search(url):
        return "it has characters that no URL has"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is no URL"
    if parts.scheme not in ("https", "http"):
        return "it is neither https nor http"
    if https_only and parts.scheme != "https":
        return "it is not https"
    host = parts.netloc.rpartition("@")[2].removesuffix(f":{port}")
    if "@" in parts.netloc or not _HOST.fullmatch(host) or port == 0:
        return "its host cannot be read"
    if parts.fragment or "#" in url or (not query and "?" in url):
        return "it has a query or a fragment"
    if not private and _is_private(parts.hostname or ""):
        return "its address is not a public one"
    return None


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False
