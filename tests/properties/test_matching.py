"""The rules of saving, over random rows: what they promise whatever has been saved before."""

import itertools
import random
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS
from zoho_tokenstore.tokens.matching import identity, storable
from zoho_tokenstore.tokens.record import TokenRecord
from zoho_tokenstore.tokens.save_plan import plan_save
from zoho_tokenstore.tokens.succession import has_new_login, is_outdated, predecessor

TOKENS = st.builds(
    TokenRecord,
    user_name=st.sampled_from([None, "u", "v"]),
    client_id=st.sampled_from([None, "c", "d"]),
    client_secret=st.sampled_from([None, "s"]),
    access_token=st.sampled_from([None, "a", "b"]),
    grant_token=st.sampled_from([None, "g", "h"]),
    refresh_token=st.sampled_from([None, "r", "q"]),
    id=st.sampled_from([None, None, "0", "1", "x"]),
).filter(lambda token: token.access_token or token.grant_token or token.refresh_token)


def has_superseded(known, token, row):
    return is_outdated(token, row, known.get(row.id), lambda _, refresh_token: refresh_token)


def saves(tokens):
    """Save tokens one after the other; yield the rows before, the token and its plan."""
    for rows, token, plan, _ in saves_with_memory(tokens):
        yield rows, token, plan


def saves_with_memory(tokens):
    """Do the same; yield also what tells whether a row has superseded a token's login."""
    rows: list[TokenRecord] = []
    known: dict[str | None, str | None] = {}
    for number, token in enumerate(map(storable, tokens)):
        outdated = partial(has_superseded, dict(known))
        try:
            plan = plan_save(token, rows, f"new {number}", outdated)
        except TokenStoreError as error:
            yield list(rows), token, type(error), outdated
            continue
        yield list(rows), token, plan, outdated
        rows = [row for row in rows if row not in (plan.target, *plan.absorbed)] + [plan.row]
        if plan.target is not None and has_new_login(plan.target, plan.row):
            before = predecessor(plan.target, plan.row)
            known[plan.row.id] = before and before.refresh_token


@settings(max_examples=500, deadline=None)
@given(st.lists(TOKENS, max_size=6))
def test_no_two_rows_ever_share_an_identity_or_an_id(tokens):
    for rows, _, _ in saves([*tokens, TokenRecord(access_token="last")]):
        assert len({identity(row) for row in rows}) == len(rows)
        assert len({row.id for row in rows}) == len(rows)


@settings(max_examples=500, deadline=None)
@given(st.lists(TOKENS, max_size=6), st.randoms())
def test_neither_order_nor_unrelated_rows_change_what_a_save_does(tokens, shuffler: random.Random):
    for number, (rows, token, plan, outdated) in enumerate(saves_with_memory(tokens)):
        related = [
            row
            for row in rows
            if any(getattr(row, f) == getattr(token, f) is not None for f in DIGEST_COLUMNS)
        ]
        shuffler.shuffle(related)
        try:
            same = plan_save(token, related, f"new {number}", outdated)
        except TokenStoreError as error:
            same = type(error)
        assert same == plan


@settings(max_examples=500, deadline=None)
@given(st.lists(TOKENS, max_size=6))
def test_no_refresh_token_and_no_other_users_row_is_lost(tokens):
    for (rows, token, plan), (after, _, _) in itertools.pairwise(
        saves([*tokens, TokenRecord(access_token="last")])
    ):
        touched = set() if isinstance(plan, type) else {plan.target, *plan.absorbed}
        for row in rows:
            if row.user_name not in (None, token.user_name) and token.user_name is not None:
                assert row in after
            if row in touched and row is not plan.target and row.refresh_token is not None:
                assert row.refresh_token in {other.refresh_token for other in after}
            if row is (None if isinstance(plan, type) else plan.target):
                gained = (other.refresh_token for other in plan.absorbed if other.refresh_token)
                expected = token.refresh_token or row.refresh_token or next(gained, None)
                if plan.is_outdated:
                    assert plan.row == row
                    expected = row.refresh_token
                assert plan.row.refresh_token == expected
                assert plan.row.user_name in (row.user_name, token.user_name)


@settings(max_examples=500, deadline=None)
@given(st.lists(TOKENS, max_size=8))
def test_a_login_that_was_superseded_never_comes_back_to_its_row(tokens):
    for rows, token, plan, outdated in saves_with_memory(tokens):
        for row in rows:
            if outdated(token, row) and not isinstance(plan, type):
                assert row.refresh_token != token.refresh_token
                assert row.user_name is not None
                if plan.target is row:
                    assert plan.is_outdated
        if not isinstance(plan, type) and plan.is_outdated:
            assert plan.target.user_name == (token.user_name or plan.target.user_name)
            assert plan.absorbed == ()
