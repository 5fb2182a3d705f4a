"""What a run leaves holds no secret and no account's id, in whatever form a service wrote it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contact_apis.mock import MockServer
from tests.conftest import Run, live
from tests.contract.report.masking import MASK, masked, masked_beginning, masked_json
from tests.contract.report.reports import masked_results
from tests.contract.report.reproducers import as_curl
from tests.contract.service import Call

Form = Callable[[str], str]
FORMS: dict[str, Form] = {
    "as it is": str,
    "small letters": str.lower,
    "capitals": str.upper,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in small letters": lambda text: quote(text, safe="").lower(),
    "percent-encoded twice": lambda text: quote(quote(text, safe=""), safe=""),
    "a form's field": quote_plus,
    "every byte percent-encoded": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON in JSON": lambda text: json.dumps(json.dumps(text)[1:-1])[1:-1],
    "JSON as PHP writes it": lambda text: json.dumps(text)[1:-1].replace("/", r"\/"),
    "JSON as Go writes it": lambda text: (
        json.dumps(text)[1:-1]
        .replace("&", r"\u0026")
        .replace("<", r"\u003c")
        .replace(">", r"\u003E")
    ),
    "HTML": html.escape,
    "HTML, escaped twice": lambda text: html.escape(html.escape(text)),
    "decimal entities": lambda text: "".join(f"&#{ord(character)};" for character in text),
    "hexadecimal entities": lambda text: "".join(f"&#x{ord(character):02X};" for character in text),
    "Python": lambda text: repr(text)[1:-1],
    "bytes in Python": lambda text: repr(text.encode())[2:-1],
    "Base64": lambda text: base64.b64encode(text.encode()).decode(),
    "Basic, as the password": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
    "Basic, as the user": lambda text: base64.b64encode(f"{text}:".encode()).decode(),
    "Base64 for addresses": lambda text: (
        base64.urlsafe_b64encode(f"id:{text}:x".encode()).decode().rstrip("=")
    ),
    "without dashes": lambda text: text.replace("-", ""),
    "without its last character": lambda text: text[:-1],
}
SECRETS = st.one_of(
    st.uuids().map(str),
    st.text(
        st.characters(codec="ascii", exclude_characters="\x7f", min_codepoint=33),
        min_size=9,
        max_size=40,
    ),
)


@settings(deadline=None, max_examples=60)
@given(value=SECRETS, form=st.sampled_from(sorted(FORMS)))
@example(value="ab+/cd<&>'\"=\\", form="HTML, escaped twice")
@example(value="0b35a9be-6d9a-4b53-8b3a-1f7b2d9a6c11", form="Basic, as the password")
def test_a_secret_is_masked_in_every_form(value: str, form: str) -> None:
    """What stands around it stays."""
    written = FORMS[form](value)
    text = masked(f"before {written} after", [value])
    assert text.startswith("before ")
    assert text.endswith(" after")
    # Of Base64 the characters at the border belong to the neighbours too.
    left = text.removeprefix("before ").removesuffix(" after").replace(MASK, "")
    border = 12 if form.startswith(("Basic", "Base64")) else 1
    assert len(left) <= border, (value, form, written, left)


LETTERS: list[Form] = [
    str,
    lambda letter: f"%{ord(letter):02x}",
    lambda letter: f"%25{ord(letter):02X}",
    lambda letter: f"&#{ord(letter)};",
    lambda letter: f"&amp;#x{ord(letter):04X};",
    lambda letter: f"\\u{ord(letter):04x}",
    lambda letter: f"\\\\u00{ord(letter):02X}",
    lambda letter: f"\\x{ord(letter):02x}",
    lambda letter: f"\\u{{{ord(letter):x}}}",
]


@settings(deadline=None, max_examples=60)
@given(value=SECRETS, forms=st.lists(st.sampled_from(LETTERS), min_size=40, max_size=40))
@example(value="0b35a9be-6d9a-4b53-8b3a-1f7b2d9a6c11", forms=[LETTERS[5], str] * 20)
def test_a_secret_is_masked_where_each_letter_is_written_another_way(
    value: str, forms: list[Form]
) -> None:
    """As where one layer of a service escapes some characters, and the next one others."""
    written = "".join(form(letter) for form, letter in zip(forms, value, strict=False))
    text = masked(f"(({written}))", [value])
    assert text == f"(({MASK}))"


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_text_without_the_secret_is_left_alone(text: str) -> None:
    """Whatever is written there."""
    assert masked(text, ["2b1c7f0e-9d3a-4e55-8a77-5f6e7d8c9b0a"]) == text


def test_secrets_hide_in_no_depth() -> None:
    """Nested strings are masked, and the names of members, which are the suite's own, stay."""
    held = "sk-1234567890"
    assert masked_json({"a": [{"b": f"x{held}"}], "n": 1}, [held]) == {
        "a": [{"b": f"x{MASK}"}],
        "n": 1,
    }


@pytest.mark.parametrize(
    "body", [b'{"listIds": ["list-12345"], "q": "it\'s"}', b'\xff["list-12345"]']
)
def test_reproducers_name_variables_for_what_is_masked(
    run: Run, tmp_path: Path, body: bytes
) -> None:
    """In the address, in headers and in the body, of text and of bytes; a shell puts the values back."""
    account = "0b35a9be-6d9a-4b53-8b3a-1f7b2d9a6c11"
    variables = {account: "POPULATION", "key-12345": "KEY", "list-12345": "LIST"}
    call = Call(
        "POST", f"http://127.0.0.1:9/save/{account}?a=b&c", (("X-API-Key", "key-12345"),), body
    )
    text = as_curl([call], variables)
    assert not any(value in text for value in variables)
    assert masked(text, variables) == text
    values = {name: value for value, name in variables.items()}
    show = 'curl() { printf "%s\\n" "$@" > words; [ -t 0 ] || cat > body; }\n'
    run("bash", "-c", show + as_curl([call], variables), cwd=tmp_path, **values)
    words = (tmp_path / "words").read_text("utf-8").split("\n")
    assert {call.url, "X-API-Key: key-12345"} <= set(words)
    assert (tmp_path / "body").read_bytes() == body or body.decode() in words


def test_neither_a_key_nor_an_account_id_stands_in_anything_that_a_run_leaves(
    run: Run, tmp_path: Path
) -> None:
    """Though each request holds them and the service repeats them in every form, as names of headers and at the cut of a long body too."""
    reports = tmp_path / "reports"
    summary = tmp_path / "summary.md"
    with MockServer(second_population=True) as server:
        hidden = [value for name, value in server.env.items() if name.endswith(("_KEY", "_ID"))]
        assert len(hidden) == 6
        told = " ".join(form(value) for value in hidden for form in FORMS.values())
        honest = type(server.pristo).error

        def echo(self: Any, operation: Any, _status: int, code: str, message: str) -> Any:
            response = honest(self, operation, 418, code, message + told * 3)
            response.headers[f"X-{hidden[0]}"] = hidden[0]
            return response

        for service in (server.pristo, server.retainful):
            service.error = echo.__get__(service)  # type: ignore[method-assign]  # the service that tells too much
        variables = live(
            server,
            PROFILE="quick",
            CLAUSE="*.key-*,*.optional-fields",
            GITHUB_STEP_SUMMARY=str(summary),
        )
        for _ in range(2):
            done = run("python", "-m", "tests.contract", REPORTS=str(reports), **variables)
    assert "Traceback" not in done.stderr
    results = json.loads((reports / "results.json").read_bytes())
    assert results["verdict"] == "violates"
    assert any(
        "$PRISTO_POPULATION_ID" in (failure["curl"] or "") for failure in results["failures"]
    )
    left = {
        str(path.relative_to(tmp_path)): path.read_text("utf-8")
        for path in tmp_path.rglob("*")
        if path.is_file()
    }
    assert {
        "summary.md",
        "reports/history.jsonl",
        "reports/junit.xml",
        "reports/index.html",
    } <= set(left)
    left |= {"terminal": done.stdout, "errors": done.stderr}
    found = [
        (name, form)
        for name, text in left.items()
        for value in hidden
        for form in FORMS
        if FORMS[form](value)[:-1] in text
    ]
    assert found == []


def test_half_a_secret_does_not_stand_where_a_long_body_was_cut() -> None:
    """Wherever the cut is, and whether the text goes on behind it or not."""
    secret = "-".join(["sk", "0123456789abcdef"])
    for before in range(30):
        text = "." * before + secret + " and so on " * 40
        for is_cut in (False, True):
            shown = masked_beginning(text, [secret], 25, is_cut=is_cut)
            assert "0123" not in shown
            assert "." * before in shown or is_cut or before > 20
        assert "sk" not in masked_beginning("." * 300 + secret[:before], [secret], 400, is_cut=True)


def test_a_credential_of_one_letter_spoils_no_report() -> None:
    """Words of the suite's own stay, so that what is made of them can be made."""
    results = {
        "verdict": "violates",
        "clauses": [{"id": "pristo.operation", "observation": "a word"}],
    }
    shown = masked_results(results, ["o"])
    assert shown == {
        "verdict": "violates",
        "clauses": [{"id": "pristo.operation", "observation": "a w***rd"}],
    }
