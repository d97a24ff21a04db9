"""What every data base holds once its schema is there: its format, and the key that seals tickets."""

import secrets

from sqlalchemy import Connection, insert, select, update

from fieldfare.aggregator.storage.sql import _tables as t
from fieldfare.aggregator.storage.sql.migrations import head
from fieldfare.core.rounds import TICKET_KEY_BYTES


def write_facts(connection: Connection) -> None:
    """Note the present format, for versions that do not know revisions; make the key where there is none yet."""
    format_version = str(int(head())).encode()
    names = set(connection.scalars(select(t.facts.c.name)))
    if "format_version" in names:
        where = t.facts.c.name == "format_version"
        connection.execute(update(t.facts).where(where).values(value=format_version))
    else:
        # Safe: a data base that has a format but lost its key is damaged, and gets no new key unnoticed.
        facts = {"format_version": format_version, "ticket_key": secrets.token_bytes(TICKET_KEY_BYTES)}
        connection.execute(insert(t.facts), [{"name": key, "value": value} for key, value in facts.items()])
