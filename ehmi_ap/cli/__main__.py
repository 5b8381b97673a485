"""`python -m ehmi_ap.cli` is `ehmi-ap`."""

import sys

from ehmi_ap.cli import main

sys.exit(main())
