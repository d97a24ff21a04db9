"""Enrolled devices, their one-time keys, administrators' credentials, the audit log, and publishers' signatures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_APPEND_ONLY = "the audit log is append-only"


def upgrade() -> None:
    """New tables; tasks from before have no signatures."""
    op.create_table(
        "enrollment_keys",
        sa.Column("digest", sa.LargeBinary(32), primary_key=True),
        sa.Column("population", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("used_by", sa.LargeBinary(16)),
    )
    op.create_table(
        "devices",
        sa.Column("device_id", sa.LargeBinary(16), primary_key=True),
        sa.Column("population", sa.String(64), nullable=False),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("enrolled_at", sa.BigInteger, nullable=False),
        sa.Column("refreshed_micros", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )
    op.create_index("ix_devices_revoked_at", "devices", ["revoked_at"])
    op.create_table(
        "credentials",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("role", sa.Integer, nullable=False),
        sa.Column("salt", sa.LargeBinary(16), nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
    )
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "audit_records",
        sa.Column("number", number, primary_key=True, autoincrement=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("who", "origin", "call", "subject", "detail")),
        sa.Column("outcome", sa.String(32), nullable=False),
    )
    op.add_column("tasks", sa.Column("plan_signatures", sa.LargeBinary))
    _forbid_changes(op.get_bind().dialect.name)


def _forbid_changes(dialect: str) -> None:
    if dialect == "postgresql":
        op.execute(
            "create function fieldfare_append_only() returns trigger language plpgsql as "
            f"$$ begin raise exception '{_APPEND_ONLY}'; end $$"
        )
        op.execute(
            "create trigger audit_records_stay before update or delete on audit_records "
            "for each row execute function fieldfare_append_only()"
        )
        return
    for change in ("update", "delete"):
        op.execute(
            f"create trigger audit_records_no_{change} before {change} on audit_records "
            f"begin select raise(abort, '{_APPEND_ONLY}'); end"
        )
