"""Many processes do everything at once; what they leave is what some order, one by one, would."""

import random
import time
from typing import NamedTuple

from support import login, make_token, record
from zoho_tokenstore import SQLAlchemyTokenStore

PROCESSES = 16
OPERATIONS = 200
LOGINS = 8


class Operation(NamedTuple):
    """What one process did, with the times (the machine's monotonic clock, ns) it lies between."""

    kind: str
    number: int
    tag: str
    began: int
    ended: int


class Worker:
    """Does things to a few logins, and marks three fields of what it saves with one tag."""

    def __init__(self, store: SQLAlchemyTokenStore, name: int) -> None:
        self.store = store
        self.name = name
        self.random = random.Random(name)
        self.done: list[Operation] = []

    def work(self) -> list[Operation]:
        for step in range(OPERATIONS):
            kind = self.random.choice(
                [self.save, self.save_nameless, self.refresh, self.find, self.delete]
            )
            number, tag = self.random.randrange(LOGINS), str(self.name * OPERATIONS + step)
            began = time.monotonic_ns()
            if kind(number, tag):
                self.done.append(Operation(kind.__name__, number, tag, began, time.monotonic_ns()))
        return self.done

    def save(self, number: int, tag: str) -> bool:
        self.store.save_token(tagged(number, tag, f"user {number}"))
        return True

    def save_nameless(self, number: int, tag: str) -> bool:
        self.store.save_token(tagged(number, tag))
        return True

    def refresh(self, number: int, tag: str) -> bool:
        if (token := self.found(number)) is None:
            return False
        changed = record(tagged(number, tag))
        token.set_access_token(changed.access_token)
        token.set_expires_in(str(changed.expiry))
        token.set_redirect_url(changed.redirect_url)
        self.store.save_token(token)
        return True

    def find(self, number: int, _tag: str) -> bool:
        self.found(number)
        return False

    def delete(self, number: int, _tag: str) -> bool:
        # Seldom, or the table would always be empty.
        if self.random.random() < 0.8 or (token := self.found(number)) is None:
            return False
        self.store.delete_token(token.get_id())
        return True

    def found(self, number: int):
        token = self.store.find_token(make_token(refresh_token=refresh_token(number)))
        if token is not None:
            row = record(token)
            assert row.user_name in (None, f"user {number}")
            assert row.access_token == row.redirect_url == str(row.expiry), "all of one save"
        return token


def refresh_token(number):
    return f"1000.refresh.{number}"


def tagged(number, tag, user=None):
    tags = {"access_token": tag, "expiry": tag, "redirect_url": tag}
    return login(user, refresh_token=refresh_token(number), **tags)


def work(url, name):
    with SQLAlchemyTokenStore(url) as store:
        return Worker(store, name).work()


def test_the_table_is_what_a_serial_order_leaves(crowd, url):
    results = crowd.run(work, [(url, name) for name in range(PROCESSES)])
    with SQLAlchemyTokenStore(url) as store:
        rows = [record(token) for token in store.iter_tokens()]
    assert all(isinstance(result, list) for result in results), "nothing failed"
    writes = [operation for result in results for operation in result]
    assert len(writes) > PROCESSES * OPERATIONS / 3
    for number in range(LOGINS):
        (row,) = [row for row in rows if row.refresh_token == refresh_token(number)] or [None]
        saves = [op for op in writes if op.number == number and op.kind != "delete"]
        if row is None:
            last = [op for op in writes if op.number == number and op.kind == "delete"]
        else:
            last = [op for op in saves if op.tag == row.access_token]
            assert row.access_token == row.redirect_url == str(row.expiry)
            assert row.user_name in (None, f"user {number}")
        assert any(all(save.began <= op.ended for save in saves) for op in last), "the last one"
    assert len(rows) <= LOGINS
