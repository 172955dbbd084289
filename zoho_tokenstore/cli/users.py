"""Names of users in options, which may lack the organization that SDKs since 6-0 append."""

from zoho_tokenstore.storage.queries import TokenQueries

__all__ = ["missing_user"]


def missing_user(queries: TokenQueries, user: str) -> str:
    """Return a message about a user without tokens, with the users of the same mail address."""
    message = f"no tokens are stored for user {user!r}"
    if names := queries.names_of_mail(user):
        message += f": pass one of {', '.join(map(repr, names))}"
    return message
