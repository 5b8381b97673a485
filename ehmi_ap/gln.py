"""Global Location Numbers (GS1): 13 digits, of which the last one checks the others."""

import re

DIGITS = re.compile(r"[0-9]{13}")


def check_digit(gln: str) -> int:
    """The 13th digit that belongs to the first twelve: mod 10, weights 1 and 3 (GS1 General Specifications)."""
    return -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(gln[:12])) % 10


def is_valid(gln: str) -> bool:
    """Whether these are 13 digits with the right last one."""
    return DIGITS.fullmatch(gln) is not None and int(gln[12]) == check_digit(gln)
