"""Slack's store of installations, which applications of Slack's keep their tokens in."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.installation_store.sqlalchemy import SQLAlchemyInstallationStore
from sqlalchemy import create_engine

from benchmarks.data import UNKNOWN, record
from benchmarks.opened import Opened, Place, pages

__all__ = ["SlackStore", "fill_slack"]

AT: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - their columns have no time zone


class SlackStore(Opened):
    """Slack's store of installations, the nearest relative: a user is a team's installation."""

    def __init__(self, place: Place) -> None:
        """Open it on an engine of its own."""
        self._engine = create_engine(place.url)
        self._installations = SQLAlchemyInstallationStore(client_id="client", engine=self._engine)

    def finding(self, number: int) -> Callable[[], Any]:
        """Find the latest installation of a user in a team."""
        return lambda: self._installations.find_installation(
            enterprise_id=None, team_id=f"T{number}", user_id=f"U{number}"
        )

    def save_new(self, number: int) -> None:
        """Save an installation."""
        self._installations.save(installation(number))

    def forget(self, number: int) -> None:
        """Delete it, and its bot."""
        self._installations.delete_all(enterprise_id=None, team_id=f"T{number}")

    def updating(self, number: int) -> Callable[[str], None]:
        """Save the installation again with another token."""
        known = self.finding(number)()

        def save(access_token: str) -> None:
            known.user_token = access_token
            self._installations.save(known)

        return save

    def is_right(self, found: Any, number: int) -> bool:
        """Compare the refresh token."""
        if number == UNKNOWN:
            return found is None
        return found is not None and found.user_refresh_token == record(number).refresh_token

    def close(self) -> None:
        """Close the pool."""
        self._engine.dispose()


def installation(number: int) -> Installation:
    """Return a user's token as an installation of Slack's."""
    known = record(number)
    return Installation(
        app_id="app",
        team_id=f"T{number}",
        user_id=f"U{number}",
        user_token=known.access_token,
        user_refresh_token=known.refresh_token,
        bot_id=f"B{number}",
        bot_user_id=f"B{number}",
        bot_token=known.access_token,
        installed_at=AT,
    )


def fill_slack(place: Place, rows: int) -> None:
    """Fill both of its tables."""
    engine = create_engine(place.url)
    store = SQLAlchemyInstallationStore(client_id="client", engine=engine)
    store.create_tables()  # type: ignore[no-untyped-call]
    with engine.begin() as connection:
        for page in pages(rows):
            made = [installation(number) for number in page]
            connection.execute(
                store.installations.insert(), [_slack_row(one.to_dict()) for one in made]
            )
            connection.execute(
                store.bots.insert(), [_slack_row(one.to_bot().to_dict()) for one in made]
            )
    engine.dispose()


def _slack_row(values: dict[str, Any]) -> dict[str, Any]:
    return values | {"client_id": "client", "installed_at": AT}
