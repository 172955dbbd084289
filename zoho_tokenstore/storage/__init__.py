"""All SQL on the tables."""
