"""Accounts, sessions, links, failed logins and the audit trail, as the database keeps them."""

from pathlib import Path

import pytest

from groundtune.store.annotations import accounts, audit, failures, items, links, sessions
from groundtune.store.annotations.database import Database, open_database

DAY = 86_400.0


@pytest.fixture
def opened(tmp_path: Path) -> Database:
    made = open_database(tmp_path / "annotations.sqlite")
    with made.writing() as connection:
        items.add_person(connection, "ada", "Ada", "owner")
    return made


def test_a_person_logs_in_by_their_name_in_any_case_and_nobody_can_take_it(opened: Database):
    with opened.writing() as connection:
        bo = accounts.create_account(connection, "Bo  Li", "annotator", "hash")
        accounts.set_password(connection, "ada", "other")
        assert accounts.password_of(connection, "bo li") == (bo, "hash")
        assert accounts.password_of(connection, "ADA") == ("ada", "other")
        assert accounts.password_of(connection, "cy") is None
        for name in ("BO LI", "\uff22o li"):  # a wide B is a B
            with pytest.raises(ValueError, match="somebody has this name"):
                accounts.create_account(connection, name, "annotator", "hash")
        assert accounts.owners_with_password(connection) == 1


def test_a_closed_account_can_neither_log_in_nor_go_on(opened: Database):
    with opened.writing() as connection:
        accounts.set_password(connection, "ada", "hash")
        token = sessions.begin_session(connection, "ada")
        accounts.set_closed(connection, "ada", closed=True)
        assert accounts.password_of(connection, "ada") is None
        assert sessions.find_session(connection, token) is None
        accounts.set_closed(connection, "ada", closed=False)
        assert sessions.find_session(connection, token) is not None


@pytest.mark.parametrize(
    ("used", "then", "lives"),
    [
        ((), 6.9 * DAY, True),
        ((), 7.1 * DAY, False),
        ((6 * DAY,), 12 * DAY, True),
        ((6 * DAY, 12 * DAY, 18 * DAY, 24 * DAY), 29.9 * DAY, True),
        ((6 * DAY, 12 * DAY, 18 * DAY, 24 * DAY), 30.1 * DAY, False),
    ],
)
def test_a_session_ends_after_a_week_without_use_and_after_a_month(
    opened: Database, used: tuple[float, ...], then: float, lives: bool
):
    with opened.writing() as connection:
        token = sessions.begin_session(connection, "ada", now=1000)
        for at in used:
            sessions.renew_session(connection, sessions.id_of_token(token), now=1000 + at)
        found = sessions.find_session(connection, token, now=1000 + then)
        assert (found is not None) == lives


def test_the_database_has_no_token_that_a_thief_could_use(opened: Database):
    with opened.writing() as connection:
        token = sessions.begin_session(connection, "ada")
        (kept,) = sessions.sessions_of(connection)
        assert token not in kept.model_dump_json()
        assert sessions.find_session(connection, kept.id) is None
        link = links.make_link(connection, "annotator")
        (open_link,) = links.open_links(connection)
        assert link not in open_link.model_dump_json()
        assert links.find_link(connection, open_link.id) is None


def test_a_person_ends_only_their_own_sessions(opened: Database):
    with opened.writing() as connection:
        bo = accounts.create_account(connection, "Bo", "annotator", "hash")
        tokens = [sessions.begin_session(connection, "ada") for _ in range(3)]
        kept = sessions.id_of_token(tokens[0])
        assert not sessions.end_session(connection, kept, bo)
        assert sessions.end_sessions(connection, "ada", besides=kept) == 2
        assert sessions.find_session(connection, tokens[0]) is not None
        assert sessions.find_session(connection, tokens[1]) is None


def test_a_link_is_good_for_so_many_people_and_days(opened: Database):
    with opened.writing() as connection:
        token = links.make_link(connection, "reviewer", uses=2)
        link = links.find_link(connection, token)
        assert link is not None
        assert [links.use_link(connection, link) for _ in range(3)] == [True, True, False]
        assert links.find_link(connection, token) is None
        over = links.make_link(connection, "annotator", days=-1)
        assert links.find_link(connection, over) is None
        withdrawn = links.make_link(connection, "annotator")
        assert links.withdraw_link(connection, sessions.id_of_token(withdrawn))
        assert links.find_link(connection, withdrawn) is None


def test_each_failure_after_the_fifth_doubles_the_wait_up_to_a_quarter_of_an_hour(
    opened: Database,
):
    waits: list[float] = []
    with opened.writing() as connection:
        for _ in range(16):
            waits.append(failures.wait_s(connection, "ada", "192.0.2.1", now=1000))
            failures.add_failure(connection, "ada", "192.0.2.1", now=1000)
        assert waits == [0, 0, 0, 0, 0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
        assert failures.wait_s(connection, "ada", "192.0.2.2", now=1000) == 0
        assert failures.wait_s(connection, "bo", "192.0.2.1", now=1000) == 0
        assert failures.wait_s(connection, "ada", "192.0.2.1", now=1901) == 0
        failures.clear_failures(connection, "ada", "192.0.2.1")
        assert failures.wait_s(connection, "ada", "192.0.2.1", now=1000) == 0


def test_many_names_from_one_address_and_one_name_from_many_addresses_wait_too(opened: Database):
    with opened.writing() as connection:
        for _ in range(20):
            failures.add_failure(connection, "", "2001:db8:1:2::7", now=1000)
        assert failures.wait_s(connection, "bo", "2001:db8:1:2::8", now=1000) == 2  # same /64
        assert failures.wait_s(connection, "bo", "2001:db8:1:3::8", now=1000) == 0
        for number in range(50):
            failures.add_failure(connection, "ada", f"198.51.100.{number}", now=1000)
        assert failures.wait_s(connection, "ada", "203.0.113.9", now=1000) == 2
        assert failures.count_failures(connection, now=1000) == (70, 20, 51)
        assert failures.count_failures(connection, now=1000 + 2 * DAY) == (0, 0, 0)


def test_the_audit_trail_is_read_from_its_end(opened: Database):
    with opened.writing() as connection:
        for number in range(5):
            audit.note(connection, "ada", "role", "ada", number=number)
        newest = audit.entries(connection, limit=2)
        assert [each.details["number"] for each in newest] == [4, 3]
        assert [
            each.details["number"] for each in audit.entries(connection, before=newest[-1].id)
        ] == [2, 1, 0]
