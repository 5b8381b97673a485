"""Write a throw-away PKI for two access points into certs/generated (see README.md beside this file)."""

import sys
from datetime import UTC, datetime
from pathlib import Path

from ehmi_ap.demo.pki import generate

now = datetime.now(UTC)  # noqa: TID251 - a script may know the clock
print(*generate(Path(__file__).parent / "generated", sys.argv[1:] or ["ap-c2", "ap-c3"], now=now), sep="\n")
