"""${message}.

Revision ID: ${up_revision}
Revises: ${down_revision or "none"}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    """Move to this revision."""
    table, schema = op.get_context().opts["token_table"], op.get_context().opts["token_schema"]
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Move back to the revision before."""
    table, schema = op.get_context().opts["token_table"], op.get_context().opts["token_schema"]
    ${downgrades if downgrades else "pass"}
