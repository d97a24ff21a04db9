import pytest

from fieldfare.core.addresses import parse_address
from fieldfare.core.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:8470", True),
        ("127.8.9.10:1", True),
        ("localhost:8470", True),
        ("[::1]:8470", True),
        ("10.0.0.1:8470", False),
        ("[fe80::1]:8470", False),
        ("localhost.example.org:8470", False),
        ("127.0.0.1.example.org:8470", False),
        ("0.0.0.0:8470", False),
    ],
)
def test_addresses(text: str, loopback: bool) -> None:
    address = parse_address(text, field="aggregator")
    assert address.is_loopback is loopback
    assert str(address) == text


@pytest.mark.parametrize("text", ["", "host", "host:", ":1", "host:0", "host:70000", "::1:80", "http://h:80", "a b:1"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        parse_address(text, field="aggregator")


def test_port_zero_is_for_whoever_listens() -> None:
    assert parse_address("127.0.0.1:0", field="listen", lowest_port=0).port == 0
    with pytest.raises(ConfigError, match="listen"):
        parse_address("127.0.0.1:-1", field="listen", lowest_port=0)
