"""Keys, ciphers and row codecs: between records and column values."""
