"""Writes the rules into docs/reference/ehmisbdh.md out of ehmi.rules: `python -m tests.ehmisbdh_reference`.

tests/unit/test_reference_docs.py fails when the page says something else.
"""

from pathlib import Path

from ehmi_ap.ehmi.rules import RULES

FILE = Path(__file__).parent.parent / "docs" / "reference" / "ehmisbdh.md"
MARK = "<!-- rules: python -m tests.ehmisbdh_reference -->\n"


def render(page: str) -> str:
    """The page with the rules behind the mark, whatever stood there."""
    rows = "".join(
        f"| `{rule.id}` | {rule.ap or '-'} | {rule.msh or '-'} | {rule.what} | {rule.fix} | {rule.place} |\n"
        for rule in RULES
    )
    head = "\n| rule | AP | MSH | what it asks | what to do | ehmi |\n|---|---|---|---|---|---|\n"
    return page.partition(MARK)[0] + MARK + head + rows


if __name__ == "__main__":
    FILE.write_text(render(FILE.read_text(encoding="utf-8")), encoding="utf-8")
