"""Scripts that show a violation again: the whole sequence of requests and the check of their answers, in bash and in Python.

A script holds no secret: credentials, addresses and the ids of population and list come from the environment, under the
names that the suite itself reads. Ids of contacts that must be new are made anew for each round.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from ..clauses import load_clauses
from ..expectations import Fact
from ..service import identities

if TYPE_CHECKING:
    from ..service import Breach, Call, Exchange, Step
    from ..settings import Settings

LEAST_REQUESTS = 100  # of a script, all rounds together: some services fail each fiftieth request
LEAST_REQUESTS_ABOUT_STATE = 24  # what is stored wrongly is stored wrongly each time, as a rule
ROUNDS = range(3, 61)
ROUNDS_AT_ONCE = 12
LONGEST = 400  # steps that a script repeats
LONG_RUN = re.compile(r"(.{1,8}?)\1{63,}", re.DOTALL)
#: What a request may be answered for reasons of the environment.
NOT_401 = "[1235]..|40[02-9]|4[1-9]."


@frozen
class Piece:
    """A part of a text: a literal one, or a value that is known when the script runs."""

    text: str = ""
    python: str = ""
    shell: str = ""

    @property
    def is_literal(self) -> bool:
        return not self.python


@frozen
class Request:
    """One request of a script, and what must be so of its answer."""

    call: Call
    facts: list[Fact] = field(factory=list)


@frozen
class Reproducer:
    """A sequence to be sent; requests of one inner list go at once."""

    breach: Breach
    groups: list[list[Request]]
    settings: Settings
    fresh: list[str]
    seconds: float

    # --------------------------------------------------------------------------------------------------- what is said

    @property
    def api(self) -> str:
        return self.breach.clause.partition(".")[0]

    @property
    def rounds(self) -> int:
        if any(len(group) > 1 for group in self.groups):
            return ROUNDS_AT_ONCE
        is_about_state = any(fact.kind == "member" for fact in self.groups[-1][-1].facts)
        least = LEAST_REQUESTS_ABOUT_STATE if is_about_state else LEAST_REQUESTS
        return max(ROUNDS.start, min(ROUNDS.stop - 1, -(-least // len(self.groups))))

    @property
    def may_repeat(self) -> bool:
        """Whether the last request may be sent again in the same round, and the same be expected."""
        last = self.groups[-1]
        return len(last) == 1 and not any(
            fact.kind == "status" and "201" in fact.value for fact in last[0].facts
        )

    @property
    def names(self) -> list[str]:
        """The variables that the script reads besides the base URL."""
        text = self.python_body()
        return [
            each
            for each in dict.fromkeys(re.findall(r'variable\("(\w+)"\)', text))
            if not each.endswith("_BASE_URL")
        ]

    def _introduction(self) -> list[str]:
        clause = load_clauses()[self.breach.clause]
        number = sum(map(len, self.groups))
        lines = [
            f"{clause.id}: {_one_line(self.breach.message)}",
            f"The contract: {clause.says} ({clause.place})",
            "",
            f"Sends {number} request{'s' if number > 1 else ''} a round, up to {self.rounds} rounds, to the service at {self.api.upper()}_BASE_URL.",
            f"Reads {', '.join([f'{self.api.upper()}_BASE_URL', *self.names])} from the environment.",
            "Exit code: 1 when the violation is shown, 0 when the service kept the promise, 2 when neither could be told.",
        ]
        endpoint = self.settings.endpoint(self.api)
        return [*lines, *endpoint.profile.preconditions(endpoint, self.python_body())]

    # ---------------------------------------------------------------------------------------------------- known values

    def _tokens(self) -> dict[str, Piece]:
        """What is written another way in the script, by how it stands in the requests."""
        endpoint = self.settings.endpoint(self.api)
        known = {
            endpoint.value(setting.name): endpoint.profile.variable(setting.name)
            for setting in endpoint.profile.settings
            if setting.least_masked is not None
        }
        found: dict[str, Piece] = {}
        for value, name in known.items():
            for changed, python, shell in (
                (value, 'variable("{}")', "${}"),
                (value.upper(), 'variable("{}").upper()', '$(upper "${}")'),
            ):
                found.setdefault(changed, Piece(value, python.format(name), shell.format(name)))
        for number, value in enumerate(self.fresh, 1):
            name = f"fresh_{number}"
            found[value] = Piece(value, name, f"${name}")
            found[value.upper()] = Piece(value, f"{name}.upper()", f'$(upper "${name}")')
            found[value.replace("-", "")] = Piece(value, f"plain({name})", f'$(plain "${name}")')
        return {
            text: piece
            for text, piece in found.items()
            if len(text) > 3 or (text and text in known)
        }

    def pieces(self, text: str) -> list[Piece]:
        """A text, cut into what is literal and what is known when the script runs."""
        tokens = self._tokens()
        pattern = "|".join(re.escape(each) for each in sorted(tokens, key=len, reverse=True))
        parts = re.split(f"({pattern})", text) if pattern else [text]
        return [tokens.get(part) or Piece(part) for part in parts if part]

    def header_pieces(self, name: str, value: str) -> list[Piece]:
        """A header's value; one that is made from a credential is made from it again."""
        endpoint = self.settings.endpoint(self.api)
        setting, prefix = endpoint.secret_of(name)
        right = endpoint.value(setting)
        wrong = value.removeprefix(prefix)
        if right and wrong and right not in value and value.startswith(prefix):
            variable = endpoint.profile.variable(setting)
            for changed, python, shell in WRONG:
                if changed(right) == wrong:
                    text = python.format(f'variable("{variable}")')
                    made = Piece(wrong, text, shell.format(variable))
                    return [*self.pieces(prefix), made]
        return self.pieces(value)

    def path(self, call: Call) -> str:
        return call.url.removeprefix(self.settings.endpoint(self.api).base_url)

    # ---------------------------------------------------------------------------------------------------------- Python

    def as_python(self) -> str:
        """The script in Python; its first lines say what it shows, and what its exit code means."""
        introduction = "\n".join(self._introduction()).replace("\\", "\\\\").replace('"""', "'''")
        runtime = _text_of("reproducer_runtime.py").partition(
            "from __future__ import annotations\n"
        )[2]
        return (
            f'#!/usr/bin/env python3\n"""{introduction}\n"""\n\nfrom __future__ import annotations\n{runtime}\n\n'
            f"{self.python_body()}\n\n"
            f'if __name__ == "__main__":\n'
            f'    reproduce({self.breach.clause!r}, variable("{self.api.upper()}_BASE_URL"), sequence, {self.rounds}, {self.seconds:.1f})\n'
        )

    def python_body(self) -> str:
        """The sequence."""
        lines = ["def sequence() -> list[list[Request]]:"]
        lines.append(
            '    """What is sent, in this order; requests of one inner list are sent at once."""'
        )
        lines += [f"    fresh_{number} = new_id()" for number, _ in enumerate(self.fresh, 1)]
        lines.append("    return [")
        for group in self.groups:
            lines.append("        [")
            for request in group:
                call = request.call
                headers = ", ".join(
                    f"({name!r}, {_python(self.header_pieces(name, value))})"
                    for name, value in call.headers
                )
                facts = ", ".join(self._python_fact(each) for each in request.facts)
                path = _python(self.pieces(self.path(call)))
                lines.append(
                    f"            Request({call.method!r}, {path}, [{headers}], {self._python_body_of(call)}, [{facts}]),"
                )
            lines.append("        ],")
        lines.append("    ]")
        return "\n".join(lines)

    def _python_body_of(self, call: Call) -> str:
        if call.body is None:
            return "None"
        try:
            return f"({_python(self.pieces(call.body.decode('utf-8')))}).encode()"
        except UnicodeDecodeError:
            return _python_bytes(self.pieces(call.body.decode("latin-1")))

    def _python_fact(self, fact: Fact) -> str:
        return f"Fact({fact.kind!r}, {fact.when!r}, {_python(self.pieces(fact.path))}, {_python(self.pieces(fact.value))})"

    # ----------------------------------------------------------------------------------------------------------- shell

    def as_shell(self) -> str:
        """The script in bash, with curl, awk and the usual small tools."""
        lines = [
            "#!/usr/bin/env bash",
            *(f"# {line}".rstrip() for line in self._introduction()),
            "",
        ]
        lines += [
            _text_of("reproducer.sh"),
            f"clause={shlex.quote(self.breach.clause)}",
            f"rounds={self.rounds}",
        ]
        lines += [
            f"need {' '.join([f'{self.api.upper()}_BASE_URL', *self.names])}",
            f"base=${self.api.upper()}_BASE_URL",
            "",
        ]
        lines += ['while [ "$round" -lt "$rounds" ]; do', "  begin"]
        lines += [f"  fresh_{number}=$(new_id)" for number, _ in enumerate(self.fresh, 1)]
        lines += [f"  {line}" for line in self._shell_steps()]
        lines += ["  end", "done", "conclude", ""]
        return "\n".join(lines)

    def _shell_steps(self) -> Iterator[str]:
        number = 0
        checks: list[str] = []
        for place, group in enumerate(self.groups):
            is_last = place == len(self.groups) - 1
            if is_last and self.seconds >= 1:
                yield f"slowly {min(60, round(self.seconds))}"
            if len(group) > 1:
                yield "flush"
            if is_last:
                checks.append("last_is_told=1")
            first = number + 1
            for request in group:
                number += 1
                yield from self._shell_request(request.call)
                last = first + len(group) - 1
                checks.extend(
                    self._shell_check(fact, str(number), first, last) for fact in request.facts
                )
            if len(group) > 1:
                yield "flush --parallel --parallel-immediate"
        if self.may_repeat:
            yield "# Once more, at another place in each round: some services fail each so many requests."
            yield "for ((again = 1; again < round && again <= 5; again++)); do"
            yield from (f"  {line}" for line in self._shell_request(self.groups[-1][0].call))
            yield "done"
        yield "flush"
        yield from checks
        if self.may_repeat:
            yield f"for ((i = {number + 1}; i <= n; i++)); do"
            for fact in self.groups[-1][0].facts:
                yield "  " + self._shell_check(fact, '"$i"', 0, 0)
            yield "  :"
            yield "done"

    def _shell_request(self, call: Call) -> Iterator[str]:
        if call.body is not None:
            yield from self._shell_body(call.body)
        headers = [self._shell_header(name, value) for name, value in call.headers]
        if call.body is not None and call.header("Content-Type") is None:
            headers.append("Content-Type:")
        yield " ".join(["request", call.method, _shell(self.pieces(self.path(call))), *headers])

    def _shell_header(self, name: str, value: str) -> str:
        return (
            _shell([Piece(f"{name}: "), *self.header_pieces(name, value)])
            if value
            else shlex.quote(f"{name};")
        )

    def _shell_body(self, body: bytes) -> Iterator[str]:
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if body and (
            not text or "\0" in text or text.endswith("\n")
        ):  # what no variable of a shell can hold
            yield "{"
            for piece in self.pieces(body.decode("latin-1")):
                raw = _octal(piece.text.encode("latin-1"))
                yield (
                    f'  printf %s "{piece.shell}"'
                    if piece.shell
                    else f"  printf '%b' {_repeated(raw)}"
                )
            yield '} >"$dir/body"'
        else:
            yield "body " + (_shell(self.pieces(text)) or "''")

    def _shell_check(self, fact: Fact, number: str, first: int, last: int) -> str:
        if fact.kind == "statuses":
            return f"expect_at_once {shlex.quote(fact.value)} {first} {last}"
        if "\0" in fact.value + fact.path:
            return ":"
        path, value = _shell(self.pieces(fact.path)), _shell(self.pieces(fact.value))
        return " ".join(
            ["expect", number, fact.kind, shlex.quote(fact.when), path or "''", value or "''"]
        )


#: Wrong credentials that are made from the right one: how here, how in Python, how in bash.
WRONG: list[tuple[Callable[[str], str], str, str]] = [
    (
        lambda right: right[:-1] + ("0" if right[-1] != "0" else "1"),
        "flipped({})",
        '$(flipped "${}")',
    ),
    (lambda right: right[:-1], "{}[:-1]", "${{{}%?}}"),
    (lambda right: right[1:], "{}[1:]", "${{{}#?}}"),
    (lambda right: right[::-1], "{}[::-1]", '$(backwards "${}")'),
    (
        lambda right: right[: len(right) // 2],
        "(lambda key: key[: len(key) // 2])({})",
        "${{{0}:0:$((${{#{0}}} / 2))}}",
    ),
    (
        lambda right: right[len(right) // 2 :],
        "(lambda key: key[len(key) // 2 :])({})",
        "${{{0}:$((${{#{0}}} / 2))}}",
    ),
    (lambda right: right[:1], "{}[:1]", "${{{}:0:1}}"),
    (lambda right: right.swapcase(), "{}.swapcase()", '$(swapped "${}")'),
]


@cache
def _text_of(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _one_line(text: str) -> str:
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


# -------------------------------------------------------------------------------------------------- how text is written


def _runs(text: str) -> Iterator[tuple[str, int]]:
    """A text in parts, each with how often it stands there: what is repeated for long is not written out."""
    end = 0
    for found in LONG_RUN.finditer(text):
        if found.start() > end:
            yield text[end : found.start()], 1
        yield found[1], len(found[0]) // len(found[1])
        end = found.end()
    if end < len(text):
        yield text[end:], 1


def _python(pieces: Sequence[Piece]) -> str:
    written: list[str] = []
    for piece in pieces:
        if piece.is_literal:
            written += [
                repr(part) + (f" * {number}" if number > 1 else "")
                for part, number in _runs(piece.text)
            ]
        else:
            written.append(piece.python)
    return " + ".join(written) or "''"


def _python_bytes(pieces: Sequence[Piece]) -> str:
    written: list[str] = []
    for piece in pieces:
        if piece.is_literal:
            runs = _runs(piece.text)
            written += [
                repr(part.encode("latin-1")) + (f" * {number}" if number > 1 else "")
                for part, number in runs
            ]
        else:
            written.append(f"{piece.python}.encode()")
    return " + ".join(written)


def _shell(pieces: Sequence[Piece]) -> str:
    """One word of bash."""
    return "".join(
        f'"{piece.shell}"' if piece.shell else _shell_literal(piece.text) for piece in pieces
    )


def _shell_literal(text: str) -> str:
    return "".join(
        f'"$(times {number} {_quoted(part)})"' if number > 1 else _quoted(part)
        for part, number in _runs(text.replace("\0", ""))
    )


def _quoted(text: str) -> str:
    if text.isprintable():
        return shlex.quote(text)
    return "$'" + "".join(_escaped(each) for each in text) + "'"


def _escaped(letter: str) -> str:
    if letter in "'\\":
        return "\\" + letter
    if letter.isprintable():
        return letter
    return "".join(f"\\{byte:03o}" for byte in letter.encode("utf-8", "surrogatepass"))


def _octal(raw: bytes) -> str:
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"\\'%" else f"\\0{byte:03o}" for byte in raw
    )


def _repeated(octal: str) -> str:
    return "".join(
        f'"$(times {number} {shlex.quote(part)})"' if number > 1 else shlex.quote(part)
        for part, number in _runs(octal)
    )


# ------------------------------------------------------------------------------------------------------- what is sent


def reproducer(breach: Breach, settings: Settings) -> Reproducer | None:
    """The scripts of a breach; none where no request showed it."""
    if not breach.sequence:
        return None
    steps = breach.sequence[-LONGEST:]
    expects = _expected(breach)
    groups = [[Request(exchange.call) for exchange in step.exchanges] for step in steps]
    api = breach.clause.partition(".")[0]
    written: set[str] = set()
    for step, group in zip(steps[:-1], groups, strict=False):
        for exchange, request in zip(step.exchanges, group, strict=True):
            request.facts.extend(
                fact
                for fact in expects
                if step.is_judged and _is_expected(api, fact, exchange, written)
            )
            if 200 <= exchange.status < 300:
                written |= _written(api, exchange)
    _expect_of_the_last(steps[-1], groups[-1], expects, breach)
    used = b"\n".join(
        (request.call.body or b"") + request.call.url.encode()
        for group in groups
        for request in group
    ).lower()
    fresh = [
        each
        for each in breach.fresh
        if each.encode() in used or each.replace("-", "").encode() in used
    ]
    started = [step.started for step in steps]
    return Reproducer(breach, groups, settings, fresh, started[-1] - started[0])


def _expect_of_the_last(
    step: Step, group: list[Request], expects: Sequence[Fact], breach: Breach
) -> None:
    shows = breach.exchanges[-1]
    for number, (exchange, request) in enumerate(zip(step.exchanges, group, strict=True)):
        for fact in expects:
            is_first_of_all = fact.kind == "statuses" and number == 0
            if is_first_of_all or (
                fact.kind != "statuses"
                and (exchange is shows or fact.scope == "answers" or len(group) == 1)
            ):
                request.facts.append(fact)


def _expected(breach: Breach) -> tuple[Fact, ...]:
    """What was expected of the last answer; where the check did not say, another status than it had."""
    shows = breach.exchanges[-1]
    facts = breach.expects or (Fact("not-status", value=str(shows.status)),)
    if shows.status == 401:
        return facts
    # A key that the script's user has wrong breaks no promise of the service.
    return tuple(
        evolve(fact, when=NOT_401) if fact.kind == "status" and "401" not in fact.value else fact
        for fact in facts
    )


def _is_expected(api: str, fact: Fact, exchange: Exchange, written: set[str]) -> bool:
    match fact.scope:
        case "answers":
            return True
        case "accepted":
            return 200 <= exchange.status < 300
        case "updates":
            return exchange.status == 200 and bool(_written(api, exchange) & written)
        case _:
            return False


def _written(api: str, exchange: Exchange) -> set[str]:
    return set(identities(api, exchange.call))


# ----------------------------------------------------------------------------------------------------------- one line


def as_curl(calls: Iterable[Call], variables: dict[str, str]) -> str:
    """Command lines that send the requests again; ``variables`` are names by the values that are not shown."""
    return "\n".join(_curl_line(call, variables) for call in calls)


def _curl_line(call: Call, variables: dict[str, str]) -> str:
    text = f"curl -i -X {call.method} {_curl_word(call.url, variables)}"
    for name, value in call.headers:
        # An empty value is written with a semicolon; with a colon curl would leave the header out.
        header = f"{name}: {value}" if value else f"{name};"
        text += f" -H {_curl_word(header, variables)}"
    if call.body is None:
        return text
    try:
        return f"{text} --data-raw {_curl_word(call.body.decode('utf-8'), variables)}"
    except UnicodeDecodeError:
        return f"{_curl_bytes(call.body, variables)} | {text} --data-binary @-"


def _curl_word(text: str, variables: dict[str, str]) -> str:
    """One word of a command line."""
    parts = []
    for part, name in _split(text, variables):
        parts.append(_quoted(part) if name is None else f'"${name}"')
    return "".join(parts) or "''"


def _curl_bytes(body: bytes, variables: dict[str, str]) -> str:
    """A command that prints a body that is not text."""
    form = ""
    values = ""
    for part, name in _split(body.decode("latin-1"), variables):
        if name is None:
            form += "".join(f"\\{byte:03o}" for byte in part.encode("latin-1"))
        else:
            form += "%s"
            values += f' "${name}"'
    return f"printf '{form}'{values}"


def _split(text: str, variables: dict[str, str]) -> list[tuple[str, str | None]]:
    """A text in parts, each with the name of the variable that holds it, or none."""
    if not variables:
        return [(text, None)]
    values = sorted(variables, key=len, reverse=True)
    pattern = "|".join(map(re.escape, values))
    return [(part, variables.get(part)) for part in re.split(f"({pattern})", text) if part]


# ------------------------------------------------------------------------------------------------------------- causes


def causes(breaches: Sequence[Breach]) -> list[list[Breach]]:
    """Breaches that share a contact are probably of one cause; the most telling of each group first."""
    groups: list[list[Breach]] = []
    for breach in breaches:
        shared = [
            group for group in groups if any(_subjects(breach) & _subjects(each) for each in group)
        ]
        groups = [group for group in groups if group not in shared]
        groups.append([*(each for group in shared for each in group), breach])
    order = {id(breach): number for number, breach in enumerate(breaches)}
    return sorted(
        (sorted(group, key=lambda each: (_rank(each), order[id(each)])) for group in groups),
        key=lambda group: min(order[id(each)] for each in group),
    )


def _subjects(breach: Breach) -> set[str]:
    api = breach.clause.partition(".")[0]
    found = set[str]()
    for exchange in breach.exchanges:
        found |= _written(api, exchange)
    return found


def _rank(breach: Breach) -> int:
    """What tells most of a cause: what the service does with data, then what it refuses, then the form of its answers."""
    kinds = ("behaviour", "security", "schema", "transport")
    clause = load_clauses()[breach.clause]
    is_general = clause.id.partition(".")[2] in (
        "operation",
        "documented-statuses",
        "answers-are-json",
        "no-server-error",
        "answers-every-request",
    )
    return kinds.index(clause.kind) + 10 * is_general
