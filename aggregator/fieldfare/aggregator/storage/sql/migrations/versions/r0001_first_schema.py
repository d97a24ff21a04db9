"""Tasks, checkpoints, rounds, snapshots and counted devices, as before there were migrations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables in an empty data base."""
    op.create_table(
        "facts",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "tasks",
        sa.Column("task_id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("population", sa.String(64), nullable=False),
        sa.Column("spec", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("plan_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("plan_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
    )
    op.create_index("ix_tasks_population", "tasks", ["population"])
    op.create_index("tasks_name", "tasks", ["name"])
    op.create_table(
        "checkpoints",
        sa.Column("task_id", sa.String(32), sa.ForeignKey("tasks.task_id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("state_sha256", sa.LargeBinary(32)),
        sa.Column("state_bytes", sa.BigInteger),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_checkpoints_sha256", "checkpoints", ["sha256"])
    _create_rounds()


def _create_rounds() -> None:
    counts = ("assigned", "reported", "withdrawn", "refused")
    op.create_table(
        "rounds",
        sa.Column("task_id", sa.String(32), sa.ForeignKey("tasks.task_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Integer, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("checkpoint_version", sa.Integer, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("reason", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in counts),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("examples", "bytes_up", "bytes_down")),
        sa.Column("metrics", sa.Text, nullable=False),
        sa.Column("refusals", sa.Text, nullable=False),
    )
    op.create_table(
        "snapshots",
        sa.Column("task_id", sa.String(32), sa.ForeignKey("tasks.task_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("replica", sa.String(64), primary_key=True),
        sa.Column("blob_key", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("weight", sa.BigInteger, nullable=False),
        sa.Column("metrics", sa.Text, nullable=False),
    )
    op.create_table(
        "counted",
        sa.Column("task_id", sa.String(32), sa.ForeignKey("tasks.task_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("device_id", sa.LargeBinary(16), primary_key=True),
    )
