"""What holds for every answer, whatever the request was, and what the request's own form asks of the answer.

All of it is read from the specification; the clauses only say what a broken rule is called.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from contact_apis._openapi.document import Operation, Schema

from .clauses import (
    FILES,
    Clause,
    broken_clause,
    contract_of,
    load_clauses,
    load_specification,
    resolve_pointer,
)
from .expectations import ACCEPTED, FORMATS, Fact, accepted, fits
from .profiles.registry import PROFILES
from .service import Breach, Call, Exchange, Service
from .settings import CannotRun

# A string breaks a format without doubt; what is merely another notation of the same thing does not.
PLAINLY_NOT: dict[str, Callable[[str], bool]] = {
    "uuid": lambda text: (
        not re.fullmatch(r"(?i)[0-9a-f]{32}", re.sub(r"(?i)^urn:uuid:|[{}\s-]", "", text))
    ),
    "email": lambda text: bool(text.strip()) and not re.fullmatch(r"[^@\s]+@[^@\s]+", text.strip()),
    "date": lambda text: _is_plainly_no_date(text),
    "date-time": lambda text: _is_plainly_no_date(text),
}


def _is_plainly_no_date(text: str) -> bool:
    """Nothing that ISO 8601 knows, in any of its forms; empty text is unusual, not plainly wrong."""
    reduced = r"\d{4}(-?W\d\d(-?\d)?|-?\d{3}|(-?\d\d)?)|\d{7,}|.*(T24:00|:60).*"
    if not text.strip() or re.fullmatch(reduced, text):
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return True
    return False


def operation_of(api: str, call: Call) -> Operation | None:
    """The declared operation that a request addresses."""
    return _operation_at(api, call.method, urlsplit(call.url).path)


@lru_cache(maxsize=1024)
def _operation_at(api: str, method: str, path: str) -> Operation | None:
    """Looked up for every request and every response, and most of them have one path."""
    found = (each for each in contract_of(api).operations_at(path) if each.method == method)
    return next(found, None)


class Judge:
    """Judges each answer of one API and counts what it judged, by clause."""

    def __init__(self, api: str) -> None:
        self.api = api
        self.profile = PROFILES[api]
        self.judged: Counter[str] = Counter()
        #: Whether a breach is of a known violation that the check can go on after; the run books it there.
        self.tolerates: Callable[[Breach], bool] = lambda _: False

    def __call__(self, exchange: Exchange, strictly: bool) -> None:
        """Raises :class:`Breach` for an answer that no request may get."""
        operation = operation_of(self.api, exchange.call)
        inside = Fact("status", value="[1-4]..", scope="answers")
        self._expect(
            "no-server-error",
            exchange.status < 500,
            f"the answer is {exchange.status}",
            exchange,
            inside,
        )
        if operation is None or not strictly:
            return
        self._statuses(operation, exchange)
        body = self._parse(exchange)
        clause = self.profile.envelope(operation.operation_id, exchange.status)
        schema = operation.response_schema(exchange.status)
        if schema is not None:
            faults = "; ".join(str(each) for each in schema.faults(body))
            facts = fits(schema.validator, body, exchange.status) if faults else ()
            self._expect(
                clause,
                not faults,
                f"the body of the {exchange.status} is wrong: {faults}",
                exchange,
                *facts,
            )
            if exchange.status >= 400:
                an_object = Fact("type", str(exchange.status), "", "object", "answers")
                message = f"the body of the {exchange.status} is no object"
                self._expect(clause, isinstance(body, dict), message, exchange, an_object)
        if operation.documents(exchange.status):
            self._headers(operation, exchange)

    def _statuses(self, operation: Operation, exchange: Exchange) -> None:
        is_tolerated = exchange.status in self.profile.tolerated
        known = operation.documents(exchange.status) or is_tolerated
        message = f"the answer is {exchange.status}, which the contract does not list"
        listed = "|".join(re.sub("[xX]", ".", str(each)) for each in operation.spec["responses"])
        self._expect(
            "documented-statuses",
            known,
            message,
            exchange,
            Fact("status", value=listed, scope="answers"),
        )

    def _parse(self, exchange: Exchange) -> Any:
        operation = operation_of(self.api, exchange.call)
        if operation is not None and operation.response_schema(exchange.status) is None:
            return None
        kind = exchange.headers.get("content-type", "").partition(";")[0].strip().lower()
        documented = ["application/json"]
        if operation is not None:
            documented = operation.response_media_types(exchange.status)
        media = Fact("media", value="|".join(map(re.escape, documented)), scope="answers")
        self._expect(
            "answers-are-json",
            kind in documented,
            f"the Content-Type is {kind or 'missing'}",
            exchange,
            media,
        )
        try:
            body = exchange.json()
        except (ValueError, RecursionError):
            message = "the body does not parse as JSON in UTF-8"
            raise Breach(
                f"{self.api}.answers-are-json",
                message,
                exchange,
                expects=[Fact("json", scope="answers")],
            ) from None
        return body

    def _headers(self, operation: Operation, exchange: Exchange) -> None:
        for name, schema in operation.response_headers(exchange.status).items():
            value = exchange.headers.get(name.lower())
            if value is None or schema is None:
                continue
            clauses = self.profile.header_clauses.get(name)
            clause = f"{self.api}.documented-statuses" if clauses is None else clauses.form
            form = FORMATS.get(schema.document.get("format", ""), ".*")
            facts = Fact("header", ACCEPTED, name, form, "answers")
            self._expect(
                clause,
                not schema.faults(value),
                f"the header {name} does not fit its schema",
                exchange,
                facts,
            )
            sent = exchange.call.header(name)
            if clauses is not None and is_uuid(sent) and is_uuid(value):
                assert sent is not None
                same = UUID(value) == UUID(sent)
                echo = Fact("echo", ACCEPTED, name, sent)
                message = f"the {name} is not the one that was sent"
                self._expect(clauses.echo, same, message, exchange, echo)

    def _expect(
        self, clause: str, holds: bool, message: str, exchange: Exchange, *expects: Fact
    ) -> None:
        name = clause if "." in clause else f"{self.api}.{clause}"
        self.judged[name] += 1
        if holds:
            return
        before = Breach.latest
        breach = Breach(name, message, exchange, expects=expects)
        if not self.tolerates(breach):
            raise breach
        Breach.latest = before


def is_uuid(text: object) -> bool:
    return (
        isinstance(text, str)
        and re.fullmatch(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None
    )


# --------------------------------------------------------------------------------- what a request's form asks for


def faults_of(api: str, call: Call) -> Iterator[tuple[Clause, bool]]:
    """The clauses that a request's body breaks, each with whether the service must refuse it for that.

    It need not where the clause is not documented, or where the value is merely written in another way.
    """
    operation = operation_of(api, call)
    if operation is None or operation.body is None:
        return
    try:
        body = json.loads(call.body or b"")
    except (ValueError, RecursionError):
        return
    root = _root_pointer(operation)
    for error in operation.body.validator.iter_errors(body):
        pointer = "/".join(["", *map(str, error.schema_path)])
        if not pointer.startswith("/components/"):
            pointer = root + pointer
        kind = error.kind.as_dict()
        if error.kind.name == "required":
            schema = resolve_pointer(load_specification(api), pointer)
            pointer += f"/{schema.index(kind['property'])}"
        clause = broken_clause(api, pointer)
        if clause is None:
            yield load_clauses()[f"{api}.operation"], False
        else:
            yield (
                clause,
                clause.evidence == "documented"
                and _is_plain(error.kind.name, kind, _value_at(body, error.instance_path)),
            )


def _root_pointer(operation: Operation) -> str:
    """Where the schema of a request's body stands in the document."""
    body = operation.body
    assert body is not None
    if "$ref" in body.document:
        return str(body.document["$ref"]).removeprefix("#")
    steps = [
        "paths",
        operation.template,
        operation.method.lower(),
        "requestBody",
        "content",
        "application/json",
        "schema",
    ]
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def _value_at(body: Any, path: list[str | int]) -> Any:
    for step in path:
        body = body[step]
    return body


def _is_plain(rule: str, kind: dict[str, Any], value: Any) -> bool:
    if rule == "format":
        return isinstance(value, str) and PLAINLY_NOT[kind["format"]](value)
    if rule in ("anyOf", "oneOf", "oneOfNotValid"):
        branches = [each for branch in kind["context"] for each in branch]
        return all(_is_plain(each.kind.name, each.kind.as_dict(), value) for each in branches)
    if rule == "enum":
        return not isinstance(value, str) or bool(value.strip())
    # An empty text is unusual, not plainly wrong: many services take it for a field that was left out.
    return not (rule in ("minLength", "maxLength") and not value.strip())


# ------------------------------------------------------------------------------------------ requests of our own


def must_fit(api: str, call: Call, name: str) -> None:
    """Makes sure that the document allows a request that the suite takes for valid.

    Otherwise the document has changed and the suite has not: a refusal of it would be our fault, not a violation.

    Raises:
        CannotRun: it does not; the text has the place in the document and the request's name.
    """
    misfit = _misfit(api, call)
    if misfit is not None:
        raise CannotRun(
            f"The suite's own request “{name}” does not fit {FILES[api].name}: {misfit}."
            " The document asks for something that the suite does not send; adapt the suite before it judges the service."
        )


def _misfit(api: str, call: Call) -> str | None:
    moved = _missing_operation(api)
    if moved is not None:
        return f"#/paths has no operation for {moved}"
    operation = operation_of(api, call)
    if operation is None:
        return f"#/paths has no operation for {call.method} {urlsplit(call.url).path}"
    return _wrong_parameter(operation, call) or _wrong_body(operation, call)


@cache
def _missing_operation(api: str) -> str | None:
    """The operation that the suite's clauses are about, where the document has moved or dropped it."""
    pointer = load_clauses()[f"{api}.operation"].at
    try:
        resolve_pointer(load_specification(api), pointer)
    except LookupError:
        _, _, path, method = pointer.split("/")
        return f"{method.upper()} {path.replace('~1', '/').replace('~0', '~')}"
    return None


def _wrong_parameter(operation: Operation, call: Call) -> str | None:
    steps = ["paths", operation.template, operation.method.lower(), "parameters"]
    parts = urlsplit(call.url)
    paths = operation.match(parts.path) or {}
    queries = parse_qs(parts.query, keep_blank_values=True)
    headers = {name.lower(): value for name, value in call.headers}
    for number, (in_, name, schema, required) in enumerate(_parameters(operation)):
        given = {
            "path": _present(paths.get(name)),
            "query": queries.get(name, []),
            "header": _present(headers.get(name.lower())),
        }.get(in_, [])
        place = f"{_pointer(steps)}/{number} ({in_} parameter {name})"
        if required and not given:
            return f"{place} is required and is not sent"
        if given and schema is not None and not _takes(schema, given):
            return f"{place} does not take the value that is sent"
    for name in operation.credentials:
        if name.lower() not in headers:
            return f"#/security: the header {name} is not sent"
    return None


def _parameters(operation: Operation) -> Iterator[tuple[str, str, Schema | None, bool]]:
    """Where each parameter stands, its name, its schema, and whether it is required."""
    contract = operation.contract
    shared = contract.document["paths"][operation.template].get("parameters", [])
    for node in [*operation.spec.get("parameters", []), *shared]:
        parameter = contract.resolve(node)
        schema = contract.schema(parameter["schema"]) if "schema" in parameter else None
        yield parameter["in"], parameter["name"], schema, bool(parameter.get("required"))


def _present(value: str | None) -> list[str]:
    return [] if value is None else [value]


def _takes(schema: Schema, given: list[str]) -> bool:
    """Whether a parameter's values fit; a list is a parameter that is repeated (form style, exploded)."""
    if schema.document.get("type") == "array":
        return not schema.faults(given)
    return all(_matches_as_text(schema, text) for text in given)


def _matches_as_text(schema: Schema, given: str) -> bool:
    """Whether a parameter's text fits: as it is, or as the number or truth value that it spells."""
    if not schema.faults(given):
        return True
    try:
        return not schema.faults(json.loads(given))
    except ValueError:
        return False


def _wrong_body(operation: Operation, call: Call) -> str | None:
    steps = ["paths", operation.template, operation.method.lower(), "requestBody"]
    content = operation.contract.resolve(operation.spec.get("requestBody", {})).get("content", {})
    kind = (call.header("Content-Type") or "").partition(";")[0].strip().lower()
    if call.body is not None and kind not in content:
        return f"{_pointer([*steps, 'content'])} has no {kind or 'body without a Content-Type'}"
    if operation.body is None or call.body is None:
        return None
    body = json.loads(call.body)
    error = next(operation.body.validator.iter_errors(body), None)
    if error is None:
        return None
    pointer = "/".join(["", *map(str, error.schema_path)])
    if not pointer.startswith("/components/"):
        pointer = _root_pointer(operation) + pointer
    where = "/".join(map(str, error.instance_path)) or "the body"
    return f"#{pointer} ({error.message} at {where})"


def _pointer(steps: Sequence[str]) -> str:
    return "#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


# --------------------------------------------------------------------------------------------------- expectations


def accept(service: Service, call: Call, clause: str, why: str = "a valid request") -> Exchange:
    """Sends a request that must be accepted.

    Raises:
        CannotRun: the document does not allow it; nothing was sent.
    """
    must_fit(service.api, call, why)
    exchange = service.send(call)
    if not 200 <= exchange.status < 300:
        raise Breach(
            clause, f"{why} is refused with {exchange.status}", exchange, expects=accepted()
        )
    return exchange


def refuse(service: Service, call: Call, clause: str, why: str) -> Exchange:
    """Sends a request that must be refused with 400."""
    return _expect_error(service, call, 400, clause, why)


def reject_credentials(service: Service, call: Call, clause: str, why: str) -> Exchange:
    """Sends a request that must be answered 401."""
    return _expect_error(service, call, 401, clause, why)


def _expect_error(service: Service, call: Call, status: int, clause: str, why: str) -> Exchange:
    exchange = service.send(call, judged=False)
    # Before the answer is judged: one that shows what should have been refused is wrong for that reason.
    if exchange.status < 300:
        message = f"{why} is answered {exchange.status} instead of {status}"
        raise Breach(clause, message, exchange, expects=[Fact("status", value=str(status))])
    service.judge(exchange, True)
    if exchange.status != status:
        message = f"{why} is answered {exchange.status} instead of {status}"
        raise Breach(clause, message, exchange, expects=[Fact("status", value=str(status))])
    return exchange
