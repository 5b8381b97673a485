"""Writes docs/reference/lookup-faults.md out of tests/broken_links.py: `python -m tests.links_reference`.

tests/functional/test_doctor.py breaks every link and holds the command to the same table, and the page to it.
"""

from pathlib import Path

from tests.broken_links import LINKS

FILE = Path(__file__).parent.parent / "docs" / "reference" / "lookup-faults.md"

HEAD = """\
# What doctor says of each broken link

<!-- Written by `python -m tests.links_reference` out of tests/broken_links.py, where each is broken on real parts. -->

{number} ways in which a receiver cannot be reached, in the order of the links, and what
[`ehmi-ap doctor`](../how-to/find-out-why.md) says of each; `ehmi-ap lookup` says the same of those before the endpoint
is connected to. In the sentences, `...` stands for what differs from case to case. A test breaks each one with a DNS
server, an SMP over mutual TLS and an access point, and holds the command to this page.
[All reasons](networks.md#what-a-look-up-comes-to) for which a look-up fails are more than those here.
"""


def render() -> str:
    """The whole page."""
    return HEAD.format(number=len(LINKS)) + "".join(
        f"\n## {link.what}\n\n`{link.outcome}`, `{link.reason}`\n\n> {link.says}\n\n{link.fix}\n" for link in LINKS
    )


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
