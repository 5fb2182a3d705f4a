"""``make update-spec API=pristo FILE=...``: a vendor's page or document becomes the one in ``specs/``, once its reader has seen what that breaks."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from openapi_spec_validator import validate
from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

from tests.contract.clauses import APIS, FILES

from .generate import GeneratorRefused, generate_one
from .load import NotADocument, Source, _parsed, read_file, read_working
from .render import as_text
from .report import build_report

ROOT = Path(__file__).parents[2]
_CHECKSUM = re.compile(r"^    [0-9a-f]{64}$", re.MULTILINE)


class Refused(Exception):
    """Nothing was written; the text says why, and what to do."""


def main(settings: Mapping[str, str] = os.environ, ask: Callable[[str], str] = input) -> int:
    """Shows the changes, asks, and writes; 2 where the file cannot be used, 1 where the answer is no."""
    try:
        api, source, text = read_update(settings)
    except (NotADocument, Refused, GeneratorRefused) as error:
        print(f"update-spec: {error}", file=sys.stderr)
        return 2
    file = ROOT / "specs" / FILES[api].name
    before = read_working(api, ROOT)
    if before.document == source.document and file.read_text("utf-8") == text:
        print(f"update-spec: specs/{file.name} is this document already")
        return 0
    sys.stdout.write(as_text([build_report(api, before, source)]))
    if not _is_confirmed(settings, ask, f"\nWrite it to specs/{file.name}? [y/N] "):
        print("update-spec: nothing was written")
        return 1
    write(api, file, text)
    print(f"update-spec: wrote specs/{file.name}; now run make generate")
    return 0


def read_update(settings: Mapping[str, str]) -> tuple[str, Source, str]:
    """Whose document it is, the document, and the text to write; checked by everything that the document has to pass.

    Raises:
        Refused: a setting is missing, or the document is not valid.
        NotADocument: there is none in the file.
        GeneratorRefused: the generator does not take it.
    """
    api, name = settings.get("API", ""), settings.get("FILE", "")
    if api not in APIS or not name:
        raise Refused(
            f"give both API={' or API='.join(APIS)} and FILE=, a file with the vendor's page or document"
        )
    source = read_file(Path(name))
    document = _parsed(source.text)
    try:
        validate(document)
    except OpenAPIValidationError as error:
        raise Refused(
            f"{name} is not a valid OpenAPI document: {error.message} at /{'/'.join(map(str, error.absolute_path))}"
        ) from None
    with tempfile.TemporaryDirectory() as folder:
        generate_one(document, f"{api}_client", Path(folder))
    text = source.text
    if FILES[api].suffix == ".json":
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    elif not _is_yaml(source.text):
        raise Refused(
            f"specs/{FILES[api].name} is written by hand and has comments; give FILE= a YAML document, or edit it"
        )
    return api, Source(name, source.document, text), text


def _is_yaml(text: str) -> bool:
    return not text.lstrip().startswith("{")


def _is_confirmed(settings: Mapping[str, str], ask: Callable[[str], str], question: str) -> bool:
    if settings.get("YES") == "1":
        return True
    try:
        return ask(question).strip().lower() in ("y", "yes")
    except EOFError:
        print("\nupdate-spec: nobody answers; YES=1 writes without asking")
        return False


def write(api: str, file: Path, text: str) -> None:
    """Writes the document, and its checksum where one is kept; each file is whole at every moment."""
    replace(file, text)
    readme = file.with_name("README.md")
    if api == "pristo":
        kept = readme.read_text("utf-8")
        replace(readme, _CHECKSUM.sub(f"    {checksum_of(text)}", kept, count=1))


def checksum_of(text: str) -> str:
    """SHA-256 of a document's canonical form: keys sorted, no blanks, UTF-8."""
    canonical = json.dumps(
        json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def replace(file: Path, text: str) -> None:
    """Writes a file beside the old one, and puts it in its place."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.write_text(text, "utf-8")
    fresh.replace(file)


if __name__ == "__main__":
    sys.exit(main())
