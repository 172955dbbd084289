"""Import of tokens from other stores, and export to them."""
