"""The tables, their revisions, and Alembic."""
