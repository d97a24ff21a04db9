import pytest

from fieldfare.core.wording import one_line


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("", ""),
        ("as it is: ä, 日本", "as it is: ä, 日本"),
        ("two\nlines\t and  gaps ", "two lines and gaps"),
        ("\x1b[31mred\x07\u202e", "[31mred"),
        ("x" * 10**6, "x" * 300),
        (" " * 10**6 + "hidden", ""),
    ],
)
def test_words_from_outside_become_one_short_printable_line(given: str, shown: str) -> None:
    assert one_line(given) == shown
