"""What a data base says, in one line."""

from sqlalchemy.exc import SQLAlchemyError


def cause(error: SQLAlchemyError) -> str:
    """The driver's own words, without the statement and its values."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]
