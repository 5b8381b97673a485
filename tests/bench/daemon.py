"""One access point as a process of its own, pinned to a core: `python -m tests.bench.daemon CORE CONFIG`.

It is the ordinary daemon; the module only pins it, so that a figure is a figure per core.
"""

import sys
from pathlib import Path

from ehmi_ap.config import Config
from ehmi_ap.server import run
from tests.bench.processes import pin


def main() -> None:
    pin(int(sys.argv[1]))
    run(Config.load(Path(sys.argv[2])))


if __name__ == "__main__":
    main()
