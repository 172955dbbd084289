import pytest

from zoho_tokenstore.tokens.digests import DIGEST_COLUMNS, DIGEST_LENGTH, digest, row_digests
from zoho_tokenstore.tokens.matching import identity
from zoho_tokenstore.tokens.record import TokenRecord, mask


def test_a_record_shows_names_and_masks_secrets():
    record = TokenRecord(
        id="7", user_name="alice", refresh_token="1000.3f" + "x" * 63, client_secret="short"
    )
    assert repr(record) == (
        "TokenRecord(id='7', user_name='alice', client_secret=…(5), refresh_token=1000.3f…(70))"
    )
    assert str(record) == f"{record}" == repr(record)


@pytest.mark.parametrize(("secret", "shown"), [("", "…(0)"), ("x" * 23, "…(23)")])
def test_a_short_secret_is_masked_whole(secret, shown):
    assert mask(secret) == shown


def test_a_record_cannot_be_changed():
    with pytest.raises(AttributeError):
        TokenRecord().id = "7"


def test_digests_are_known_for_ever():
    # A later release must find what this one stored.
    assert digest("user_name", "alice") == (
        "e587537a9fe01c10e6c528ebbb5ae48adf250ad68fd0363ba99111be5d297ad8"
    )
    assert len(digest("id", "7")) == DIGEST_LENGTH


def test_every_row_has_an_identity_and_absent_fields_no_digest():
    digests = row_digests(TokenRecord(refresh_token="r"))
    assert {name for name, value in digests.items() if value} == {
        "refresh_digest",
        "identity_digest",
    }
    assert set(digests) == {*DIGEST_COLUMNS.values(), "identity_digest"}


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"user_name": "u", "client_id": "c", "grant_token": "g"}, ("user_name", "u", "c")),
        ({"user_name": "u"}, ("user_name", "u", "")),
        ({"access_token": "a", "grant_token": "g"}, ("grant_token", "g", "")),
        ({"access_token": "a", "client_id": "c"}, ("access_token", "a", "c")),
        ({"grant_token": "g", "refresh_token": "r", "client_id": "c"}, ("grant_token", "g", "c")),
        ({"refresh_token": "r", "client_secret": "s"}, ("refresh_token", "r", "")),
    ],
)
def test_the_identity_of_a_row_follows_the_rules(fields, names):
    assert identity(TokenRecord(**fields)) == names
