"""A small application of the site."""
