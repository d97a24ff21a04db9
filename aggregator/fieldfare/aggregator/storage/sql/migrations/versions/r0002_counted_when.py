"""When a report was counted and into which round; late and duplicate reports of each round."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Reports counted before were counted into the round of their assignment, at a time that nobody knows any more."""
    op.add_column("counted", sa.Column("counted_in", sa.Integer, nullable=False, server_default="0"))
    op.add_column("counted", sa.Column("counted_at", sa.BigInteger, nullable=False, server_default="0"))
    op.execute(sa.text("update counted set counted_in = number"))
    op.add_column("rounds", sa.Column("late", sa.Integer, nullable=False, server_default="0"))
    op.add_column("rounds", sa.Column("duplicates", sa.Integer, nullable=False, server_default="0"))
