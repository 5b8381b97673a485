"""What the demo found, for people and for programs."""

import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ehmi_ap.demo.exchange import Result, pairs
from ehmi_ap.demo.network import SeenMessage
from ehmi_ap.demo.trace import Passage
from ehmi_ap.discovery.found import Found


def text(result: Result, home: Path) -> str:
    """The demo's output for people; paths below `home` are shown relative to it."""
    sections = (
        ("", _who(result)),
        ("Timeline (seconds)", [f"{step.after:8.3f}  {step.where:9} {step.what}" for step in result.timeline]),
        ("Look-up by C2, with its evidence", _lookup(result)),
        ("On the wire, C2 -> C3", [*_shape(result.wire.request), *_protection(result)] if result.wire else ["nothing"]),
        ("On the wire, C3 -> C2", _shape(result.wire.answer) if result.wire else ["nothing"]),
        ("Receipt, verified again from C2's store", _evidence(result)),
        ("At C1, told by C2", _files(result.c1, result, home)),
        ("At C4, delivered by C3", _files(result.c4, result, home)),
        ("Between system and access point", _signatures(result)),
        ("Track and trace, as EDS has it; no document was opened for it", _trace(result)),
    )
    blocks = [textwrap.indent("\n".join(lines), "  ") if title else "\n".join(lines) for title, lines in sections]
    titled = [f"{title}\n{block}" if title else block for (title, _), block in zip(sections, blocks, strict=True)]
    return "\n\n".join([*titled, _verdict(result)]) + "\n"


def as_json(result: Result, home: Path) -> dict[str, Any]:
    """The same as a JSON object; `ok` is the verdict."""
    return {
        "ok": result.ok,
        "message_id": result.message_id,
        "document": {"size": len(result.document), "sha256": result.sha256},
        "access_points": {"c2": result.c2, "c3": result.c3},
        "network": {"sml": result.sml, "smp": result.smp, "eds": result.eds, "issuer": result.issuer},
        "timeline": [
            {"after_s": round(step.after, 6), "where": step.where, "what": step.what} for step in result.timeline
        ],
        "lookup": {"found": isinstance(result.lookup, Found), "steps": [asdict(step) for step in result.lookup.steps]}
        if result.lookup
        else None,
        "wire": {"request": _shape_json(result.wire.request), "answer": _shape_json(result.wire.answer)}
        if result.wire
        else None,
        "receipt": {
            "message_id": result.receipt.message_id,
            "signer": result.receipt.signer,
            "verified": result.receipt.holds,
            "references": [
                {"uri": uri, "sent": sent, "received": received, "same": same}
                for uri, sent, received, same in pairs(result.receipt)
            ],
        }
        if result.receipt
        else None,
        "c1": {"files": [str(path.relative_to(home)) for path in result.c1]},
        "c4": {
            "files": [str(path.relative_to(home)) for path in result.c4],
            "identical": str(result.identical.relative_to(home)) if result.identical else None,
        },
        "signatures": {"c1": result.submitter, "c4": result.deliverer},
        "trace": {
            "whole": result.traced,
            "events": [{**asdict(each), "at": _instant(each)} for each in result.trace],
        },
        "failure": result.failure,
    }


def _who(result: Result) -> list[str]:
    return [
        "A patient's result goes from C1 (a municipality) to C4 (a general practitioner).",
        "Two access points of ours, C2 and C3, carry it over TLS; nothing leaves this machine.",
        "C2 knows nothing of C3: it looks the receiver up, in DNS (SML) and at an SMP.",
        "",
        f"C2        {result.c2}",
        f"C3        {result.c3}",
        f"SML       {result.sml}, the DNS server of the zone",
        f"SMP       {result.smp}",
        f"EDS       {result.eds}, told by C2 and C3 with tokens of {result.issuer}",
        f"document  {len(result.document):,} bytes, sha256 {result.sha256}",
        f"message   {result.message_id}",
    ]


def _lookup(result: Result) -> list[str]:
    """As `ehmi-ap lookup` has it: what was done, and below it what was seen."""
    if result.lookup is None:
        return ["nothing was looked up"]
    marks = [("look at" if step.warning else "ok") if step.ok else "broken" for step in result.lookup.steps]
    return [
        line
        for mark, step in zip(marks, result.lookup.steps, strict=True)
        for line in (f"{mark:8}{step.what}", f"        {step.evidence}")
    ]


def _shape(message: SeenMessage) -> list[str]:
    kind = message.content_type.partition(";")[0]
    if len(message.parts) < 2:
        return [f"{kind}, {message.size:,} bytes"]
    return [
        f"{kind}, {message.size:,} bytes",
        *(f"  {part.size:8,} bytes  {part.content_type.partition(';')[0]}" for part in message.parts),
    ]


def _shape_json(message: SeenMessage) -> dict[str, Any]:
    parts = [{"content_type": p.content_type, "content_id": p.content_id, "size": p.size} for p in message.parts]
    return {"content_type": message.content_type, "size": message.size, "parts": parts}


def _evidence(result: Result) -> list[str]:
    if result.receipt is None:
        return ["there is none that holds"]
    lines = [f"{result.receipt.message_id}", f"signed by {result.receipt.signer}"]
    for uri, sent, received, same in pairs(result.receipt):
        lines += [
            f"{'same ' if same else 'OTHER'}  {uri}",
            f"       sent     {sent}",
            f"       receipt  {received}",
        ]
    return lines


def _protection(result: Result) -> list[str]:
    words = result.protection
    return [
        f"signed: {words.sign} over the eb header, the body and the compressed payload ({words.digest})",
        f"encrypted: the payload, {words.cipher}, its key for C3 alone ({words.key_transport})",
    ]


def _files(paths: tuple[Path, ...], result: Result, home: Path) -> list[str]:
    lines = []
    for path in paths:
        mark = "  = the document" if path == result.identical else ""
        lines.append(f"{path.stat().st_size:8,} bytes  {path.relative_to(home)}{mark}")
    return lines or ["nothing"]


def _signatures(result: Result) -> list[str]:
    """Who signed the document on its way to C2 and to C4."""
    deliverer = f"signed by {result.deliverer}, verified as C4 does" if result.deliverer else "not signed by C3"
    return [f"C1 -> C2  signed by {result.submitter}, verified by C2", f"C3 -> C4  {deliverer}"]


def _trace(result: Result) -> list[str]:
    """Device, event and outcome, as EDS has them."""
    lines = [
        f"{_instant(each)}  {each.station}  {each.deed:12}  {'failure' if each.failed else 'success'}"
        for each in result.trace
    ]
    return lines or ["nothing"]


def _instant(passage: Passage) -> str:
    return passage.at.isoformat(timespec="milliseconds")


def _verdict(result: Result) -> str:
    if result.ok:
        return (
            "C4 holds the byte-identical document, the receipt proves that C3 took it, and EDS knows the way it went."
        )
    missing = "EDS does not know the whole way"
    if result.identical is None:
        missing = "C4 does not hold the document"
    elif result.deliverer is None:
        missing = "what C4 holds is not signed by C3"
    elif result.receipt is None or not result.receipt.holds:
        missing = "no receipt proves that C3 took it"
    return f"FAILED: {missing}.{f' {result.failure}' if result.failure else ''}"
