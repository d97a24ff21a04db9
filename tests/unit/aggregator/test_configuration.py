"""The configuration file: what is printed is read back the same, and what is not known is refused."""

import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fieldfare.aggregator.configuration import (
    Configuration,
    keys,
    print_configuration,
    read_configuration,
)
from fieldfare.aggregator.settings import ServerSettings
from fieldfare.core.configuration import documentation
from fieldfare.core.errors import ConfigError

FILE = """
state = "/var/lib/fieldfare"
listen = "0.0.0.0:8470"

[pace]
shortest = "250ms"
check_ins_per_s = 40

[limits]
max_ingest_bytes = "1.5GiB"
max_artifact_bytes = 1000
report_time_limit = "2h"

[security]
tls_cert = "chain.pem"
tls_key = "key.pem"
publishers = ["one.pem", "two.pem"]

[observability]
log_format = "json"
"""


def read(tmp_path: Path, text: str, **flags: Any) -> Configuration:
    path = tmp_path / "aggregator.toml"
    path.write_text(text)
    return read_configuration(path, flags)


def test_values_and_their_units(tmp_path: Path) -> None:
    found = read(tmp_path, FILE)
    assert found.state == Path("/var/lib/fieldfare")
    assert found.settings.pace.shortest == timedelta(milliseconds=250)
    assert found.settings.pace.check_ins_per_s == 40.0
    assert found.settings.limits.max_ingest_bytes == 3 * 2**29
    assert found.settings.limits.max_artifact_bytes == 1000
    assert found.settings.limits.report_time_limit == timedelta(hours=2)
    assert found.settings.security.tls_key == Path("key.pem")
    assert found.settings.security.publishers == (Path("one.pem"), Path("two.pem"))
    assert found.settings.observability.log_format == "json"
    assert found.settings.limits.max_reports == ServerSettings().limits.max_reports


def test_flags_go_before_the_file(tmp_path: Path) -> None:
    flags = {"listen": "127.0.0.1:1", "pace.shortest": "3s", "engine.receipt_wait": None}
    found = read(tmp_path, FILE, **flags)
    assert (found.listen, found.settings.pace.shortest) == ("127.0.0.1:1", timedelta(seconds=3))
    assert found.settings.engine == ServerSettings().engine


def test_what_is_printed_is_read_back(tmp_path: Path) -> None:
    found = read(tmp_path, FILE)
    assert read(tmp_path, print_configuration(found)) == found
    assert read(tmp_path, print_configuration(Configuration())) == Configuration()


def test_the_printed_defaults_are_the_defaults(tmp_path: Path) -> None:
    text = print_configuration(Configuration())
    with_values = re.sub(r"^#(\w+ = )", r"\1", text, flags=re.MULTILINE)
    unset = re.sub(r'^\w+ = "(PATH|TEXT)"$', "", with_values, flags=re.MULTILINE)
    assert read(tmp_path, unset) == Configuration()
    shown = {
        ".".join((*path, name))
        for table, inner in tomllib.loads(with_values).items()
        for path, name in ([((table,), one) for one in inner] if isinstance(inner, dict) else [((), table)])
    }
    assert shown == {key.name for key in keys()}


def test_every_setting_is_documented() -> None:
    text = print_configuration(Configuration())
    for key in keys():
        before = text[: re.search(rf"^#{key.path[-1]} = ", text, re.MULTILINE).start()]  # type: ignore[union-attr]
        assert re.search(r"# \S.*\n\Z", before), f"{key.name} has no line under Attributes:"


def test_documentation_reads_wrapped_lines() -> None:
    class Example:
        """Some.

        Attributes:
            one: first line,
                and second.
            two: another.

        Raises:
            ConfigError: never.
        """

    assert documentation(Example) == {"one": "first line, and second.", "two": "another."}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stat = 1", r"stat: there is no such key; did you mean 'state'\?"),
        ("[limit]", r"limit: there is no such key; did you mean 'limits'\?"),
        ("[limits]\nmax_report = 1", r"limits.max_report: there is no such key; did you mean 'max_reports'\?"),
        ("zzz = 1", "zzz: there is no such key; known are admin_listen"),
        ("settings = 1", "settings: there is no such key"),
        ("limits = 3", "limits: must be a table, got 3"),
        ("[limits]\nmax_reports = true", "limits.max_reports: must be a whole number, got True"),
        ("[limits]\nmax_reports = 0", "limits.max_reports: must be at least 1"),
        ('[limits]\nmax_ingest_bytes = "3 bananas"', "limits.max_ingest_bytes: .*'3 bananas', known units: TiB"),
        ('[limits]\nmax_ingest_bytes = "0.3B"', "limits.max_ingest_bytes: must be a whole number of bytes"),
        ("[limits]\nmax_ingest_bytes = -1", "limits.max_ingest_bytes: must be at least 1"),
        ("[pace]\nshortest = 3", 'pace.shortest: must be a duration with its unit, such as "250ms"'),
        ('[pace]\nshortest = "9999d"', "pace.shortest: must be at most 3650 days"),
        ('[pace]\nshortest = "2h"', "pace.longest: must not be below pace.shortest"),
        ("[pace]\ncheck_ins_per_s = nan", "pace.check_ins_per_s: must be a number"),
        ('[security]\npublishers = "one.pem"', "security.publishers: must be a list, got 'one.pem'"),
        ("[security]\npublishers = [3]", "security.publishers: must be a text, got 3"),
        ('[security]\ntls_cert = ""', "security.tls_cert: must not be empty"),
        ('[security]\ntls_cert = "a"', "security.tls_cert: TLS needs both"),
        ('[observability]\nlog_format = "xml"', "log_format: must be one of text, json, got 'xml'"),
        ("listen = 8470", "listen: must be a text, got 8470"),
        ("[limits", "is not TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, text)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.toml"):
        read_configuration(tmp_path / "nowhere.toml", {})
    with pytest.raises(ConfigError, match="larger than 1 MiB"):
        read(tmp_path, "#" * 2**21)
