"""The tables, in SQLAlchemy Core. Times are microseconds since 1970 in UTC.

A change here needs a revision in `migrations/versions`, which brings existing state to it.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()

facts = Table(
    "facts",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

tasks = Table(
    "tasks",
    metadata,
    Column("task_id", String(32), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("population", String(64), nullable=False, index=True),
    Column("spec", LargeBinary, nullable=False),
    Column("state", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("plan_sha256", LargeBinary(32), nullable=False),
    Column("plan_bytes", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    # Publishers' signatures: a serialised `SubmitTaskHeader` with nothing else in it.
    Column("plan_signatures", LargeBinary),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("task_id", ForeignKey("tasks.task_id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sha256", LargeBinary(32), nullable=False, index=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("state_sha256", LargeBinary(32)),
    Column("state_bytes", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)

rounds = Table(
    "rounds",
    metadata,
    Column("task_id", ForeignKey("tasks.task_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", Integer, nullable=False),
    Column("state", Integer, nullable=False),
    Column("checkpoint_version", Integer, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("reason", Text, nullable=False),
    Column("assigned", Integer, nullable=False),
    Column("reported", Integer, nullable=False),
    Column("withdrawn", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("examples", BigInteger, nullable=False),
    Column("bytes_up", BigInteger, nullable=False),
    Column("bytes_down", BigInteger, nullable=False),
    Column("metrics", Text, nullable=False),
    Column("refusals", Text, nullable=False),
    Column("late", Integer, nullable=False, server_default="0"),
    Column("duplicates", Integer, nullable=False, server_default="0"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("task_id", ForeignKey("tasks.task_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    # Room for several replicas, each with a partial sum of its own; one replica has the empty name.
    Column("replica", String(64), primary_key=True),
    Column("blob_key", Text, nullable=False),
    Column("count", Integer, nullable=False),
    Column("weight", BigInteger, nullable=False),
    Column("metrics", Text, nullable=False),
    # What goes with the sum of one of several replicas; see `counts_of`.
    Column("counts", Text, nullable=False, server_default="{}"),
)

# What each of several replicas holds in memory for an open round.
shares = Table(
    "shares",
    metadata,
    Column("task_id", ForeignKey("tasks.task_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("replica", String(64), primary_key=True),
    Column("places", Integer, nullable=False),
    Column("working", Integer, nullable=False),
    Column("pending", LargeBinary, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
)

# The primary key is the promise that a device counts once for an assignment; `number` is the assignment's round, and
# `counted_in` the one whose sum it went into. `counted_at` is 0 for what was counted before times were kept.
counted = Table(
    "counted",
    metadata,
    Column("task_id", ForeignKey("tasks.task_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("device_id", LargeBinary(16), primary_key=True),
    Column("counted_in", Integer, nullable=False, server_default="0"),
    Column("counted_at", BigInteger, nullable=False, server_default="0"),
    Column("replica", String(64), nullable=False, server_default=""),
)

Index("tasks_name", tasks.c.name)
Index("counted_in_round", counted.c.task_id, counted.c.counted_in)
Index("counted_when", counted.c.task_id, counted.c.counted_at)

enrollment_keys = Table(
    "enrollment_keys",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("population", String(64), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    # The device that enrolled with it; a key works for one.
    Column("used_by", LargeBinary(16)),
)

devices = Table(
    "devices",
    metadata,
    Column("device_id", LargeBinary(16), primary_key=True),
    Column("population", String(64), nullable=False),
    Column("public_key", LargeBinary(32), nullable=False),
    Column("enrolled_at", BigInteger, nullable=False),
    # The time that the device signed last, by its own clock: a refresh must be later.
    Column("refreshed_micros", BigInteger, nullable=False),
    Column("revoked_at", BigInteger, index=True),
)

credentials = Table(
    "credentials",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("role", Integer, nullable=False),
    Column("salt", LargeBinary(16), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

# Rows are added only: triggers refuse anything else.
audit_records = Table(
    "audit_records",
    metadata,
    Column("number", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("call", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("outcome", String(32), nullable=False),
)
