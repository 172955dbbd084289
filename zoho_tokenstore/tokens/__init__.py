"""What a token is and which stored row it belongs to: pure functions, no SQL, no SDK."""
