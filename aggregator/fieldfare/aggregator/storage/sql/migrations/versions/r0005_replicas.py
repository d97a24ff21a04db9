"""Several replicas add up one round: whose snapshot, whose device, and what each replica holds in memory."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """What was written before was written by the one replica without a name."""
    op.add_column("snapshots", sa.Column("counts", sa.Text, nullable=False, server_default="{}"))
    op.add_column("counted", sa.Column("replica", sa.String(64), nullable=False, server_default=""))
    op.create_table(
        "shares",
        sa.Column("task_id", sa.String(32), sa.ForeignKey("tasks.task_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("replica", sa.String(64), primary_key=True),
        sa.Column("places", sa.Integer, nullable=False),
        sa.Column("working", sa.Integer, nullable=False),
        sa.Column("pending", sa.LargeBinary, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
