"""A small application on the real SDK, for the demonstration: log in, read a record, revoke."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.dc.data_center import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.record import RecordOperations
from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from zoho_tokenstore.sdk.token_store import SDKTokenStore

__all__ = ["Application", "Visit"]

LEAD_ID = 700042


@dataclass(frozen=True, slots=True)
class Visit:
    """What one user's visit came to.

    Attributes:
        token_id: The id of the user's stored token.
        email: The mail address in the record that Zoho answered with: the token's user.
    """

    token_id: str
    email: str


@dataclass(frozen=True, slots=True)
class Application:
    """An application of one Zoho client.

    Attributes:
        api_url: Base URL of the CRM's API.
        accounts_url: URL of the token endpoint.
        folder: Where the SDK may keep its files.
    """

    api_url: str
    accounts_url: str
    folder: Path

    CLIENT_ID = "1000.DEMOCLIENT"
    CLIENT_SECRET = "made-up-secret-of-the-demo"  # noqa: S105 - LocalZoho takes any

    def log_in(self, store: SDKTokenStore, grant_tokens: Sequence[str]) -> list[Visit]:
        """Log users in with their grant tokens, and read a record as each."""
        tokens = (
            OAuthToken(self.CLIENT_ID, self.CLIENT_SECRET, grant_token=grant)
            for grant in grant_tokens
        )
        return [self._visit(store, token) for token in tokens]

    def come_back(self, store: SDKTokenStore, user_names: Sequence[str]) -> list[Visit]:
        """Read a record as users of whom nothing but the name is known."""
        tokens = (OAuthToken(user_signature=UserSignature(name)) for name in user_names)
        return [self._visit(store, token) for token in tokens]

    def revoke(self, store: SDKTokenStore, user_name: str) -> bool:
        """Revoke a user's refresh token at Zoho and remove it from the store."""
        token = OAuthToken(user_signature=UserSignature(user_name))
        self._initialize(store, token)
        return bool(token.revoke(token.get_id())) and bool(token.remove())

    def _visit(self, store: SDKTokenStore, token: OAuthToken) -> Visit:
        self._initialize(store, token)
        record = RecordOperations("Leads").get_record(LEAD_ID).get_object().get_data()[0]
        return Visit(token.get_id(), record.get_key_value("Email"))

    def _initialize(self, store: SDKTokenStore, token: OAuthToken) -> None:
        environment = DataCenter.Environment(self.api_url, self.accounts_url, self.api_url)
        Initializer.initialize(
            environment,
            token,
            store=store,
            sdk_config=SDKConfig(pick_list_validation=False),
            resource_path=str(self.folder),
        )
