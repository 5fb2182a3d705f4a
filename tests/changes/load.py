"""Documents to compare: from a file, a vendor's page, or a revision of this repository."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen

from tests.contract.clauses import FILES

from .nodes import Json

ROOT = Path(__file__).parents[2]
_FENCED = re.compile(r"^```(?:json|ya?ml)[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
_VERSIONS = ("3.0", "3.1")


class NotADocument(Exception):
    """What was named cannot be compared; the text says why, and what to do."""


@frozen
class Source:
    """A document and how a reader knows it."""

    label: str
    document: Json
    text: str


def read_text(text: str, name: str) -> Source:
    """A document from the text of a file: JSON, YAML, or a page that has one of them in a block of code.

    Raises:
        NotADocument: there is none in it, or more than one.
    """
    whole = _parsed(text)
    if _is_openapi(whole):
        return Source(name, _checked(whole, name), text)
    blocks = [(_parsed(block), block) for block in _FENCED.findall(text)]
    found = [(document, block) for document, block in blocks if _is_openapi(document)]
    if len(found) == 1:
        document, block = found[0]
        return Source(name, _checked(document, name), block)
    if found:
        raise NotADocument(
            f"{name} has {len(found)} OpenAPI documents; save the one that is meant to a file"
        )
    raise NotADocument(
        f"{name} has no OpenAPI document: neither is it JSON or YAML with a member openapi, nor does it show one in a block of code"
    )


def read_file(path: Path) -> Source:
    """A document from a file.

    Raises:
        NotADocument: it cannot be read, or there is none in it.
    """
    try:
        return read_text(path.read_text("utf-8-sig"), str(path))
    except OSError as error:
        raise NotADocument(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise NotADocument(f"{path} is not text in UTF-8; save it as UTF-8") from None


def read_revision(revision: str, api: str, root: Path = ROOT) -> Source:
    """An API's document as a git revision has it.

    Raises:
        NotADocument: there is no such revision, or no such file in it.
    """
    path = FILES[api].relative_to(FILES[api].parents[1]).as_posix()
    label = f"{revision}:{path}"
    done = git("show", label, root=root)
    if done.returncode != 0:
        raise NotADocument(
            f"{revision} is neither a file nor a git revision that has {path}; give a path, or a revision such as HEAD~1 or v0.1.0"
        )
    return read_text(done.stdout, label)


def read_working(api: str, root: Path = ROOT) -> Source:
    """An API's document as it stands in ``specs/`` now."""
    file = root / "specs" / FILES[api].name
    source = read_file(file)
    return Source(f"specs/{file.name}", source.document, source.text)


def git(*words: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs git in a checkout; a git that is missing is one that fails."""
    try:
        return subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
    except OSError as error:
        return subprocess.CompletedProcess(words, 127, "", str(error))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.load(text, Loader=_TextDates)  # noqa: S506 # it is the safe loader, without dates
    except yaml.YAMLError:
        return None


class _TextDates(yaml.CSafeLoader):
    """Reads a bare date as the text that it is: JSON has no dates."""


_TextDates.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def _is_openapi(document: Any) -> bool:
    return isinstance(document, dict) and ("openapi" in document or "swagger" in document)


def _checked(document: Json, name: str) -> Json:
    version = str(document.get("openapi", document.get("swagger")))
    if not version.startswith(_VERSIONS):
        raise NotADocument(
            f"{name} is written for version {version}; this tool reads OpenAPI {' and '.join(_VERSIONS)}"
        )
    if not isinstance(document.get("paths"), dict):
        raise NotADocument(f"{name} has no object `paths`: it describes no operation")
    _check_references(document, document, name)
    return normalised(document)


def _check_references(document: Json, node: Any, name: str) -> None:
    """Raises for a reference that leads out of the document, or nowhere."""
    from contact_apis._openapi.document import value_at

    if isinstance(node, list):
        for each in node:
            _check_references(document, each, name)
    if not isinstance(node, dict):
        return
    target = node.get("$ref")
    if isinstance(target, str):
        if not target.startswith("#"):
            raise NotADocument(f"{name} refers to {target}; bundle it into one document first")
        try:
            value_at(document, target.removeprefix("#"))
        except (LookupError, ValueError, TypeError):
            raise NotADocument(f"{name} refers to {target}, which it does not have") from None
    for each in node.values():
        _check_references(document, each, name)


def normalised(document: Json) -> Json:
    """A copy that writes exclusive bounds as JSON Schema does: OpenAPI 3.0 has them as true beside the bound. Statuses are text."""
    plain: Json = _normalised(copy.deepcopy(document))
    return plain


def _normalised(node: Any) -> Any:
    if isinstance(node, list):
        return [_normalised(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {str(name): _normalised(value) for name, value in node.items()}
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if plain.get(exclusive) is True and isinstance(plain.get(bound), (int, float)):
            plain[exclusive] = plain.pop(bound)
        elif plain.get(exclusive) is False:
            del plain[exclusive]
    return plain
