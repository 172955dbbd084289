"""Any token that can be stored comes back as it was."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support import SETTERS, known, make_token
from zoho_tokenstore.testing.accounts import Accounts
from zoho_tokenstore.tokens.digests import digest
from zoho_tokenstore.tokens.record import SECRET_FIELDS

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1)
# Never the text of a name: an encrypted store is searched for secrets, and has readable names of
# earlier tokens in its free pages.
SECRET = TEXT.map("{} is secret".format)
TOKENS = st.builds(
    make_token,
    user=TEXT,
    access_token=SECRET,
    expiry=st.integers(0, 2**63 - 1).map(str),
    **{
        name: SECRET if name in SECRET_FIELDS else TEXT
        for name in SETTERS
        if name not in ("access_token", "expiry")
    },
)


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(token=TOKENS)
def test_any_token_comes_back_as_it_was(store, token):
    store.delete_tokens()
    expected = known(token)
    store.save_token(token)
    name = token.get_user_signature().get_name()
    assert known(store.find_token(make_token(name))) == expected
    assert known(store.find_token_by_id(token.get_id())) == expected


@given(st.lists(TEXT, max_size=3), st.lists(TEXT, max_size=3))
def test_different_values_never_digest_the_same(one, other):
    assert (digest("purpose", *one) == digest("purpose", *other)) == (one == other)
    assert digest("purpose", *one) != digest("another", *one)


@pytest.mark.parametrize(
    ("one", "other"),
    [(["a:b"], ["a", "b"]), (["a:b", "c"], ["a", "b:c"]), (["", "a"], ["a", ""]), ([""], [])],
)
def test_values_do_not_run_together_in_a_digest(one, other):
    assert digest("purpose", *one) != digest("purpose", *other)


@pytest.mark.parametrize("lifetime", [1.0, 3600.0])
def test_local_zoho_accepts_exactly_the_access_tokens_that_it_issued(lifetime):
    accounts = Accounts(lifetime=lifetime)
    answer = accounts.exchange({"code": accounts.grant("a@x"), "client_id": "c"})
    assert accounts.account_of(str(answer["access_token"])).email == "a@x"
    assert accounts.account_of(str(answer["refresh_token"])) is None
