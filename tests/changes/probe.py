"""Whether the contract suite's own requests fit a document: ``python -m tests.changes.probe API FILE`` prints what does not, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import attrs

from tests.contract import clauses
from tests.contract.profiles.registry import PROFILES

#: A value that every setting of every API takes.
ACCOUNT = "00000000-0000-4000-8000-000000000001"


def main() -> None:
    """Has the suite read another document than the one in ``specs/``, and asks it."""
    api, file = sys.argv[1:]
    clauses.FILES[api] = Path(file)
    PROFILES[api] = attrs.evolve(PROFILES[api], document=Path(file))
    from tests.contract.oracle import must_fit
    from tests.contract.preflight import base_requests
    from tests.contract.service import Service
    from tests.contract.settings import CannotRun, Endpoint, Settings

    operations = clauses.load_specification(api)["paths"]
    assert operations, "the document has no operation"
    endpoint = Endpoint(
        api,
        "http://127.0.0.1",
        credentials=_credentials(api),
        values={each.name: ACCOUNT for each in PROFILES[api].settings},
    )
    service = Service(endpoint, Settings.__new__(Settings), lambda _exchange, _strictly: None)
    found: list[str] = []
    for name, call in base_requests(service):
        try:
            must_fit(api, call, name)
        except CannotRun as error:
            found.append(str(error).partition(" The document asks")[0].rstrip("."))
    json.dump(found, sys.stdout)


def _credentials(api: str) -> dict[str, str]:
    from contact_apis._openapi.document import Contract

    contract = Contract(clauses.load_specification(api))
    names: dict[str, str] = {}
    for operation in contract.operations:
        for name in operation.credentials:
            names[name] = "secret"
    return names


if __name__ == "__main__":
    main()
