"""Whether the contract suite's own requests fit a document: ``python -m tests.changes.probe API FILE`` prints what does not, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

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
    from contact_apis._openapi import document
    from tests.contract.oracle import must_fit
    from tests.contract.preflight import base_requests
    from tests.contract.service import Service
    from tests.contract.settings import CannotRun, Endpoint, Settings

    contract = document.Contract(clauses.load_specification(api))
    # Where the vendor's path comes from: the document of the generated package, which is still the old one.
    document.contract = lambda _package: contract  # type: ignore[assignment] # in this process alone
    values = {each.name: ACCOUNT for each in PROFILES[api].settings}
    endpoint = Endpoint(api, "http://127.0.0.1", _credentials(contract), values)
    service = Service(endpoint, Settings.__new__(Settings), lambda _exchange, _strictly: None)
    found: list[str] = []
    for name, call in base_requests(service):
        try:
            must_fit(api, call, name)
        except CannotRun as error:
            found.append(str(error).partition(" The document asks")[0].rstrip("."))
    json.dump(found, sys.stdout)


def _credentials(contract: Any) -> dict[str, str]:
    names = [name for operation in contract.operations for name in operation.credentials]
    return dict.fromkeys(names, "secret")


if __name__ == "__main__":
    main()
