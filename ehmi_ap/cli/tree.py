"""What `inspect` found, as a tree for people. It shows what the JSON holds, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Node:
    """A line and the lines below it."""

    text: str
    below: tuple["Node", ...] = field(default=())


def tree(findings: Json) -> str:
    """The findings' JSON (see docs/reference/cli.md) as indented lines."""
    return draw(root(findings))


def draw(node: Node) -> str:
    """A node and all below it as indented lines."""
    return "\n".join(_draw(node)) + "\n"


def root(findings: Json) -> Node:
    """The findings as nodes: messages, signature, encryption, trust, payloads, problems."""
    sections = (
        *(_message(message) for message in findings["messages"]),
        _signature(findings["signature"]),
        _encryption(findings["encryption"]),
        _trust(findings["trust"]),
        _payloads(findings["payloads"]),
        _problems(findings["problems"]),
    )
    return Node(str(findings["verdict"]), tuple(section for section in sections if section is not None))


def _message(message: Json) -> Node:
    facts = [Node(f"message id  {message['message_id']}")]
    if message.get("ref_to_message_id"):
        facts.append(Node(f"answers     {message['ref_to_message_id']}"))
    if message.get("test_service"):
        facts.append(Node("for the test service: answered, never delivered"))
    facts += [Node(_words(error["code"], error["severity"], error["detail"])) for error in message.get("errors") or ()]
    facts += [
        Node(_words("received", item["uri"], _compared(item.get("digest")))) for item in message.get("receipt") or ()
    ]
    return Node(str(message["kind"]), tuple(facts))


def _compared(digest: object) -> str:
    return f"digest {digest}" if digest else ""


def _signature(signature: Json) -> Node:
    if not signature["present"]:
        return Node("signature   none")
    below = tuple(_reference(reference) for reference in signature["references"])
    by = f"by {signature['signer']}" if signature.get("signer") else ""
    return Node(_words("signature  ", f"value {signature['value']},", _short(signature.get("algorithm")), by), below)


def _reference(reference: Json) -> Node:
    differing = reference["digest"] == "wrong"
    below = (Node(f"expected {reference['expected']}"), Node(f"computed {reference['computed']}")) if differing else ()
    return Node(f"{reference['uri']}  digest {reference['digest']}", below)


def _encryption(encryption: Json) -> Node:
    if not encryption["present"]:
        return Node("encryption  none")
    return Node(f"encryption  key {encryption['key']}", tuple(Node(_short(uri)) for uri in encryption["algorithms"]))


def _trust(trust: Json) -> Node:
    return Node(f"trust       {trust['verdict']}", tuple(Node(str(name)) for name in trust["chain"]))


def _payloads(payloads: Sequence[Json]) -> Node | None:
    below = tuple(Node(f"{payload['cid']}  {payload['mime_type']}", (Node(_content(payload)),)) for payload in payloads)
    return Node(f"payloads    {len(below)}", below) if below else None


def _content(payload: Json) -> str:
    if payload.get("size") is None:
        return "not readable"
    return f"{payload['size']} bytes, sha256 {payload['sha256']}"


def _problems(problems: Sequence[Json]) -> Node | None:
    below = tuple(
        Node(_words(problem["code"], problem["what"]), (Node(f"fix: {problem['fix']}"),) if problem["fix"] else ())
        for problem in problems
    )
    return Node(f"problems    {len(below)}", below) if below else None


def _short(uri: str | None) -> str:
    """An algorithm as people know it: its URI's fragment."""
    return (uri or "").rpartition("#")[2]


def _words(*words: object) -> str:
    return " ".join(str(word) for word in words if word)


def _draw(node: Node, first: str = "", rest: str = "") -> Iterator[str]:
    head, *more = node.text.splitlines() or [""]
    yield first + head
    yield from (rest + line for line in more)
    for number, below in enumerate(node.below, 1):
        last = number == len(node.below)
        yield from _draw(below, rest + ("└── " if last else "├── "), rest + ("    " if last else "│   "))
