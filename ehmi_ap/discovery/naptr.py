"""U-NAPTR records: which one counts, and the URL that comes out of it (RFC 3402, 3403, 4848; BDX Location 1.0).

Rules: a record that cannot be used is passed over with the reason, never an error by itself. The expression is matched
once, and the replacement is the result: substituting `.*` would give the URL twice, as other products found. DNS data
is anybody's, so `.*` and `^.*$` are literals here; other expressions count only where the network says so, and only
if they cannot take long.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ehmi_ap.discovery.urls import refusal
from ehmi_ap.questions import Naptr

_ALL = (".*", "^.*$")
_FLAGS = ("", "i")
_NO_DELIMITERS = frozenset("0123456789\\i")

_TOKENS = re.compile(
    r"""(?P<set>\[\^?[A-Za-z0-9._]+(?:-[A-Za-z0-9._]+)*-?\])   # no classes, no backslash, nothing Python reads apart
      | (?P<escape>\\[.\\^$*+?()\[\]{}|/!~#-])
      | (?P<group>[()])
      | (?P<repeat>[*+?])
      | (?P<anchor>[\^$])
      | (?P<char>[A-Za-z0-9._:/@~!\#-])""",
    re.VERBOSE,
)
MAX_REPEATS = 2
MAX_RECORDS = 100
"""Records that are looked at."""


class Skipped(ValueError):
    """Why a record is passed over, in few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The record that counts and its URL, without trailing slash; or neither. `notes` has a line for each record."""

    record: Naptr | None
    url: str | None
    fitting: int  # records whose flag and service fit
    notes: tuple[str, ...]


def select(
    records: Sequence[Naptr], name: str, services: Sequence[str], *, regexp: bool = False, https_only: bool = True
) -> Choice:
    """The first record that gives a URL: by its place in `services`, then order, then preference.

    `name` is the one that was asked for, whatever aliases led on (the Application Unique String).
    """
    wanted = [service.lower() for service in services]
    notes = [_as_text(each) for each in records[:MAX_RECORDS]]
    fitting = [
        each
        for each in records[:MAX_RECORDS]
        if each.flags.lower() == "u" and each.service.lower() in wanted and each.replacement in ("", ".")
    ]
    fitting.sort(key=lambda each: (wanted.index(each.service.lower()), each.order, each.preference))
    for record in fitting:
        try:
            url = _url(record, name, regexp=regexp, https_only=https_only)
        except Skipped as reason:
            notes.append(f"passed over {_as_text(record)}: {reason}")
        else:
            return Choice(record=record, url=url, fitting=len(fitting), notes=tuple(notes))
    return Choice(record=None, url=None, fitting=len(fitting), notes=tuple(notes))


def _url(record: Naptr, name: str, *, regexp: bool, https_only: bool) -> str:
    url = apply(record.regexp, name, regexp=regexp)
    refused = refusal(url, https_only=https_only, private=True)  # whether its address may be asked, is seen when it is
    if refused:
        raise Skipped(f"{url!r}: {refused}")
    return url.rstrip("/")


def apply(field: str, name: str, *, regexp: bool = True) -> str:
    """What the regexp field of a record makes of `name` (RFC 3402 3.2).

    Raises:
        Skipped: it is malformed, does not match, or is not one that we expand.
    """
    ere, replacement, flags = _parts(field)
    if flags.lower() not in _FLAGS:
        raise Skipped(f"{flags!r} is no flag of an expression")
    if ere in _ALL:
        return replacement
    if not regexp:
        raise Skipped("its expression is another than .* and the network expands no others (`regexp`)")
    found = _compiled(ere, ignore_case=bool(flags)).search(name)
    if found is None:
        raise Skipped("its expression does not match the name")
    return _expanded(replacement, found)


def _parts(field: str) -> tuple[str, str, str]:
    """Expression, replacement and flags; an escaped delimiter is the delimiter itself."""
    if not field or field[0] in _NO_DELIMITERS:
        raise Skipped("its regexp field has no delimiter")
    parts, index = [""], 1
    while index < len(field):
        if field[index] == "\\" and index + 1 < len(field):
            pair = field[index : index + 2]
            parts[-1] += pair[1] if pair[1] == field[0] else pair
            index += 2
            continue
        if field[index] == field[0]:
            parts.append("")
        else:
            parts[-1] += field[index]
        index += 1
    if len(parts) != 3:
        raise Skipped("its regexp field has not three delimiters")
    return parts[0], parts[1], parts[2]


def _compiled(ere: str, *, ignore_case: bool) -> re.Pattern[str]:
    """The part of POSIX extended expressions that Python reads alike, and that cannot take long.

    Neither alternatives nor counted repeats, no repeated or nested group, and two repeats at most: over a name of 253
    characters that is 253^3 / 6 steps at worst, some tens of milliseconds. Those seen in use repeat once or twice.
    """
    repeats, index, open_ = 0, 0, False
    last = "start"
    while index < len(ere):
        token = _TOKENS.match(ere, index)
        kind = token.lastgroup if token else None
        if token is None or kind is None:
            raise Skipped("its expression has more in it than we expand")
        if kind == "group":
            if (token[0] == "(") == open_:
                raise Skipped("its expression has groups in groups, or unpaired ones")
            open_ = not open_
        if kind == "repeat":
            repeats += 1
            if last not in ("set", "escape", "char") or repeats > MAX_REPEATS:
                raise Skipped("its expression repeats more than we expand")
        last, index = kind, token.end()
    if open_:
        raise Skipped("its expression has an unpaired group")
    try:
        return re.compile(ere, re.ASCII | (re.IGNORECASE if ignore_case else 0))
    except re.error:
        raise Skipped("its expression cannot be read") from None


def _expanded(replacement: str, found: re.Match[str]) -> str:
    try:
        return re.sub(r"\\([1-9])", lambda reference: found[int(reference[1])], replacement)
    except IndexError:
        raise Skipped("its replacement names a group that the expression has not") from None


def _as_text(record: Naptr) -> str:
    """A record as zone files have it, for the operator."""
    return f'{record.order} {record.preference} "{record.flags}" "{record.service}" "{record.regexp}"'
