"""The results as ``junit.xml``, for what shows test results in CI."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from .morning import CATEGORIES, heading, moment

Json = dict[str, Any]


def as_junit(results: Json) -> str:
    """The results as XML: a test suite for each API, and in it a test case for each clause."""
    suites = ET.Element("testsuites", name="contract")
    for api in results["apis"] or ["run"]:
        _add_suite(suites, api, results)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_suite(suites: ET.Element, api: str, results: Json) -> None:
    clauses = [clause for clause in results["clauses"] if clause["id"].startswith(f"{api}.")]
    failures = _by_clause(api, results["failures"])
    known = _by_clause(api, results["known"])
    known = {clause: entry for clause, entry in known.items() if clause in failures}
    is_error = results["verdict"] in ("could-not-run", "incomplete")
    idle = sum(clause["result"] == "not-exercised" for clause in clauses)
    attributes = {
        "name": api,
        "time": str(results["seconds"]),
        "tests": str(len(clauses) + is_error),
        "failures": str(len(failures) - len(known)),
        "errors": str(int(is_error)),
        "skipped": str(idle + len(known)),
    }
    suite = ET.SubElement(suites, "testsuite", attributes)
    _add_properties(suite, api, results["morning"])
    if is_error:
        case = ET.SubElement(suite, "testcase", classname=api, name="run")
        ET.SubElement(case, "error", message=printable(results["reason"] or ""))
    standing = _standing(results["morning"])
    for clause in clauses:
        name = clause["id"]
        case = ET.SubElement(suite, "testcase", classname=f"contract.{api}", name=name)
        if name in known:
            _add_known(case, known[name], failures[name])
        elif name in failures:
            _add_failure(case, failures[name], standing.get(name, ""))
        else:
            _add_observation(case, clause)


def _by_clause(api: str, entries: list[Json]) -> dict[str, Json]:
    """The first entry of each clause of an API."""
    found: dict[str, Json] = {}
    for entry in entries:
        if entry["clause"].startswith(f"{api}."):
            found.setdefault(entry["clause"], entry)
    return found


def _add_properties(suite: ET.Element, api: str, morning: Json) -> None:
    """The morning report, a property for each category."""
    properties = ET.SubElement(suite, "properties")
    compared_with = printable(heading(morning))
    ET.SubElement(properties, "property", name="compared with", value=compared_with)
    for category, title in CATEGORIES.items():
        clauses = [change["clause"] for change in morning[category]]
        named = [clause for clause in clauses if clause.startswith(f"{api}.")]
        ET.SubElement(properties, "property", name=title, value=", ".join(named) or "none")


def _standing(morning: Json) -> dict[str, str]:
    """How the message of a broken clause begins: since when it is broken."""
    found = {}
    for change in morning["still"]:
        found[change["clause"]] = f"still broken since {moment(change['since'])}: "
    for change in morning["new"]:
        found[change["clause"]] = "new tonight: "
    for change in morning["first"]:
        found[change["clause"]] = "checked for the first time: "
    return found


def _add_known(case: ET.Element, entry: Json, failure: Json) -> None:
    known = f"known since {entry['since']}, {entry['ticket']}, until {entry['until']}"
    ET.SubElement(case, "skipped", message=printable(f"{known}: {failure['message']}"))


def _add_failure(case: ET.Element, failure: Json, standing: str) -> None:
    message = standing + failure["message"]
    if failure["same_cause"]:
        message += f" (probably one cause with {', '.join(failure['same_cause'])})"
    element = ET.SubElement(case, "failure", message=printable(message))
    element.text = printable(failure["curl"] or "")


def _add_observation(case: ET.Element, clause: Json) -> None:
    observation = printable(clause["observation"] or "")
    if clause["result"] == "not-exercised":
        ET.SubElement(case, "skipped", message=observation)
    elif observation:
        ET.SubElement(case, "system-out").text = observation


def printable(text: str) -> str:
    """A text without the control characters that XML has no way to write: they are escaped as in Python."""
    return "".join(_printable(letter) for letter in text)


def _printable(letter: str) -> str:
    if letter in "\t\n ":
        return letter
    if letter.isprintable() and letter < "\ufffe":
        return letter
    return ascii(letter)[1:-1]
