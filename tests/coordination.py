"""One row, its leases and a clock in memory, and coordinators on them: no database, no Zoho."""

from zoho_tokenstore import RefreshPolicy
from zoho_tokenstore.refresh.coordinator import RefreshCoordinator
from zoho_tokenstore.refresh.lease import Lease, is_late, settle_lease
from zoho_tokenstore.tokens.record import TokenRecord

HOUR = 3600.0


class Database:
    """One row, its leases, and a clock: what the workers share."""

    def __init__(self, expires_in=-1.0):
        self.seconds = 1_000_000.0
        self.leases = {}
        self.row = TokenRecord(id="1", refresh_token="r", access_token="a0", expiry=0)
        self.renew("a0", expires_in)

    def renew(self, access_token, expires_in=HOUR):
        expiry = int((self.seconds + expires_in) * 1000)
        self.row = self.row._replace(access_token=access_token, expiry=expiry)

    def find(self):
        return self.row

    def read_lease(self, key):
        return self.leases.get(key, Lease()), int(self.seconds * 1000)

    def write_lease(self, key, lease):
        if lease.version != self.leases.get(key, Lease()).version + 1:
            return False
        self.leases[key] = lease
        return True

    def time(self):
        return self.seconds

    monotonic = time

    def sleep(self, seconds):
        self.seconds += seconds

    def save(self, claim, access_token):
        """Store and settle as the real store does."""
        lease = self.leases[claim.key]
        if not is_late(lease, claim.owner):
            self.renew(access_token)
            self.leases[claim.key] = settle_lease(lease, claim.owner)


SERVER = "https://accounts.example.com"


def serve(refresher, database):
    return refresher.claim_refresh(database.row, database.find, SERVER)


def refresh(refresher, database, access_token="new", expires_in=HOUR):
    served = serve(refresher, database)
    assert served.claim is not None
    database.save(served.claim, access_token)
    database.renew(access_token, expires_in)
    refresher.settle_claim(served.claim)


def worker(database, **policy):
    return RefreshCoordinator(RefreshPolicy(**policy), database, database)
