"""XML Canonicalization without comments: exclusive 1.0 with its PrefixList, and inclusive 1.0, which is 1.1 here.

Rules: libxml2 does the work for lists of plain prefixes. lxml passes on only those prefixes that it finds in a
dictionary of the running thread and drops the others silently, so each is made known there first; `#default` can
never be, so a list that has it takes the tree walk below (as4-wire 3.7 gives the algorithm in eight steps and the
test table; the steps are numbered in the code). Both work on the tree as parsed: its own prefixes and white space.

Inclusive C14N of a document is libxml2's too. That of an element takes the walk with all prefixes listed, for lxml
loses the namespaces of ancestors there (spec/discovery.md 2.6). 1.0 and 1.1 differ only in what an element gets of
its ancestors' xml:id and xml:base, so such an element is refused and the two are one function.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import cast

from lxml import etree

from ehmi_ap.errors import MalformedXml

DEFAULT = "#default"
_WRITTEN_NAME = etree.XPath("name(@*[$position])")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}").fullmatch

XML = "http://www.w3.org/XML/1998/namespace"
_INHERITED = frozenset((f"{{{XML}}}lang", f"{{{XML}}}space"))

_Scope = dict[str, str]


def canonical(element: etree._Element, prefixes: Sequence[str] = ()) -> bytes:
    """The exclusive canonical form of the subtree of `element`; `prefixes` is the PrefixList.

    Prefixes that are not in scope are ignored, as the specification says.

    Raises:
        MalformedXml: what cannot be canonicalised (a namespace name that is a relative URI).
    """
    if not prefixes:
        return _libxml2(element, None)
    if not all(_PLAIN(prefix) for prefix in prefixes):
        return _walk(element, prefixes)
    etree.fromstring(
        "".join(("<x>", *(f"<{prefix}/>" for prefix in prefixes), "</x>")),
        etree.XMLParser(resolve_entities=False, no_network=True),
    )
    return _libxml2(element, list(prefixes))


def canonical_document(root: etree._Element) -> bytes:
    """The exclusive canonical form of the whole document, processing instructions beside the root included."""
    return _libxml2(root.getroottree(), None)


def inclusive(element: etree._Element) -> bytes:
    """The inclusive canonical form (C14N 1.0 and 1.1) of the subtree of `element`, which has ancestors.

    Raises:
        MalformedXml: an ancestor has an xml: attribute that 1.0 and 1.1 pass down differently (xml:id, xml:base, and
            whatever else may come).
    """
    inherited: _Scope = {}
    for ancestor in element.iterancestors():
        for name, value in cast(Iterable[tuple[str, str]], ancestor.items()):
            if name.startswith(f"{{{XML}}}") and name not in _INHERITED:
                raise MalformedXml("an element below xml:id or xml:base has no canonical form that all agree on")
            if name in _INHERITED and element.get(name) is None:
                inherited.setdefault(name, value)
    return _walk(element, None, inherited)


def inclusive_document(root: etree._Element) -> bytes:
    """The inclusive canonical form (C14N 1.0 and 1.1) of the whole document; MalformedXml as canonical()."""
    return _libxml2(root.getroottree(), None, exclusive=False)


def _libxml2(node: etree._Element | etree._ElementTree, prefixes: list[str] | None, *, exclusive: bool = True) -> bytes:
    try:
        form = etree.tostring(
            node, method="c14n", exclusive=exclusive, with_comments=False, inclusive_ns_prefixes=prefixes
        )
    except (etree.C14NError, ValueError):
        raise MalformedXml("this XML has no canonical form") from None
    return form


def _walk(apex: etree._Element, prefixes: Sequence[str] | None, inherited: _Scope | None = None) -> bytes:
    """Steps 1 and 2: read the list; walk in document order, carrying what is in scope and what is written already.

    Without a list all prefixes are on it, which makes the form inclusive; `inherited` are attributes of ancestors.
    """
    listed = None if prefixes is None else {"" if prefix == DEFAULT else prefix for prefix in prefixes if prefix}
    parent = apex.getparent()
    scopes = [{} if parent is None else {prefix or "": uri or "" for prefix, uri in parent.nsmap.items()}]
    written: list[_Scope] = [{}]
    declared: _Scope = {}
    out: list[str] = []
    for event, item in etree.iterwalk(apex, events=("start-ns", "start", "end", "comment", "pi")):
        if event == "start-ns":
            prefix, uri = item
            declared[prefix or ""] = uri or ""
        elif event == "start":
            scopes.append({**scopes[-1], **declared} if declared else scopes[-1])
            declared = {}
            start, rendered = _start(item, listed, scopes[-1], written[-1], inherited if item is apex else None)
            written.append(rendered)
            out += (start, _text(item.text))
        else:
            if event == "end":
                scopes.pop()
                written.pop()
                out.append(f"</{_name(item)}>")
            elif event == "pi":
                out.append(f"<?{item.target}{' ' + _cr(item.text) if item.text else ''}?>")
            if item is not apex:
                out.append(_text(item.tail))
    return "".join(out).encode()


def _start(
    element: etree._Element, listed: set[str] | None, scope: _Scope, rendered: _Scope, inherited: _Scope | None
) -> tuple[str, _Scope]:
    """Steps 3 to 6: the start tag of one element, and what is written by it and its ancestors."""
    attributes = list(_attributes(element))
    for name, value in (inherited or {}).items():
        local = name.rpartition("}")[2]
        attributes.append(((XML, local), "xml", f' xml:{local}="{_value(value)}"'))
    if listed is None:
        candidates = scope.keys() | {""}
    else:
        used = {element.prefix or ""} | {prefix for _, prefix, _ in attributes if prefix}  # step 3
        candidates = used | (listed & scope.keys()) | (listed & {""})  # step 4
    declarations = []
    for prefix in sorted(candidates - {"xml"}):  # step 5, in the order of step 6
        uri = scope.get(prefix, "")
        if rendered.get(prefix, "") != uri:
            rendered = {**rendered, prefix: uri}
            declarations.append(f' xmlns{":" + prefix if prefix else ""}="{_value(uri)}"')
    texts = [text for _, _, text in sorted(attributes)]
    return f"<{_name(element)}{''.join(declarations)}{''.join(texts)}>", rendered


def _attributes(element: etree._Element) -> Iterator[tuple[tuple[str, str], str, str]]:
    """Each attribute: its sort key (step 6), its prefix and its text.

    Step 7: the prefix it was written with; lxml does not tell it, since two prefixes may have one URI.
    """
    for position, (name, value) in enumerate(cast(Iterable[tuple[str, str]], element.items()), start=1):
        uri, _, local = name.rpartition("}")
        prefix = str(_WRITTEN_NAME(element, position=position)).partition(":")[0] if uri else ""
        yield (uri[1:], local), prefix, f' {prefix + ":" if prefix else ""}{local}="{_value(value)}"'


def _name(element: etree._Element) -> str:
    local = str(element.tag).rpartition("}")[2]
    return f"{element.prefix}:{local}" if element.prefix else local


def _text(text: str | None) -> str:
    """Step 8 for text."""
    return _cr(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")) if text else ""


def _cr(text: str) -> str:
    return text.replace("\r", "&#xD;")


def _value(value: str) -> str:
    """Step 8 for attribute values, namespace names included."""
    value = value.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return _cr(value.replace("\t", "&#x9;").replace("\n", "&#xA;"))
