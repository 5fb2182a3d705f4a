"""What a change means for callers: modules, models, members, types, keywords of the wrappers, columns of the import, errors."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Any

from attrs import Factory, define
from openapi_python_client.strings import ClassName, PythonIdentifier

from contact_apis._errors import status_error
from contact_apis._openapi.document import Contract, Operation
from contact_apis._vendors.registry import VENDORS
from contact_apis._vendors.vendor import Vendor

from .compare import Change, Comparison, operations_of
from .nodes import Json, Node, followed
from .samples import Step
from .schemas import types_of

_FORMATS = {
    "uuid": "UUID",
    "date": "datetime.date",
    "date-time": "datetime.datetime",
    "binary": "File",
}
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}


def python_name(name: str) -> str:
    """What the generator calls a member, a parameter or a function."""
    return str(PythonIdentifier(value=name, prefix="field_"))


def class_name(name: str) -> str:
    """What the generator calls a model."""
    return str(ClassName(name, "field_"))


def model_at(at: str, operation_id: str = "") -> str:
    """The generated class of the object at a pointer."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in at.split("/")[1:]]
    if steps[:2] == ["components", "schemas"]:
        name, rest = steps[2], steps[3:]
    elif "requestBody" in steps:
        name, rest = (
            f"{operation_id}_body",
            steps[steps.index("schema") + 1 :] if "schema" in steps else [],
        )
    elif "responses" in steps and "schema" in steps:
        name = f"{operation_id}_response_{steps[steps.index('responses') + 1]}"
        rest = steps[steps.index("schema") + 1 :]
    else:
        return ""
    parts = [class_name(name)]
    words = iter(rest)
    for word in words:
        if word == "properties":
            parts.append(class_name(next(words, "")))
        if word == "items":
            parts.append("Item")
        if word == "additionalProperties":
            parts.append("AdditionalProperty")
        if word in ("anyOf", "oneOf"):
            parts.append(f"Type{next(words, '')}")
    return "".join(parts)


def python_type(node: Node, operation_id: str = "", depth: int = 0) -> str:
    """The annotation that the generator gives a schema's values."""
    members = node.members
    if depth > 6:
        return "Any"
    if members.get("enum"):
        return f"Literal[{', '.join(map(repr, members['enum']))}]"
    for word in ("anyOf", "oneOf"):
        if members.get(word):
            kinds = [python_type(child, operation_id, depth + 1) for _, child in node.each(word)]
            return " | ".join(dict.fromkeys(kinds))
    if members.get("allOf") and "type" not in members:
        kinds = [python_type(child, operation_id, depth + 1) for _, child in node.each("allOf")]
        stated = [each for each in kinds if each != "Any"]
        plain = [each for each in stated if each in _PLAIN.values()]
        if plain or not stated:
            return (plain or ["Any"])[0]
    kind = members.get("type")
    optional = " | None" if members.get("nullable") is True else ""
    if isinstance(kind, list):
        optional = " | None" if "null" in kind else ""
        kind = next((each for each in kind if each != "null"), "null")
    if kind == "array":
        return f"list[{python_type(node.child('items'), operation_id, depth + 1)}]{optional}"
    if kind == "object" or "properties" in members or "allOf" in members:
        return f"{model_at(node.at, operation_id) or 'dict[str, Any]'}{optional}"
    if kind == "string":
        return _FORMATS.get(str(members.get("format")), "str") + optional
    return _PLAIN.get(str(kind), "Any") + optional


@define
class Facts:
    """What stands for the names in a consequence's text."""

    known: dict[str, Any] = Factory(dict)

    def fill(self, text: str) -> str:
        """The text with what is known; what would say nothing is left out."""
        filled = _Filler().vformat(text, (), self.known)
        parts = [part.strip() for part in filled.split(";")]
        return "; ".join(part for part in parts if part and part != ".").replace(".:", ":")


class _Filler(string.Formatter):
    def get_value(self, key: int | str, args: Any, kwargs: Mapping[str, Any]) -> Any:
        return kwargs.get(str(key), "")


@define
class Callers:
    """The consequences for the callers of one API."""

    api: str
    comparison: Comparison
    ids: dict[str, tuple[str, str]] = Factory(dict)
    """Module of each operation by ``operationId``, before and after."""

    def __attrs_post_init__(self) -> None:
        for number, document in enumerate((self.comparison.old, self.comparison.new)):
            for operation in operations_of(document):
                tag = (operation.node.members.get("tags") or ["default"])[0]
                module = f"{self.package}.api.{python_name(tag)}.{python_name(operation.id)}"
                both = list(self.ids.get(operation.id, ("", "")))
                both[number] = module
                self.ids[operation.id] = (both[0], both[1])
        for old, new in self.comparison.matched:
            if old.id != new.id:
                before = self.ids.get(old.id, ("", ""))[0]
                self.ids[new.id] = (before, self.ids[new.id][1])

    @property
    def vendor(self) -> Vendor | None:
        """The wrapper's descriptor, if there is one."""
        return VENDORS.get(self.api)

    @property
    def package(self) -> str:
        """The generated package."""
        return f"{self.api}_client"

    def consequence(self, change: Change) -> str:
        """The second column of a report."""
        facts = Facts(self._facts(change))
        return facts.fill(change.rule.consequence(change.direction)) or "nothing to do"

    def breaks_python(self, change: Change) -> bool:
        """Whether callers' code has to change, or their type checker would complain."""
        if change.rule.breaks_python:
            return True
        known = self._facts(change)
        return bool(known.get("type_change"))

    def _facts(self, change: Change) -> dict[str, Any]:
        operation_id = change.operations[0] if change.operations else ""
        before, after = self.ids.get(operation_id, ("", ""))
        argument = (
            python_name(change.where.rpartition(" ")[2]) if "parameter" in change.where else ""
        )
        known: dict[str, Any] = {
            "before": change.before,
            "after": change.after,
            "name": change.where,
            "package": self.package,
            "function": after or before,
            "function_before": before or after,
            "client": f"{self.api}.client",
            "argument": argument,
            "argument_before": python_name(str(change.before)) if argument else "",
            "field": _last_member(change),
        }
        if change.kind == "schema-renamed":
            known |= {
                "class_before": class_name(change.before),
                "class_after": class_name(change.after),
            }
        if change.kind.endswith(("status-added", "status-removed")):
            known |= {
                "error": _error_class(change.after),
                "error_before": _error_class(change.before),
            }
        if change.finding is not None:
            known |= self._about_schema(change, operation_id)
        return known

    def _about_schema(self, change: Change, operation_id: str) -> dict[str, Any]:
        finding = change.finding
        assert finding is not None
        pair = [finding.old, finding.new]
        member = finding.member
        model_node = finding.new
        types = [python_type(node, operation_id) for node in pair]
        if member:
            types = [_member_type(node, member, operation_id) for node in pair]
            model = model_at(model_node.at, operation_id)
        elif change.kind.startswith("others-"):
            model = model_at(model_node.at, operation_id)
        else:
            model = model_at(_owner(model_node.at), operation_id)
        known: dict[str, Any] = {
            "model": f"{self.package}.models.{model}" if model else "the value",
            "type_old": types[0],
            "type": types[1] or types[0],
        }
        known["type_change"] = (
            f"type {types[0]} became {types[1]}" if types[0] != types[1] and not member else ""
        )
        name = member or _member_of(change.steps)
        known["keyword"] = self._keyword(change, model, name)
        known["column"] = self._column(change, name)
        return known

    def _keyword(self, change: Change, model: str, name: str) -> str:
        """The keyword of the wrapper for a member of the contact's model."""
        vendor = self.vendor
        if (
            vendor is None
            or vendor.upsert not in change.operations
            or change.direction != "request"
        ):
            return ""
        client = vendor._load("client", vendor.blocking_client)  # noqa: SLF001 # there is no other way to the class
        if client._model.__name__ != model:  # noqa: SLF001 # of the same descriptor
            return ""
        return f"; {client.__name__}.upsert_contact({python_name(name)}=)"

    def _column(self, change: Change, name: str) -> str:
        """The import's column for a member, by what the mapper builds of either document."""
        if change.direction != "request" or not name:
            return ""
        vendor = self.vendor
        if vendor is None or vendor.upsert not in change.operations:
            return ""
        columns = [
            columns_of(vendor, document) for document in (self.comparison.old, self.comparison.new)
        ]
        for column in {**columns[0], **columns[1]}:
            if column.rpartition(".")[2] == name and _is_near(column, change.steps):
                return f"; import column {column}"
        return ""


def _is_near(column: str, steps: tuple[Step, ...]) -> bool:
    around = column.rpartition(".")[0]
    members = [argument for kind, argument in steps if kind == "member"]
    return not around or around in members


class _OfDocument(Vendor):
    """A vendor whose operation is read from a given document."""

    def operation(self) -> Operation:
        contract: Contract = _CONTRACTS[id(self)]
        return contract.operation(self.upsert)


_CONTRACTS: dict[int, Contract] = {}


def columns_of(vendor: Vendor, document: Json) -> dict[str, Json]:
    """The import's columns by a document; none where the mapper cannot be built of it."""
    import attrs

    members = {each.name: getattr(vendor, each.name) for each in attrs.fields(Vendor)}
    own = _OfDocument(**members)
    _CONTRACTS[id(own)] = Contract(document)
    try:
        return dict(own.mapper().fields)
    except (LookupError, TypeError, AttributeError):
        return {}
    finally:
        del _CONTRACTS[id(own)]


def mapper_fault(vendor: Vendor, document: Json) -> str | None:
    """Why the mapper cannot be built of a document, or ``None``."""
    import attrs

    members = {each.name: getattr(vendor, each.name) for each in attrs.fields(Vendor)}
    own = _OfDocument(**members)
    _CONTRACTS[id(own)] = Contract(document)
    try:
        own.mapper()
    except (LookupError, TypeError, AttributeError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        del _CONTRACTS[id(own)]
    return None


def _owner(at: str) -> str:
    """The object that a member's schema stands in; itself, where it is none's."""
    head, _, _ = at.rpartition("/properties/")
    return head or at


def _member_of(steps: tuple[Step, ...]) -> str:
    for kind, argument in reversed(steps):
        if kind == "member":
            return str(argument)
    return ""


def _last_member(change: Change) -> str:
    if change.finding is None:
        return python_name(change.where.rpartition(" ")[2])
    name = change.finding.member or _member_of(change.steps)
    return python_name(name) if name else change.where


def _member_type(node: Node, name: str, operation_id: str) -> str:
    schemas = node.members.get("properties", {})
    if name not in schemas:
        return ""
    kind = python_type(node.child("properties", name), operation_id)
    return kind if name in node.members.get("required", []) else f"{kind} | Unset"


def _error_class(status: Any) -> str:
    text = str(status or "")
    return status_error(int(text)).__name__ if text.isdigit() else "APIStatusError"


def stays_any(node: Node) -> bool:
    """Whether a schema says nothing about the type of its values."""
    return len(types_of(node)) > 6


def node_of(document: Json, at: str) -> Node:
    """The place at a pointer."""
    from contact_apis._openapi.document import value_at

    return followed(document, value_at(document, at), at)
