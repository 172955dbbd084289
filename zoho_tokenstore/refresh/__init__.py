"""One refresh per expiry: lease rules, coordinator, single flight. No SQL, no SDK."""
