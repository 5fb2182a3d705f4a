"""All Hypothesis strategies, and the realistic values that they draw from.

Addresses are under example.com, example.org and example.net, phones from ranges reserved for fiction, and
``triggerWelcomeEmail`` is never true: whatever is drawn here may be sent to a live account.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st

Json = dict[str, Any]


def fixed_id(namespace: UUID, name: str) -> str:
    """A UUID that the name always gives, in the form of a random one (version 4): some services take no other."""
    return str(UUID(int=uuid5(namespace, name).int, version=4))


def address_of(contact_id: str, word: str = "contact") -> str:
    """An e-mail address that no other contact of the suite has: some services let no two contacts share one."""
    return f"{word}.{contact_id.replace('-', '').lower()}@example.com"


_POOL = UUID("0d6c34f5-5b0f-5a4e-8d2b-c0a7ac750000")
NIL, MAX = str(UUID(int=0)), str(UUID(int=(1 << 128) - 1))
#: With VERSIONS, NEAR_POOL, NIL and MAX all 45 ids that a run writes to, besides its few fresh ones.
PLAIN_POOL = [fixed_id(_POOL, str(number)) for number in range(37)]
#: By their version: made from a clock, from a name, and in the order of time.
VERSIONS = {
    version: str(UUID(int=uuid5(_POOL, f"version {version}").int, version=version))
    for version in (1, 5)
}
#: And two that differ from the one made from a name in the digit of the version alone.
VERSIONS |= {version: f"{VERSIONS[5][:14]}{version}{VERSIONS[5][15:]}" for version in (4, 7)}
#: Two ids that differ from the eighth of the pool in one digit, the last and the first.
NEAR_POOL = [str(UUID(int=UUID(PLAIN_POOL[7]).int ^ bit)) for bit in (1, 1 << 127)]
#: Contacts that get what nobody can foretell the fate of, and those whose whole state is known once they are reset.
PROBED_POOL, KEPT_POOL = PLAIN_POOL[12:17], PLAIN_POOL[17:]

# Realistic names: every service must take them and give them back letter by letter. Each carries a trap of some backend.
NAMES = [
    "Ada",
    "José",  # one code point for é
    "Jose\u0301",  # two of them: a normal form that must survive
    "שרה",
    "שָׁרָה",  # with points
    "محمد",
    "李小龍",
    "𠮷田",  # beyond the BMP
    "नीलम",
    "Ελένη",
    "İrem",  # changes its length when lower-cased
    "Straße",
    "O'Brien",
    "Smith & Sons",
    "van der Berg",
    "McDonald",
    "Anne-Marie",
    "J. R. R.",
]
# Odd names: a service may refuse them; one that takes them must give them back unchanged.
ODD_NAMES = [
    "Zoë 👩‍🚀",  # four code points that show as one
    "ﬁona",  # a ligature, which compatibility forms take apart
    'Dwayne "The Rock"',
    "<Ana>",
    "back\\slash",
    "50% off; #1",
    "a\u00a0b",  # a no-break space
    "two  blanks",
    "O’Brien “Bob”",  # quotes as printers set them
    "Anne–Marie",  # an en dash
    "Smith &amp; Sons",  # an entity to the letter
    "100%25",
    "علي ٣",  # a digit that is not ASCII
    "שר\u200fה",  # a mark of direction inside
    "Ana ❤\ufe0f",  # a variation selector
    "mcdonald",  # and the same again in another letter case: an update all the same
    "McDonald",
    "MCDONALD",
    "Wolfeschlegelsteinhausenbergerdorff " * 3 + "Jr.",
    "é" * 260,
    "x" * 300,
]
# Text that looks like something else; custom fields must take it, names may.
LOOKALIKES = [
    "42",
    "12345678901234567890",
    "007",
    "+44",
    "1e5",
    "true",
    "null",
    "2024-01-01",
    "0.10",
    "-1",
    "[]",
    "{}",
]
EMAILS = [
    "ada@example.com",
    "Ada.Lovelace@example.org",
    "ada+news@example.com",
    "o'brien@example.net",
    "a_b-c@mail.example.com",
]
PHONES = [f"+1202555{number:04}" for number in range(100, 145)]  # 555-0100 to 555-0199 are fiction
#: Of other countries, reserved for fiction too.
FOREIGN_PHONES = ["+442079460123"]
#: Numbers that are written nowhere else, in other cities: to ask whether an unknown one is taken.
SPARE_PHONES = [
    f"+1{city}555{number:04}"
    for city in (212, 213, 305, 312, 415, 503, 617, 702, 713, 808)
    for number in range(100, 200)
]
LANGUAGES = ["en", "he", "fr", "id", "yi", "zh", "pt"]
DATES = ["1990-01-15T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2000-12-31T12:00:00.000Z"]
ADDRESSES = ["192.0.2.7", "198.51.100.200", "203.0.113.9"]
IPV6_ADDRESSES = ["2001:db8::7", "2001:DB8:0:0:0:0:0:7", "::ffff:192.0.2.7"]

#: Realistic values by member name. Members that stand nowhere here get a value by their schema.
REALISTIC: dict[str, Sequence[Any]] = {
    "email": EMAILS,
    "phone": PHONES,
    "language": LANGUAGES,
    "name": NAMES,
    "firstName": NAMES,
    "lastName": NAMES,
    "city": ["San Francisco", "תל אביב", "São Paulo", "東京"],
    "country": ["United States", "Côte d'Ivoire", "ישראל"],
    "countryCode": ["US", "CA", "IL", "NO"],
    "provinceCode": ["CA", "QC", "01"],
    "state": ["California", "Québec"],
    "postalCode": ["96162", "01234", "SW1A 1AA"],
    "gender": ["m", "f"],
    "birthDate": [*DATES, "1955-06-30T00:00:00.000Z"],
    "createdAt": DATES,
    "ip": ADDRESSES,
    "source": ["web_form", "import"],
    "status": ["subscribed", "unsubscribed"],
    "triggerWelcomeEmail": [False],
}

# Unusual values: they must not crash a service, and nothing more is asked.
UNUSUAL = [
    "",
    " ",
    "\t",
    " Ada ",
    "Ada ",
    "\u200f",
    "a\x00b",
    "\x1b[31m",
    "\r\nX-Injected: 1",
    "x" * 10_000,
    "\ufeff",
    "\uffff",
    "’; DROP TABLE contacts; --",
]

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDXYZàéîöüñßøłşçΑβγДжשלוםمحد李小龍𠮷नम"


def names() -> st.SearchStrategy[str]:
    """Names as people bear them, in any script."""
    return st.sampled_from(NAMES) | st.text(_LETTERS, min_size=1, max_size=30)


def custom_values() -> st.SearchStrategy[str]:
    """Values of custom fields, those that look like numbers, dates and truth values among them."""
    return names() | st.sampled_from(LOOKALIKES)


def emails() -> st.SearchStrategy[str]:
    """Addresses under reserved domains."""
    local = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20)
    return st.sampled_from(EMAILS) | local.map(lambda text: f"{text}@example.com")


def unusual_text() -> st.SearchStrategy[str]:
    """Text that nobody is called: empty, blank, controls, very long, unassigned code points."""
    return st.sampled_from(UNUSUAL) | st.text(st.characters(exclude_characters="@"), max_size=50)


def values_of(name: str, schema: Json) -> st.SearchStrategy[Any]:
    """Realistic values of one member, by its name, else by its schema (resolved)."""
    if name in ("name", "firstName", "lastName"):
        return names()
    if name == "email":
        return emails()
    if name in REALISTIC:
        return st.sampled_from(REALISTIC[name])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"), schema.get("format"):
        case "string", "uuid":
            return st.sampled_from(PLAIN_POOL)
        case "string", "email":
            return emails()
        case "string", "date-time":
            return st.sampled_from(DATES)
        case "string", "date":
            return st.just("1990-01-15")
        case "string", _:
            longest, least = schema.get("maxLength", 30), schema.get("minLength", 1)
            return st.text(_LETTERS, min_size=least, max_size=max(least, min(longest, 30)))
        case "boolean", _:
            return st.booleans()
        case (("integer" | "number"), _):
            return st.integers(schema.get("minimum", 0), schema.get("maximum", 1000))
    return st.nothing()


def pristo_contacts(
    properties: Json, custom_fields: Sequence[str], *, ids: Sequence[str] = KEPT_POOL
) -> st.SearchStrategy[Json]:
    """Realistic contacts with any of the members that the specification lists.

    ``properties`` are those of the schema ``Contact``; custom fields are drawn from those that the population defines.
    """
    optional = {
        name: values_of(name, schema)
        for name, schema in properties.items()
        if name not in ("id", "customFields")
    }
    optional = {name: values for name, values in optional.items() if not values.is_empty}
    if custom_fields:
        optional["customFields"] = st.dictionaries(
            st.sampled_from(list(custom_fields)), custom_values(), min_size=1
        )
    return st.fixed_dictionaries({"id": st.sampled_from(ids)}, optional=optional).map(
        _with_own_address
    )


def _with_own_address(contact: Json) -> Json:
    if "email" not in contact:
        return contact
    return {**contact, "email": address_of(contact["id"], contact["email"].partition("@")[0][:20])}


@st.composite
def retainful_identifiers(draw: st.DrawFn) -> list[Json]:
    """An e-mail identifier of the pool, with the phone of the same person or without.

    One person's address never comes with another's number: the page does not say what becomes of two known contacts.
    """
    consents = st.fixed_dictionaries(
        {each: st.sampled_from(REALISTIC[each]) for each in ("createdAt", "ip", "source")}
    )
    person = draw(st.integers(0, len(POOL_EMAILS) - 1))
    both = [("email", POOL_EMAILS[person]), ("phone", PHONES[person])]
    return [
        {
            "type": kind,
            "id": value,
            "channels": {kind: {"status": draw(st.sampled_from(REALISTIC["status"]))}},
            "consent": draw(consents),
        }
        for kind, value in both[: draw(st.integers(1, 2))]
    ]


def retainful_contacts(properties: Json, list_id: str) -> st.SearchStrategy[Json]:
    """Realistic contacts with any of the members that the specification lists, on the list that exists."""
    required: Json = {
        "firstName": names(),
        "listIds": st.just([list_id]),
        "identifiers": retainful_identifiers(),
    }
    optional = {
        name: values_of(name, schema) for name, schema in properties.items() if name not in required
    }
    return st.fixed_dictionaries(
        required,
        optional={name: values for name, values in optional.items() if not values.is_empty},
    )


#: All e-mail identifiers that a run writes to Retainful; with PHONES, its pool.
POOL_EMAILS = [f"contract-suite-{number}@example.com" for number in range(45)]
#: The last of them in forms that address books have and careless patterns refuse.
POOL_EMAILS[-3:] = [
    "contract.suite+news@example.com",
    "contract_suite@mail.example.org",
    "o'suite@example.net",
]


def sample(name: str, schema: Json) -> Any:
    """One fixed realistic value of a member; ``None`` where its schema gives no hint."""
    if name in REALISTIC:
        return REALISTIC[name][0]
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"), schema.get("format"):
        case "string", "uuid":
            return PLAIN_POOL[0]
        case "string", "email":
            return EMAILS[0]
        case "string", "date-time":
            return DATES[0]
        case "string", "date":
            return "1990-01-15"
        case "string", _:
            return "Text"[: schema.get("maxLength", 4)].ljust(schema.get("minLength", 0), "x")
        case "boolean", _:
            return False
        case (("integer" | "number"), _):
            return schema.get("minimum", 0)
    return None


def _truncated(data: bytes, place: int, _: bytes) -> bytes:
    return data[:place]


def _inserted(data: bytes, place: int, piece: bytes) -> bytes:
    return data[:place] + piece + data[place:]


def _replaced(data: bytes, place: int, piece: bytes) -> bytes:
    return data[:place] + piece + data[place + len(piece) :]


def _line_twice(data: bytes, place: int, _: bytes) -> bytes:
    start, end = data.rfind(b"\n", 0, place) + 1, data.find(b"\n", place) + 1
    return data[:end] + data[start:end] + data[end:] if end else data


_PIECES = [
    b'"',
    b'""',
    b'"\n',
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b",",
    b";",
    b",,,",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xe9",
    b"\x80",
    b"{",
    b"}",
    b"[1]",
    b"null",
    b"\\u0000",
    b"\xed\xa0\x80",
    b"\x1f\x8b",
    b"\x1a",
    b"A" * 200_000,
]
_ENCODINGS = [
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1252",
    "latin-1",
]


@st.composite
def damaged_inputs(draw: st.DrawFn, base: str) -> bytes:
    """The bytes of an input that was written in some encoding, damaged in a few places, and perhaps compressed and cut."""
    data = base.encode(draw(st.sampled_from(_ENCODINGS)), "replace")
    for _ in range(draw(st.integers(0, 4))):
        damage = draw(st.sampled_from([_truncated, _inserted, _inserted, _replaced, _line_twice]))
        piece = draw(st.sampled_from(_PIECES) | st.binary(min_size=1, max_size=8))
        data = damage(data, draw(st.integers(0, len(data))), piece)
    if draw(st.integers(0, 7)) == 0:
        data = gzip.compress(data)
        if draw(st.booleans()):
            data = _replaced(data, draw(st.integers(2, len(data))), draw(st.binary(max_size=4)))[
                : draw(st.integers(2, len(data)))
            ]
    return data
