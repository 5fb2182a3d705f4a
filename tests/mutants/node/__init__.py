"""Services that share no code with the mock and run on Node: honest ones, and each with bugs that JavaScript invites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.mutants.catalogue import HONEST, Subject

FOLDER = Path(__file__).parent

# By name: what is wrong, and the clauses any of which is the right one to report; none where it is unusual and keeps to the page. `BUG` in the two programs has the same names.
PRISTO: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "limit-counts-code-units": (
        "The limit of a custom field counts UTF-16 units, so that 255 emoji are too many.",
        ("custom-value-limit", "text-unchanged"),
    ),
    "no-limit": ("A custom field may be of any length.", ("custom-value-limit",)),
    "id-pattern-has-no-end": (
        "An id need only begin as a UUID does.",
        ("id-is-uuid", "answer-fits-schema"),
    ),
    "null-is-taken-for-missing": (
        "A null is taken for a field that was left out, and shown.",
        (
            "email-is-string",
            "phone-is-string",
            "language-is-string",
            "name-is-string",
            "last-name-is-string",
            "answer-fits-schema",
        ),
    ),
    "numbers-become-text": (
        "A number is taken as text where text is asked for.",
        (
            "email-is-string",
            "phone-is-string",
            "language-is-string",
            "name-is-string",
            "last-name-is-string",
        ),
    ),
    "any-email": ("Any text is taken as an e-mail address.", ("email-is-address",)),
    "language-needs-a-name": (
        "Four languages are unknown, Hebrew among them.",
        ("language-codes-accepted", "text-unchanged"),
    ),
    "custom-fields-may-be-null": (
        "customFields may be null.",
        ("custom-fields-is-object", "answer-fits-schema"),
    ),
    "custom-values-of-any-kind": (
        "A custom field takes values that are no text.",
        ("custom-values-are-strings", "answer-fits-schema", "no-server-error"),
    ),
    "text-is-composed": ("Text is stored in composed normal form.", ("text-unchanged",)),
    "text-in-latin-1": (
        "Text is written in Latin-1, and loses all other letters.",
        ("text-unchanged", "answer-shows-what-was-sent"),
    ),
    "text-is-escaped": (
        "Text is escaped for HTML before it is stored.",
        ("text-unchanged", "answer-shows-what-was-sent"),
    ),
    "text-without-astral-letters": (
        "Letters beyond the basic plane become question marks.",
        ("text-unchanged", "answer-shows-what-was-sent"),
    ),
    "email-in-small-letters": (
        "An e-mail address is stored in small letters.",
        ("text-unchanged", "answer-shows-what-was-sent"),
    ),
    "phone-is-a-number": (
        "A phone is stored as a number, without plus sign and leading zeros.",
        ("text-unchanged", "answer-shows-what-was-sent"),
    ),
    "ids-by-letter-case": (
        "An id in capital letters is another contact.",
        ("id-compared-as-uuid", "concurrent-creates-once", "update-answers-200"),
    ),
    "populations-share-contacts": (
        "Populations share their contacts.",
        ("populations-apart", "create-answers-201"),
    ),
    "email-identifies": (
        "A contact with the e-mail address of another one is that other one.",
        ("id-identifies", "create-answers-201", "answer-shows-what-was-sent"),
    ),
    "update-replaces-the-contact": (
        "An update drops what it leaves out.",
        ("update-keeps-the-rest",),
    ),
    "empty-text-is-not-written": ("An update with empty text changes nothing.", ()),
    "language-is-never-updated": (
        "The language stays as it was first written.",
        ("update-replaces-what-was-given", "answer-shows-what-was-sent"),
    ),
    "beginning-of-a-key-is-enough": (
        "A key that begins as the right one does is taken.",
        ("key-checked",),
    ),
    "key-may-be-absent": ("A request without a key is taken.", ("key-required",)),
    "any-request-id": (
        "X-Request-Id may be any text.",
        ("request-id-is-uuid", "answer-request-id-is-uuid"),
    ),
    "null-body-crashes": (
        "A body that is null, or no object, ends in status 500.",
        ("no-server-error", "body-is-object"),
    ),
    "writes-before-it-checks": (
        "A name is written before the rest of the request is refused.",
        ("refused-writes-nothing",),
    ),
    "reads-then-writes-later": (
        "Requests at once read before any of them has written.",
        ("concurrent-creates-once",),
    ),
    "always-200": ("A new contact is reported as updated.", ("create-answers-201",)),
    "always-201": ("An update is reported as a new contact.", ("update-answers-200",)),
    "request-id-of-its-own": (
        "The response has a correlation id of its own.",
        ("request-id-comes-back",),
    ),
    "shows-what-was-given": (
        "A response repeats the request instead of the contact.",
        ("answer-shows-whole-contact", "update-keeps-the-rest"),
    ),
    "response-without-id": (
        "A response names the id as the store does.",
        ("answer-fits-schema",),
    ),
    "error-is-text": ("The error of a 400 is a text.", ("400-envelope",)),
    "code-is-a-number": ("The code of a 401 is a number.", ("401-envelope",)),
    "unauthorised-in-plain-text": (
        "A 401 is plain text.",
        ("answers-are-json", "401-envelope"),
    ),
    "invalid-is-422": ("What is invalid is answered 422.", ("documented-statuses",)),
}
RETAINFUL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "whatever-date-parses": (
        "What JavaScript can read as a date is one.",
        ("birth-date-is-date", "created-at-is-date", "consent-time-is-date-time"),
    ),
    "february-has-31-days": (
        "The 30th of February is a date.",
        ("birth-date-is-date", "created-at-is-date", "consent-time-is-date-time"),
    ),
    "times-need-no-zone": (
        "A time in the form of the page's example is refused.",
        ("operation", "examples-accepted", "consent-time-is-date-time"),
    ),
    "first-name-may-be-missing": (
        "firstName may be missing or of any kind.",
        ("first-name-required", "first-name-is-string"),
    ),
    "null-is-no-text": (
        "A null is taken for a field that was left out.",
        (
            "last-name-is-string",
            "city-is-string",
            "country-is-string",
            "province-code-is-string",
            "state-is-string",
            "postal-code-is-string",
            "gender-is-string",
        ),
    ),
    "postal-code-may-be-a-number": (
        "A postal code may be a number.",
        ("postal-code-is-string",),
    ),
    "latin-names": ("A city has Latin letters alone.", ("text-accepted",)),
    "country-code-of-any-length": (
        "A country code may be of any length.",
        ("country-code-has-two-letters",),
    ),
    "truth-as-text": ("A truth value may be a text or a number.", ("trigger-is-boolean",)),
    "one-list-as-text": ("listIds may be a text.", ("list-ids-is-array",)),
    "list-ids-of-any-kind": ("List ids may be of any kind.", ("list-ids-are-strings",)),
    "no-identifier-is-enough": (
        "identifiers may be empty.",
        ("identifiers-not-empty",),
    ),
    "first-identifier-is-checked": (
        "Of several identifiers the first alone is checked.",
        (
            "identifier-is-object",
            "identifier-type-values",
            "identifier-type-required",
            "identifier-id-required",
            "identifier-id-is-string-or-number",
            "channels-required",
            "channels-is-object",
            "channels-not-empty",
            "channel-is-object",
            "channel-status-is-string",
            "consent-required",
            "consent-is-object",
            "consent-time-required",
            "consent-ip-required",
            "consent-source-required",
            "consent-time-is-date-time",
            "consent-ip-is-string",
            "consent-source-is-string",
        ),
    ),
    "type-of-any-kind": ("An identifier's type may be any text.", ("identifier-type-values",)),
    "ipv4-alone": ("A consent from an IPv6 address is refused.", ()),
    "refuses-to-merge": ("Identifiers of two contacts in one request are refused.", ()),
    "numbers-are-no-ids": (
        "An identifier's id may not be a number.",
        ("identifier-id-is-string-or-number",),
    ),
    "null-channels": (
        "channels may be null or empty.",
        ("channels-is-object", "channels-not-empty"),
    ),
    "channels-may-be-empty": ("channels may be empty.", ("channels-not-empty",)),
    "one-channel-alone": (
        "Both channels of one identifier are refused.",
        ("channel-forms-accepted",),
    ),
    "status-crashes": (
        "A channel without a text as its status ends in status 500.",
        ("no-server-error", "channel-status-is-string"),
    ),
    "subscribed-alone": (
        "unsubscribed is refused.",
        ("channel-forms-accepted",),
    ),
    "consent-is-optional": ("consent may be missing.", ("consent-required",)),
    "source-may-be-missing": (
        "A consent's source may be missing or of any kind.",
        ("consent-source-required", "consent-source-is-string"),
    ),
    "exists-already": (
        "A contact that exists is refused.",
        ("existing-contact-is-updated", "operation", "concurrent-upserts", "examples-accepted"),
    ),
    "any-key": ("Any API key is taken.", ("api-key-checked",)),
    "app-id-is-not-checked": (
        "The App ID is not looked at.",
        ("app-id-required", "app-id-checked"),
    ),
    "list-of-contacts": ("A list of contacts is taken.", ("body-is-object",)),
    "created-is-201": ("A success is answered 201.", ("documented-statuses",)),
    "status-is-text": ("status is the text true.", ("success-answer",)),
    "the-comma-of-the-page": (
        "A success has the comma of the page's example.",
        ("answers-are-json", "trailing-comma"),
    ),
    "refusal-without-message": ("A 400 has no message.", ("400-body",)),
    "refused-is-200": (
        "What is invalid is answered 200.",
        ("body-is-object", "success-answer", "documented-statuses"),
    ),
    "unauthorised-is-403": (
        "Wrong credentials are answered 403.",
        (
            "documented-statuses",
            "api-key-required",
            "api-key-checked",
            "app-id-required",
            "app-id-checked",
        ),
    ),
}


def _subjects() -> Iterator[Subject]:
    for api, bugs in (("pristo", PRISTO), ("retainful", RETAINFUL)):
        program = ("node", str(FOLDER / f"{api}.js"))
        honest = f"Keeps to the page, on Node, without a line of the mock's: {api}.js."
        yield Subject(f"{api}.node", api, honest, frozenset(), HONEST[api], program=program)
        for bug, (sentence, clauses) in bugs.items():
            yield Subject(
                f"{api}.node-{bug}",
                api,
                sentence,
                frozenset(f"{api}.{clause}" for clause in clauses),
                HONEST[api],
                program=program,
                bug=bug,
            )


MUTANTS = tuple(_subjects())
