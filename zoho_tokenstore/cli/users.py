"""Names of users in options, which may lack the organization that SDKs since 6-0 append."""

from zoho_tokenstore.cli.console import messages
from zoho_tokenstore.storage.queries import TokenQueries

__all__ = ["missing_user", "print_other_names"]


def missing_user(queries: TokenQueries, user: str) -> str:
    """Return a message about a user without tokens, with the users of the same mail address."""
    message = f"no tokens are stored for user {user!r}"
    if names := queries.names_of_mail(user):
        message += f": pass one of {', '.join(map(repr, names))}"
    return message


def print_other_names(queries: TokenQueries, user: str) -> None:
    """Print the users of a mail address that is not itself a user's name."""
    if not queries.count_rows(queries.rows_of_user(user)) and queries.names_of_mail(user):
        messages.print(missing_user(queries, user))
