"""Words that came from somewhere else, made fit for a log and a terminal."""

__all__ = ["one_line"]

_LONGEST = 300


def one_line(text: str) -> str:
    """The printable characters of a peer's words, on one line, at most 300 of them.

    Nothing else of a message from outside is shown to people: control characters can rewrite a terminal, and four
    megabytes of reasons fill a log.
    """
    # Cut first, so that no more is looked at than can be shown.
    words = " ".join(text[: 4 * _LONGEST].split())
    return "".join(one for one in words if one.isprintable())[:_LONGEST]
