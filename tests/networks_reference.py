"""Writes the reasons into docs/reference/networks.md out of discovery.faults: `python -m tests.networks_reference`.

tests/unit/test_reference_docs.py fails when the page says something else.
"""

from pathlib import Path

from ehmi_ap.discovery.faults import FAULTS

FILE = Path(__file__).parent.parent / "docs" / "reference" / "networks.md"
MARK = "<!-- reasons: python -m tests.networks_reference -->\n"

_WHAT = {
    "not-registered": "C1's to correct: the message fails",
    "not-supported": "C1's to correct: the message fails",
    "unavailable": "the network's: it is tried again, and an older result may stand in",
    "untrusted": "the publisher's: the message fails, and nothing stands in",
    "misconfigured": "the operator's: it is tried again",
}


def render(page: str) -> str:
    """The page with the reasons behind the mark, whatever stood there."""
    parts = [page.partition(MARK)[0] + MARK]
    for outcome, what in _WHAT.items():
        parts.append(f"\n### `{outcome}`\n\n{what[0].upper()}{what[1:]}.\n\n| reason | what to do |\n|---|---|\n")
        parts += [f"| `{reason}` | {fix} |\n" for reason, (kind, fix) in FAULTS.items() if kind.outcome == outcome]
    return "".join(parts)


if __name__ == "__main__":
    FILE.write_text(render(FILE.read_text(encoding="utf-8")), encoding="utf-8")
