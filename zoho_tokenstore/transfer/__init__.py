"""Tokens from the stores that SDKs ship, and back again."""
