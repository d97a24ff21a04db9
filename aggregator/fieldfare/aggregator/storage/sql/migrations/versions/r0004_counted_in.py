"""An index that finds what was counted into a round, and one for the times of participations."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Indices only."""
    op.create_index("counted_in_round", "counted", ["task_id", "counted_in"])
    op.create_index("counted_when", "counted", ["task_id", "counted_at"])
