"""A small FHIR checker, driven by snapshots of StructureDefinitions and by value sets, for what an AuditEvent can get wrong.

It checks cardinality, unknown elements, JSON arrays, primitives, fixed and pattern values (displays too), slices by value
and whether they are closed, and required bindings. It does not check invariants, the inside of data types that the
snapshot does not open, and value sets that are not in the folder. No product code.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

Json = dict[str, Any]

_STRING = re.compile(r"\S(.*\S)?", re.DOTALL)
_PRIMITIVES: Mapping[str, re.Pattern[str]] = {
    "string": _STRING,
    "http://hl7.org/fhirpath/System.String": _STRING,
    "code": re.compile(r"\S+( \S+)*"),
    "uri": re.compile(r"\S+"),
    "instant": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"),
}


class Profiles:
    """The profiles and the terminology of a folder with `profiles/` and `terminology/`."""

    def __init__(self, folder: Path) -> None:
        terminology = _Terminology(folder / "terminology")
        found = (json.loads(file.read_text("utf-8")) for file in (folder / "profiles").glob("*.json"))
        self._snapshots = {each["url"]: _Snapshot(each, terminology) for each in found}

    def findings(self, resource: Json) -> list[str]:
        """What is wrong with a resource by the profiles that its meta names, each as "PATH: what"."""
        named = resource.get("meta", {}).get("profile", [])
        known = [self._snapshots[url] for url in named if url in self._snapshots]
        if not known:
            return ["meta.profile: none that is known"]
        return [finding for snapshot in known for finding in snapshot.findings(resource)]


class _Snapshot:
    """A StructureDefinition's elements by id: `AuditEvent.entity:ehmiMessage.detail` and so on."""

    def __init__(self, definition: Json, terminology: "_Terminology") -> None:
        self._type: str = definition["type"]
        self._elements: dict[str, Json] = {each["id"]: each for each in definition["snapshot"]["element"]}
        self._terminology = terminology

    def findings(self, resource: Json) -> Iterator[str]:
        if resource.get("resourceType") != self._type:
            yield f"resourceType: not {self._type}"
            return
        yield from self._object(self._type, {key: resource[key] for key in resource if key != "resourceType"}, "")

    def _value(self, id_: str, value: Any, path: str) -> Iterator[str]:
        element = self._elements[id_]
        for key, wanted in element.items():
            if key.startswith("fixed") and value != wanted:
                yield f"{path}: not {wanted}"
            if key.startswith("pattern") and not _fits(wanted, value):
                yield f"{path}: not as the pattern {wanted}"
        binding = element.get("binding", {})
        if binding.get("strength") == "required" and not self._terminology.holds(binding["valueSet"], value):
            yield f"{path}: not of {binding['valueSet']}"
        yield from _primitive(element, value, path)
        if self._children(id_):
            yield from self._object(id_, value, path)

    def _object(self, id_: str, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: not an object"
            return
        unknown = set(value)
        for child in self._children(id_):
            names = _names(self._elements[child])
            keys = [key for key in names if key in value]
            unknown -= set(keys)
            for key in keys or names[:1]:
                yield from self._items(child, value.get(key), f"{path}.{key}".lstrip("."))
        yield from (f"{path}.{key}".lstrip(".") + ": unknown here" for key in sorted(unknown))

    def _items(self, id_: str, value: Any, path: str) -> Iterator[str]:
        element = self._elements[id_]
        if value is not None and isinstance(value, list) != (element["base"]["max"] != "1"):
            yield f"{path}: {'an array' if isinstance(value, list) else 'not an array'}"
            return
        items = value if isinstance(value, list) else [] if value is None else [value]
        yield from _counted(element, len(items), path)
        slices = self._slices.get(id_, ())
        counts = dict.fromkeys(slices, 0)
        for number, item in enumerate(items):
            place = f"{path}[{number}]" if isinstance(value, list) else path
            chosen = next((each for each in slices if self._is_of(each, element["slicing"], item)), None)
            if chosen is not None:
                counts[chosen] += 1
            elif slices and element["slicing"]["rules"] == "closed":
                yield f"{place}: of no slice, and the slices are closed"
            yield from self._value(chosen or id_, item, place)
        for each, count in counts.items():
            yield from _counted(self._elements[each], count, f"{path}:{each.rpartition(':')[2]}")

    def _is_of(self, slice_: str, slicing: Json, item: Any) -> bool:
        """Whether an item is of a slice, by the values of its discriminators."""
        for discriminator in slicing["discriminator"]:
            assert discriminator["type"] == "value"
            element = self._elements[f"{slice_}.{discriminator['path']}"]
            wanted = next(element[key] for key in element if key.startswith(("fixed", "pattern")))
            if not isinstance(item, dict) or not _fits(wanted, item.get(discriminator["path"])):
                return False
        return True

    def _children(self, id_: str) -> Sequence[str]:
        """The ids one step below, without slices; those of the element itself where a slice has none."""
        own = self._below.get(id_, ())
        return own or (self._below.get(re.sub(r":[^.:]+$", "", id_), ()) if ":" in id_.rpartition(".")[2] else ())

    @cached_property
    def _slices(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for each in self._elements:
            sliced, _, name = each.rpartition(":")
            if sliced and "." not in name:
                found.setdefault(sliced, []).append(each)
        return found

    @cached_property
    def _below(self) -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        for each in self._elements:
            parent, _, name = each.rpartition(".")
            if parent and ":" not in name:
                found.setdefault(parent, []).append(each)
        return found


class _Terminology:
    """Code systems and value sets by URL."""

    def __init__(self, folder: Path) -> None:
        found = [json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")]
        self._sets = {each["url"]: each["compose"] for each in found if each["resourceType"] == "ValueSet"}
        self._systems = {
            each["url"]: {concept["code"] for concept in each["concept"]}
            for each in found
            if each["resourceType"] == "CodeSystem"
        }

    def holds(self, url: str, value: Any) -> bool:
        """Whether a code, Coding or CodeableConcept is in a value set, as far as the folder can tell."""
        if url not in self._sets:
            return True
        if isinstance(value, dict) and "coding" in value:
            return any(self.holds(url, coding) for coding in value["coding"])
        system, code = (value.get("system"), value.get("code")) if isinstance(value, dict) else (None, value)
        compose = self._sets[url]
        excluded = any(self._in(part, system, code) for part in compose.get("exclude", ()))
        return not excluded and any(self._in(part, system, code) for part in compose["include"])

    def _in(self, part: Json, system: str | None, code: str | None) -> bool:
        if "valueSet" in part:  # HL7's own, which the folder has not: it holds nothing of the systems that are ours
            return system is not None and system not in self._systems
        if system is not None and system != part["system"]:
            return False
        if "concept" in part:
            return any(concept["code"] == code for concept in part["concept"])
        return code in self._systems[part["system"]] if part["system"] in self._systems else system is not None


def _fits(pattern: Any, value: Any) -> bool:
    """Whether a value has all that a pattern has."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(_fits(wanted, value.get(key)) for key, wanted in pattern.items())
    if isinstance(pattern, list):
        return isinstance(value, list) and all(any(_fits(wanted, each) for each in value) for wanted in pattern)
    return bool(pattern == value)


def _counted(element: Json, count: int, path: str) -> Iterator[str]:
    least, most = element["min"], element["max"]
    if count < least or (most != "*" and count > int(most)):
        yield f"{path}: {count}, not {least}..{most}"


def _primitive(element: Json, value: Any, path: str) -> Iterator[str]:
    codes = [each["code"] for each in element.get("type", ())]
    if codes == ["boolean"] and not isinstance(value, bool):
        yield f"{path}: not a boolean"
    for form in (_PRIMITIVES[code] for code in codes if code in _PRIMITIVES and len(codes) == 1):
        if not isinstance(value, str) or not form.fullmatch(value):
            yield f"{path}: not a right {codes[0]}"


def _names(element: Json) -> list[str]:
    """The keys that an element may have in JSON: several for a value[x] of several types."""
    name = element["path"].rpartition(".")[2]
    stem = name.removesuffix("[x]")
    if stem == name:
        return [name]
    return [stem + each["code"][0].upper() + each["code"][1:] for each in element["type"]]
