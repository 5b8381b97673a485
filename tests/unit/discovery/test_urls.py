"""Which URLs that others wrote may be used."""

import pytest

from ehmi_ap.discovery.urls import refusal


@pytest.mark.parametrize(
    "url",
    [
        "https://ap.example/as4",
        "https://ap.example:8443",
        "https://192.0.2.53.example/",
        "https://[2606:4700::1111]:8443/as4",
        "https://1.1.1.1/",
        "https://a/%3A%23",
    ],
)
def test_these_may(url: str) -> None:
    assert refusal(url, https_only=True) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "characters"),
        ("https://ap.example/ä", "characters"),
        ("https://ap.example/a b", "characters"),
        ("https://ap.example/\n", "characters"),
        ("https://ap.example\\x", "characters"),
        ("https://" + "a" * 2048, "characters"),
        ("https://[::1", "no URL"),
        ("https://ap.example:x/", "no URL"),
        ("http://ap.example/", "not https"),
        ("file:///etc/passwd", "neither"),
        ("gopher://ap.example/", "neither"),
        ("/as4", "neither"),
        ("https://", "host"),
        ("https://u:p@ap.example/", "host"),
        ("https://@ap.example/", "host"),
        ("https://ap..example:0/", "host"),
        ("https://ap.example/#a", "fragment"),
        ("https://ap.example/#", "fragment"),
        ("https://ap.example/?a", "query"),
        ("https://127.0.0.1/", "not a public"),
        ("https://10.1.2.3/as4", "not a public"),
        ("https://169.254.169.254/latest", "not a public"),
        ("https://[::1]/", "not a public"),
        ("https://[::ffff:10.0.0.1]/", "not a public"),
    ],
)
def test_these_may_not(url: str, why: str) -> None:
    found = refusal(url, https_only=True)
    assert found is not None
    assert why in found


def test_what_may_be_allowed() -> None:
    assert refusal("http://ap.example/", https_only=False) is None
    assert refusal("https://10.1.2.3/as4", https_only=True, private=True) is None
    assert refusal("https://ap.example/as4?tenant=1", https_only=True, query=True) is None
