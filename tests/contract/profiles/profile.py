"""What a profile is: all that the suite has to know of one API, as data and as requests to build.

The rest of the suite asks a profile and names no API. What the package's descriptor of a vendor states already (names of variables,
operations, credentials) is read from there; what the document states, from the document.
"""

from __future__ import annotations

import json
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

import yaml
from attrs import field, frozen

from contact_apis._openapi.document import Contract, Operation
from contact_apis._vendors.vendor import Vendor

if TYPE_CHECKING:
    from ..service import Call, Service
    from ..settings import Endpoint

Json = dict[str, Any]
SPECS = Path(__file__).parents[3] / "specs"
SHORTEST_ACCOUNT_ID = 4
"""Characters: a shorter one is a part of any word and number, and is not masked."""


@frozen(kw_only=True)
class RunSetting:
    """Something that a run is told of an API by a variable."""

    name: str
    """With the API's name in front, the variable."""
    help: str
    is_required: bool = True
    least_masked: int | None = None
    """The fewest characters that a value is masked with in reports; ``None`` for what everybody may see."""


@frozen(kw_only=True)
class Credential:
    """The clauses about one credential."""

    scheme: str
    """The security scheme of the document."""
    required: str
    """The clause that a request without it is refused."""
    checked: str
    """The clause that a wrong one is refused."""


@frozen(kw_only=True)
class HeaderClauses:
    """The clauses about a header of responses."""

    form: str
    """Its value fits the document's schema."""
    echo: str
    """It is the one that was sent."""


@frozen(kw_only=True)
class Creation:
    """How a service tells that a contact was new."""

    status: int
    clause: str
    """The clause that a new contact is answered so."""
    update_clause: str
    """The clause that one that exists is not."""


@frozen
class Shape:
    """A valid request of some form."""

    clause: str
    """The clause that a refusal breaks."""
    description: str
    body: Json


@frozen(kw_only=True, slots=False)
class Profile(ABC):
    """One API, as the suite sees it. A module of this folder has one as ``PROFILE``.

    Clauses of every API, beside those that a profile names: ``operation``, ``body-is-json``, ``body-required``, ``body-is-object``,
    ``answers-are-json``, ``answers-every-request``, ``documented-statuses``, ``no-server-error`` and what the probes of
    ``check_transport`` note.
    """

    everywhere: ClassVar[str] = "*"
    """In place of an operation, all of them."""

    vendor: Vendor
    """The package's descriptor."""
    document: Path
    """The OpenAPI document, JSON or YAML."""
    clauses: Path = SPECS / "clauses.yaml"
    """The file that holds its clauses; several APIs may share one."""
    exclusions: Path = SPECS / "exclusions.yaml"
    """The file with the parts of the document that have no clause on purpose."""
    credentials: tuple[Credential, ...]
    credentials_in_headers: str
    """The clause that says where the credentials stand."""
    envelopes: Mapping[str, Mapping[int | str, str]]
    """The clause that a malformed body breaks, by operation (or ``*``) and status (or ``4XX``)."""
    header_clauses: Mapping[str, HeaderClauses] = field(factory=dict)
    """By the header's name."""
    tolerated: frozenset[int] = frozenset()
    """Statuses that are no violation although the document does not list them."""
    creation: Creation | None = None
    more_settings: tuple[RunSetting, ...] = ()
    """What a run is told besides what a client is."""
    mock_options: tuple[str, ...] = ()
    """The options of ``contact-apis mock`` with which everything can be exercised at it."""

    @property
    def name(self) -> str:
        """As ``API`` has it."""
        return self.vendor.name

    @cached_property
    def contract(self) -> Contract:
        """The document, ready to be asked."""
        text = self.document.read_text("utf-8")
        if self.document.suffix == ".json":
            return Contract(json.loads(text))
        return Contract(yaml.safe_load(text))

    @property
    def upsert(self) -> Operation:
        """The operation that contacts are sent to."""
        return self.contract.operation(self.vendor.upsert)

    # ------------------------------------------------------------------------------------------------------ settings

    @cached_property
    def settings(self) -> tuple[RunSetting, ...]:
        """What a run is told besides the address, in the order in which it is asked for."""
        of_clients = [
            RunSetting(
                name=setting.name,
                help=setting.description,
                least_masked=SHORTEST_ACCOUNT_ID if setting.scheme is None else 1,
            )
            for setting in self.vendor.settings
        ]
        return (*of_clients, *self.more_settings)

    def variable(self, name: str) -> str:
        """The variable of a setting, or of ``base_url``."""
        return self.vendor.variable(name)

    @property
    def credential_variables(self) -> list[str]:
        """The variables of all credentials."""
        return [self.variable(each.name) for each in self.vendor.settings if each.scheme]

    @property
    def required_variables(self) -> list[str]:
        """The variables that a run must have, besides the address."""
        return [self.variable(each.name) for each in self.settings if each.is_required]

    @property
    def account_variables(self) -> list[str]:
        """The variables that tell whose account it is, of those that a run must have."""
        credentials = self.credential_variables
        return [name for name in self.required_variables if name not in credentials]

    @property
    def optional_settings(self) -> list[str]:
        """The settings that a run may do without, which then cannot exercise some clauses."""
        return [setting.name for setting in self.settings if not setting.is_required]

    def headers(self, values: Mapping[str, str]) -> dict[str, str]:
        """The headers of the credentials, from the settings by name.

        Raises:
            ConfigurationError: the document asks for credentials that the descriptor does not know.
        """
        secrets = {each.scheme: values[each.name] for each in self.vendor.settings if each.scheme}
        return self.upsert.security_headers(secrets)

    def header_of(self, credential: Credential) -> str:
        """The header that carries a credential."""
        name, _ = self.contract.security_header(credential.scheme, "")
        return name

    def path(self, values: Mapping[str, str]) -> str:
        """The path of an upsert, from the settings by name."""
        parameters = {each.path: values[each.name] for each in self.vendor.settings if each.path}
        return self.upsert.expand(parameters)

    def envelope(self, operation: str, status: int) -> str:
        """The clause that a malformed body of this operation and status breaks."""
        for own in (operation, self.everywhere):
            clauses = self.envelopes.get(own, {})
            for key in (status, f"{status // 100}XX"):
                if key in clauses:
                    return clauses[key]
        return f"{self.name}.documented-statuses"

    # --------------------------------------------------------------------------------------------- requests to build

    @abstractmethod
    def shapes(self, service: Service) -> list[Shape]:
        """Valid requests of several forms, the least one first; new objects each time."""

    @abstractmethod
    def valid_bodies(self, service: Service) -> list[Json]:
        """Bodies that carry every member; each rule of the document is broken in one of them."""

    @abstractmethod
    def pool_body(self, service: Service, number: int) -> Json:
        """A valid request about a contact of the pool, one after the other; small and whole ones in turn."""

    @abstractmethod
    def with_text(self, body: Json, text: str) -> Json:
        """The same valid request with this text in some field."""

    @abstractmethod
    def gentle(self, service: Service, value: Any) -> Any:
        """A generated body whose ids, addresses and numbers are the suite's own, and which starts no e-mail."""

    def preconditions(self, endpoint: Endpoint, script: str) -> list[str]:
        """What whoever runs a reproducer must have at the service, in sentences; ``script`` is the reproducer's text."""
        return []

    def new_contact(self, service: Service, contact_id: str) -> Json:
        """The request that creates the contact with an id; asked for where there is a ``creation``."""
        raise NotImplementedError

    def telling(self, service: Service) -> list[tuple[str, str, Call]]:
        """Requests that a service takes which refuses all others for one reason: the clause that it breaks, the reason, the request."""
        return []

    # ------------------------------------------------------------------------------------------- an imagined service

    def imagined_status(self, body: Json, *, is_known: bool) -> int:
        """The status of a valid upsert at a service that keeps the contract; ``is_known`` if its contact exists."""
        if self.creation is not None and not is_known:
            return self.creation.status
        return min(status for status in self.upsert.responses if 200 <= status < 300)

    def imagined_body(self, status: int) -> Json:
        """The body of a response of that service."""
        return {}

    # ------------------------------------------------------------------------------------------------------ contacts

    def identities(self, call: Call) -> Iterable[str]:
        """What the contacts of a request are recognised by, the last step of each being the id.

        Raises:
            ValueError, TypeError, LookupError, AttributeError: it cannot be made out.
        """
        place = urlsplit(call.url).path
        return [f"{place}/{key}" for key in self.vendor.ordering_keys(call.json())]


def read_settings(path: Path) -> tuple[RunSetting, ...]:
    """The settings of a profile's own table of variables."""
    table = tomllib.loads(path.read_text("utf-8"))
    entries: list[dict[str, Any]] = table["variable"]
    return tuple(RunSetting(**entry) for entry in entries)


def properties_of(service: Service, schema: str = "Contact") -> Json:
    """The members of a contact by name, each with its resolved schema."""
    contract = service.profile.contract
    node = contract.document["components"]["schemas"][schema]
    return {name: contract.resolve(each) for name, each in node["properties"].items()}
