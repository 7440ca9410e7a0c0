"""Tickets: what is accepted, for how long and how often."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import tickets
from server.tickets import (
    Scope,
    TicketError,
    TicketExpired,
    TicketForged,
    TicketMisused,
    Tickets,
    TicketSpent,
)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(clock: Clock) -> Tickets:
    return Tickets(b"k" * 32, now=clock)


def test_ticket_says_what_it_was_issued_for(office: Tickets) -> None:
    claims = office.check(office.issue(session="s1", tenant="t1"), scope="session", session="s1")
    assert (claims.session, claims.tenant, claims.scope) == ("s1", "t1", "session")
    assert claims.expires - claims.issued == 600


def test_ticket_fits_a_subprotocol(office: Tickets) -> None:
    ticket = office.issue(session="s" * 64)
    assert all(c.isascii() and (c.isalnum() or c in "._-") for c in ticket)
    assert len(ticket) < tickets.LONGEST_TICKET


def test_two_tickets_differ(office: Tickets) -> None:
    assert office.issue(session="s1") != office.issue(session="s1")


@pytest.mark.parametrize("life_s", [1, 599, 600, 10_000])
def test_ticket_expires(office: Tickets, clock: Clock, life_s: float) -> None:
    ticket = office.issue(session="s1", life_s=life_s)
    clock.now += min(life_s, 600) - 0.1
    office.check(ticket, scope="session")
    clock.now += 0.1
    with pytest.raises(TicketExpired):
        office.check(ticket, scope="session")


def test_ticket_is_consumed_once(office: Tickets) -> None:
    ticket = office.issue(session="s1")
    office.consume(ticket, scope="session")
    for use in (office.consume, office.check):
        with pytest.raises(TicketSpent):
            use(ticket, scope="session")


@pytest.mark.parametrize("scope", ["conversation", "admin"])
def test_ticket_is_good_for_its_scope_only(office: Tickets, scope: Scope) -> None:
    with pytest.raises(TicketMisused):
        office.consume(office.issue(session="s1"), scope=scope)


def test_ticket_of_another_session_is_refused_and_not_spent(office: Tickets) -> None:
    ticket = office.issue(session="s1")
    with pytest.raises(TicketMisused):
        office.consume(ticket, scope="session", session="s2")
    office.consume(ticket, scope="session", session="s1")


def test_ticket_of_another_key_is_refused(office: Tickets, clock: Clock) -> None:
    with pytest.raises(TicketForged):
        office.check(Tickets(b"x" * 32, now=clock).issue(session="s1"), scope="session")


def test_ticket_from_before_a_restart_is_refused(office: Tickets, clock: Clock) -> None:
    ticket = office.issue(session="s1")
    clock.now += 1
    with pytest.raises(TicketExpired):
        Tickets(b"k" * 32, now=clock).consume(ticket, scope="session")


def test_changed_claims_are_refused(office: Tickets) -> None:
    payload, signature = office.issue(session="s1").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = json.dumps(claims | {"scope": "admin"}).encode()
    forged = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    with pytest.raises(TicketForged):
        office.check(f"{forged}.{signature}", scope="admin")


def test_all_refusals_read_alike() -> None:
    kinds = [TicketExpired, TicketForged, TicketMisused, TicketSpent]
    assert {str(kind()) for kind in kinds} == {"the ticket is not accepted"}


def test_memory_of_spent_tickets_is_bounded(
    office: Tickets, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets, "MOST_SPENT", 3)
    for _ in range(3):
        office.consume(office.issue(session="s"), scope="session")
    with pytest.raises(TicketSpent):
        office.consume(office.issue(session="s"), scope="session")
    clock.now += 601
    office.consume(office.issue(session="s"), scope="session")
    assert len(office._spent) == 1


@pytest.mark.parametrize("key", [b"", b"short", b"k" * 33])
def test_key_has_256_bits(key: bytes) -> None:
    with pytest.raises(ValueError, match="256"):
        Tickets(key, now=Clock())


@given(st.text() | st.text(alphabet="abc.=-_", max_size=80))
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(TicketError):
        Tickets(b"k" * 32, now=Clock()).check(text, scope="session")


@given(st.data())
def test_any_changed_character_is_noticed(data: st.DataObject) -> None:
    office = Tickets(b"k" * 32, now=Clock())
    ticket = office.issue(session="s1")
    # The last character of a base64 text has bits that mean nothing.
    place = data.draw(st.integers(0, len(ticket) - 2))
    other = data.draw(st.sampled_from("AZaz09-_.").filter(lambda c: c != ticket[place]))
    with pytest.raises(TicketError):
        office.check(ticket[:place] + other + ticket[place + 1 :], scope="session")
