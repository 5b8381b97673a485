"""Writes docs/reference/cli.md out of the command line itself: `python -m tests.cli_reference`.

tests/test_docs.py fails when the file says something else than the parsers do.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from ehmi_ap import cli
from ehmi_ap.cli.output import Exit

FILE = Path(__file__).parent.parent / "docs" / "reference" / "cli.md"

HEAD = """\
# The command line

<!-- Written by `python -m tests.cli_reference` out of the parsers; change the help texts there. -->

`ehmi-ap COMMAND --help` says the same. Results go to stdout, everything else to stderr. With `--json`, stdout is one
JSON document, and an error is `{"error": {"code", "what", "findings", "fault", "fix", "resend"}}`.

`list`, `show`, `resend`, `send` and `eds queue`, `retry` and `drop` talk to a running `ehmi-ap serve` over its REST. They find it, and the token to
show, in the configuration; or, on another machine, in `$EHMI_AP_URL` and `$EHMI_AP_TOKEN`.

## Exit codes

| code | meaning |
|---|---|
"""

MEANINGS = {
    Exit.OK: "done; `inspect`: valid; `smp`: usable; `sbdh`: ok or warn; `lookup`: found; `doctor`: no link is broken; `demo`: C4 holds the byte-identical document, the receipt was verified, and EDS knows the way",
    Exit.FAILED: "it did not work, and stderr says why, whose fault it is and what to do; `inspect`: invalid; "
    "`smp`: unusable; `sbdh`: reject; `lookup`: not found; `doctor`: a link is broken",
    Exit.UNDECIDED: "`inspect`: undecided, because a key, a certificate or a part is missing",
    Exit.UNREADABLE: "`inspect`, `smp`, `sbdh`: unreadable",
    Exit.USAGE: "wrong usage, in every command: an unknown argument, a file that is not there",
    Exit.UNREACHABLE: "the daemon does not answer; `sml`: the SML does not",
    Exit.PENDING: "`send --wait SECONDS`: neither acknowledged nor failed in time; the access point goes on by itself",
    Exit.CONFIG: "the configuration has mistakes; all of them are printed",
    Exit.INTERRUPTED: "interrupted with Ctrl-C",
}


TAIL = """
## The JSON of inspect

| key | value |
|---|---|
| `verdict` | `valid`, `invalid`, `undecided` (a key, certificate or part is missing) or `unreadable` |
| `messages` | per eb:UserMessage or eb:SignalMessage: `kind` UserMessage, Receipt, Error or PullRequest; `message_id`, \
`ref_to_message_id`, `test_service`; `errors` [`code`, `severity`, `detail`]; `receipt` [`uri`, `digest`] |
| `signature` | `present`, `algorithm` (URI), `value` ok, wrong or unchecked, `signer` (subject), `references` [`uri`, \
`digest` ok, wrong, missing or unchecked, `expected`, `computed` (base64)] |
| `encryption` | `present`, `key` ok, none-fits, wrong or null, `algorithms` (URIs) |
| `trust` | `verdict` trusted, untrusted, expired, unfit or unchecked, `chain` (subjects, leaf first) |
| `payloads` | those that could be opened, as they would be delivered: `cid`, `mime_type`, `size` (bytes), `sha256` (hex) |
| `problems` | `code` (EBMS:nnnn, what an access point would answer), `what`, `fix` |

It is invalid when anything is wrong or missing, when the trust is untrusted, expired or unfit, or when a UserMessage,
PullRequest or Receipt is not signed. It is undecided otherwise, when no key fits or a digest or the value is
unchecked (the `cid:` references of a bare envelope are). Without `--trust` the chain is unchecked and does not count.
Algorithms outside the eDelivery profile are computed where possible, and named in `problems`.

## The JSON of sbdh

| key | value |
|---|---|
| `verdict` | `ok`, `warn` (something only warns) or `reject`; an unreadable file is `reject` |
| `kind` | message, envelope-receipt or acknowledgement; null when the header could not be read |
| `findings` | `rule`, `level` warn or reject, `path` (an XPath without prefixes; empty where it is the whole file), `what`, `fix` |

It is judged by the rules and levels of a message service handler ([ehmiSBDH](ehmisbdh.md#rules)). No finding shows a
value of the envelope or of the document in it.

## The JSON of smp

| key | value |
|---|---|
| `verdict` | `usable`, `unusable` (there is a problem) or `unreadable` (not XML, or no document of an SMP) |
| `dialect` | peppol, oasis1 or oasis2; null when unreadable, as is `kind` |
| `kind` | metadata, redirect or group |
| `participant`, `documents` | what it says it is about: one document of metadata, all of a group, none of a redirect |
| `signature` | ok, wrong, missing or none-expected (a group); SHA-1 is computed too, and is a problem |
| `signer` | subject of the certificate whose key signed |
| `trust`, `chain` | trusted, untrusted, expired or unchecked (no `--trust`); subjects, leaf first |
| `endpoints` | in the order of the document: `process` (null: any), `transport_profile`, `url`, `active` at the time, \
`activates`, `expires`, `certificates` [`subject`, `sha256`], `dropped` (a word, null for what is chosen), `why` |
| `chosen` | the one of `endpoints` that would be sent to; null when there is none |
| `redirect` | `url` and `signer`, where it leads elsewhere; else null |
| `problems` | `what`, `fix` |

It is judged as a look-up judges it in a network that wants eDelivery AS4 or Peppol AS4, whatever the address. An
endpoint's certificate has to be valid and fit, but the chain above it is not looked at. Where the signature is wrong or
missing, endpoints are shown and none is chosen.

## The JSON of lookup and doctor

| key | value |
|---|---|
| `outcome` | `found`, `not-registered`, `not-supported`, `unavailable`, `untrusted` or `misconfigured` \
([what they mean](networks.md#what-a-look-up-comes-to)) |
| `steps` | in their order: `what` was done, the `evidence`, `ok`, and `warning` for what did not stop it and should be \
looked at. The one of a look-up that is not `ok` is its last; `doctor` goes on, and notes what it could not check |
| `endpoint` | `url`, `transport_profile`, `certificate_sha256` (hex, of the certificate to encrypt for), `expires` (the \
end of the endpoint or of that certificate, whichever comes first); null when none was found |
| `problem` | `reason` (a word of the table of reasons), `what`, `fix`; null when there is none. Of `doctor`, the first \
link that is broken, but for a wrong clock of ours, which may be the reason for all others |

The identifiers are taken whole: they may contain `::`. A scheme before one is recognised by its form, words joined by
dashes (`busdox-docid-qns::...`); after `--document-scheme` or `--process-scheme`, nothing is. Without `--config` and
without a configuration in this folder, only `--trust` is trusted, for SMPs and access points alike.
"""


def render() -> str:
    """The whole page."""
    codes = "".join(f"| {int(code)} | {meaning} |\n" for code, meaning in MEANINGS.items())
    sections = "".join(_section(name, parser) for name, parser in _commands("", cli.parser()))
    return HEAD + codes + sections + TAIL


def _commands(prefix: str, parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                if not any(isinstance(inner, argparse._SubParsersAction) for inner in command._actions):
                    yield f"{prefix}{name}", command
                yield from _commands(f"{prefix}{name} ", command)


def _section(name: str, parser: argparse.ArgumentParser) -> str:
    arguments = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    rows = "".join(f"| {_spelling(action)} | {_cell(_help(parser, action))} |\n" for action in arguments)
    table = f"\n| argument | meaning |\n|---|---|\n{rows}" if rows else ""
    about = _sentence(parser.description or "")
    return f"\n## ehmi-ap {name}\n{about}\n```\n{_usage(name, arguments)}\n```\n{table}"


def _usage(name: str, arguments: list[argparse.Action]) -> str:
    """One line: Pythons break argparse's own usage differently."""
    words = [f"ehmi-ap {name}"]
    words += [_optional(action) for action in arguments if action.option_strings]
    for action in arguments:
        if not action.option_strings:
            word = str(action.metavar or action.dest)
            words.append({"?": f"[{word}]", "+": f"{word}...", "*": f"[{word}...]"}.get(str(action.nargs), word))
    return " ".join(words)


def _optional(action: argparse.Action) -> str:
    word = action.option_strings[-1] + _value(action)
    return word if action.required else f"[{word}]"


def _spelling(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    return _cell(", ".join(f"`{option}{_value(action)}`" for option in action.option_strings))


def _value(action: argparse.Action) -> str:
    """What follows an option, with the space before it; nothing after a switch."""
    if action.nargs == 0:
        return ""
    value = "|".join(map(str, action.choices)) if action.choices else str(action.metavar or action.dest.upper())
    return f" [{value}]" if action.nargs == "?" else f" {value}"


def _help(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return (action.help or "") % {"default": action.default, "prog": parser.prog}


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


def _sentence(text: str) -> str:
    return f"\n{_cell(text)}\n" if text else ""


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
