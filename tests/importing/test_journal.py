"""What the journal leaves out, what it sends again, and that it never forgets."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contact_apis._importing.journal import Ended, Journal, JournalError, Planned

Content = tuple[tuple[str, ...], str]
"""Whom a row is about, by all that they are recognised by, and what it says."""

contents = st.tuples(
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=2, unique=True).map(tuple),
    st.sampled_from("12"),
)
inputs = st.lists(contents, max_size=7)
singles = st.lists(contents.map(lambda each: (each[0][:1], each[1])), max_size=7)


def rows(content: Iterable[Content], *, repeatable: bool = True) -> list[Planned]:
    return [
        Planned(line, whom[0], whom, f"{whom} {what}".encode(), b"source", repeatable, None)
        for line, (whom, what) in enumerate(content, 2)
    ]


def run(
    path: Path,
    content: list[Content],
    service: list[Content],
    *,
    stop_after: int | None = None,
    fail: frozenset[int] = frozenset(),
) -> int:
    """One run over an input, which may end early; how many rows were sent."""
    journal = Journal(path, {})
    journal.plan(rows(content), retry_unknown=False)
    by_body = {f"{whom} {what}".encode(): (whom, what) for whom, what in content}
    sent = 0
    for due in journal.due():
        if sent == stop_after:
            break
        journal.note([], [(due.id, 1)])
        sent += 1
        if sent in fail:
            journal.note([Ended(due.id, "failed", 500, None, "no")], [])
            continue
        service.append(by_body[due.body])
        journal.note([Ended(due.id, "updated", 200, None, None)], [])
    journal.close()
    return sent


def last_words(content: list[Content]) -> dict[str, Content]:
    return {each: (whom, what) for whom, what in content for each in whom}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            singles, st.none() | st.integers(0, 6), st.frozensets(st.integers(1, 7), max_size=2)
        ),
        min_size=1,
        max_size=5,
    )
)
@example(
    [
        ([(("a",), "1"), (("a",), "2"), (("a",), "1")], None, frozenset()),
        ([(("a",), "1")], None, frozenset()),
    ]
)
@example(
    [
        ([(("a",), "1")], None, frozenset()),
        ([(("a",), "2")], None, frozenset()),
        ([(("a",), "1")], None, frozenset()),
    ]
)
@example(
    [
        ([(("a",), "1"), (("a",), "2")], None, frozenset({1})),
        ([(("a",), "1"), (("a",), "2")], None, frozenset()),
    ]
)
def test_the_last_word_wins(
    history: list[tuple[list[Content], int | None, frozenset[int]]],
) -> None:
    """After any history of inputs, failures and interruptions, a run that ends leaves each contact as the input has it last."""
    service: list[Content] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        for content, stop_after, fail in history:
            run(path, content, service, stop_after=stop_after, fail=fail)
        content = history[-1][0]
        run(path, content, service)
        said = last_words(service)
        assert {each: said[each] for each in last_words(content)} == last_words(content)
        assert run(path, content, service) == 0


@settings(max_examples=150, deadline=None)
@given(st.lists(inputs, min_size=1, max_size=4))
@example([[(("b", "a"), "1")], [(("a",), "1")], [(("b", "a"), "1")]])
@example([[(("a",), "1")], [(("b", "a"), "1"), (("a",), "1")]])
def test_contacts_that_share_one_of_several_identities_keep_their_order(
    history: list[list[Content]],
) -> None:
    """Also where two rows share only one of the things that a contact is recognised by, the later one has the last word on it."""
    service: list[Content] = []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        for content in history:
            run(path, content, service)
        assert (
            last_words(service)[next(iter(last_words(history[-1])), "a")] if history[-1] else True
        )
        said = last_words(service)
        assert {each: said[each] for each in last_words(history[-1])} == last_words(history[-1])
        assert run(path, history[-1], service) == 0


@settings(max_examples=50, deadline=None)
@given(inputs)
def test_every_row_has_one_result(content: list[Content]) -> None:
    """Results are those of the input, one a row, in its order, equal rows among them."""
    with TemporaryDirectory() as folder:
        path, service = Path(folder) / "journal", list[Content]()
        assert run(path, content, service) == len(content)
        journal = Journal(path, {})
        journal.plan(rows(content), retry_unknown=False)
        results = list(journal.results())
        journal.close()
    assert [(each["line"], each["id"], each["state"], each["skipped"]) for each in results] == [
        (line, whom[0], "updated", True) for line, (whom, _) in enumerate(content, 2)
    ]


@pytest.mark.parametrize(
    ("repeatable", "retry", "again"), [(True, False, 1), (False, False, 0), (False, True, 1)]
)
def test_what_was_in_flight_may_have_been_written(
    tmp_path: Path, repeatable: bool, retry: bool, again: int
) -> None:
    """After a run that just ended it counts as unknown, and is sent again where that does no harm or was asked for."""
    planned = rows([(("a",), "1")], repeatable=repeatable)
    killed = Journal(tmp_path / "journal", {})
    killed.plan(planned, retry_unknown=False)
    (due,) = killed.due()
    killed.note([], [(due.id, 1)])
    killed._db.close()  # noqa: SLF001 # as if the process had died
    journal = Journal(tmp_path / "journal", {})
    journal.plan(planned, retry_unknown=retry)
    assert [each["state"] for each in journal.results()] == ["unknown"]
    assert len(list(journal.due())) == again
    journal.close()


def test_a_corrected_row_goes_on(tmp_path: Path) -> None:
    """A file with one row corrected, one removed, one added and all in another order sends what is new."""
    path, service = tmp_path / "journal", list[Content]()
    run(path, [((each,), "1") for each in "abcd"], service)
    assert run(path, [(("d",), "1"), (("e",), "1"), (("a",), "2"), (("b",), "1")], service) == 2
    assert service[-2:] == [(("e",), "1"), (("a",), "2")]


def test_it_belongs_to_one_import_and_one_process(tmp_path: Path) -> None:
    """Another target, and another process at the same time, are refused in one sentence that says what to do."""
    path = tmp_path / "journal"
    journal = Journal(path, {"target": "one", "mapping": {}})
    with pytest.raises(JournalError, match=r"in use.*--journal"):
        Journal(path, {"target": "one", "mapping": {}})
    journal.close()
    with pytest.raises(JournalError, match=r"another target.*--journal"):
        Journal(path, {"target": "two", "mapping": {}})
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    """A text, and a database of somebody else's, are refused and not changed."""
    text, other = tmp_path / "text", tmp_path / "other"
    text.write_text("hello\n" * 1000)
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    for path in (text, other):
        before = path.read_bytes()
        with pytest.raises(JournalError, match="--journal"):
            Journal(path, {})
        assert path.read_bytes() == before


def test_success_leaves_no_personal_data_behind(tmp_path: Path) -> None:
    """What was sent is not kept once it has arrived."""
    path, service = tmp_path / "journal", list[Content]()
    run(path, [(("a",), "1")], service)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT body, source FROM row").fetchall() == [(None, None)]
    db.close()
