"""SOR codes, by which Denmark's register of health organisations names its entries."""

import re

CODE = re.compile(r"[0-9]{6,18}")
