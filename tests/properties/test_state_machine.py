"""Random sequences of all operations leave the real store and the list store the same."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from zohocrmsdk.src.com.zoho.crm.api.exception.sdk_exception import SDKException

from conftest import DATABASES
from support import KEY, known, make_token
from zoho_tokenstore import Keyring, SQLAlchemyTokenStore
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.testing import ListTokenStore

Fields = dict[str, Any]

# Small alphabets, so that tokens meet, are claimed, absorbed and rotated. The client and what
# belongs to it are rarely absent in practice and often here.
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "user": st.sampled_from(["alice", "Alice", ""]),
        "client_id": st.sampled_from(["c1", "c2", ""]),
        "client_secret": st.sampled_from(["s1", "s2"]),
        "access_token": st.sampled_from(["a1", "a2", ""]),
        "grant_token": st.sampled_from(["g1", "g2"]),
        "refresh_token": st.sampled_from(["r1", "r2", "r3", ""]),
        "expiry": st.sampled_from(["1000", "2000", "garbage"]),
        "redirect_url": st.sampled_from(["https://x", ""]),
        "api_domain": st.sampled_from(["eu", "us"]),
    },
)
LOGINS = st.sampled_from(["r1", "r2", "r3"])
ID = st.one_of(st.none(), st.sampled_from(["chosen", "unknown"]), st.integers(0, 5))
"""No id, one that a caller chose, or that of one of the stored rows."""


class BothStores(RuleBasedStateMachine):
    """Do everything to both; ids that the stores made up are translated."""

    def __init__(self, real: SQLAlchemyTokenStore) -> None:
        super().__init__()
        self.real = real
        self.real.delete_tokens()
        self.model = ListTokenStore()
        self.twin: dict[str, str] = {}

    @rule(fields=FIELDS, id_=ID)
    def save(self, fields: Fields, id_: str | int | None) -> None:
        tokens = self.make(fields, id_)
        self.both(lambda store, token: store.save_token(token), *tokens)
        self.learn(*tokens)

    @rule(batch=st.lists(st.tuples(FIELDS, ID), max_size=4))
    def save_many(self, batch: list[tuple[Fields, str | int | None]]) -> None:
        pairs = [self.make(fields, id_) for fields, id_ in batch]
        real, model = ([pair[side] for pair in pairs] for side in (0, 1))
        self.both(lambda store, tokens: store.save_tokens(tokens), real, model)
        for pair in pairs:
            self.learn(*pair)

    @rule(fields=FIELDS, id_=ID)
    def find(self, fields: Fields, id_: str | int | None) -> None:
        tokens = self.make(fields, id_)
        found = self.both(lambda store, token: store.find_token(token) is token, *tokens)
        if found is True:
            self.same(*tokens)

    @rule(refresh_token=LOGINS)
    def log_in_again(self, refresh_token: str) -> None:
        """Log a user in, whom random fields rarely make twice of one client."""
        self.save({"user": "alice", "client_id": "c1", "refresh_token": refresh_token}, None)

    @rule(refresh_token=LOGINS)
    def find_by_refresh_token(self, refresh_token: str) -> None:
        self.find({"refresh_token": refresh_token}, None)

    @rule(id_=ID.filter(lambda id_: id_ is not None))
    def find_by_id(self, id_: str | int) -> None:
        real, model = self.ids(id_)
        found = self.real.find_token_by_id(real), self.model.find_token_by_id(model)
        assert (found[0] is None) == (found[1] is None)
        if found[0] is not None:
            self.same(*found)

    @rule(id_=ID.filter(lambda id_: id_ is not None))
    def delete(self, id_: str | int) -> None:
        real, model = self.ids(id_)
        self.real.delete_token(real)
        self.model.delete_token(model)

    @rule()
    def delete_all(self) -> None:
        self.real.delete_tokens()
        self.model.delete_tokens()

    @invariant()
    def holds_the_same(self) -> None:
        real = [self.translated(token) for token in self.real.get_tokens()]
        model = [known(token) for token in self.model.get_tokens()]
        assert sorted(real, key=repr) == sorted(model, key=repr)

    @invariant()
    def no_two_rows_share_an_identity(self) -> None:
        rows = [known(token) for token in self.real.get_tokens()]
        owned = [(r["user_name"], r.get("client_id")) for r in rows if "user_name" in r]
        assert len(owned) == len(set(owned))
        assert len({row["id"] for row in rows}) == len(rows)

    def make(self, fields: Fields, id_: str | int | None) -> tuple[Any, Any]:
        real, model = (None, None) if id_ is None else self.ids(id_)
        return make_token(**fields, id=real), make_token(**fields, id=model)

    def ids(self, id_: str | int) -> tuple[str, str]:
        if isinstance(id_, str):
            return id_, id_
        known_ids = list(self.twin.items())
        return known_ids[id_ % len(known_ids)] if known_ids else ("none yet", "none yet")

    def learn(self, real: Any, model: Any) -> None:
        assert (real.get_id() is None) == (model.get_id() is None)
        if real.get_id() is not None:
            self.twin[real.get_id()] = model.get_id()

    def both(self, call: Callable[[Any, Any], Any], real: Any, model: Any) -> Any:
        """Make the same call on both stores; both return the same or fail the same way."""
        outcome = [
            _outcome(call, store, argument)
            for store, argument in ((self.real, real), (self.model, model))
        ]
        assert outcome[0] == outcome[1]
        return outcome[0]

    def translated(self, token: Any) -> Fields:
        fields = known(token)
        return fields | {"id": self.twin.get(fields["id"], fields["id"])}

    def same(self, real: Any, model: Any) -> None:
        assert self.translated(real) == known(model)


def _outcome(call: Callable[[Any, Any], Any], store: Any, argument: Any) -> Any:
    try:
        return call(store, argument)
    except SDKException as error:
        return type(error.cause)
    except TokenStoreError as error:
        return type(error)


@pytest.mark.parametrize(
    ("kind", "examples"), [("memory", 150), ("encrypted", 50), *((d, 15) for d in DATABASES)]
)
def test_both_stores_stay_the_same(open_database, kind, examples):
    url = "sqlite://" if kind in ("memory", "encrypted") else open_database(kind)
    keyring = Keyring.from_text(KEY) if kind == "encrypted" else None
    with SQLAlchemyTokenStore(url, keyring=keyring) as real:
        run_state_machine_as_test(
            lambda: BothStores(real),
            settings=settings(max_examples=examples, stateful_step_count=25, deadline=None),
        )
