"""The file of roles, and whose words become the vocabulary."""

import gzip
import json
from pathlib import Path

import pytest

from examples.keyboard.roles import Role, public_vocabulary, read_roles
from fieldfare.core.errors import DataError, NotFoundError


def test_roles_are_read_with_their_parts(tmp_path: Path) -> None:
    path = tmp_path / "roles.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps({"user": "play|King", "lines": ["one", "two", "three"], "n_train": 2}) + "\n")
    assert read_roles(path) == [Role("play|King", ("one", "two"), ("three",))]


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "roles.jsonl.gz"
    with pytest.raises(NotFoundError, match="there is no"):
        read_roles(path)
    path.write_bytes(b"no gzip")
    with pytest.raises(DataError, match="no file of roles"):
        read_roles(path)
    for wrong in ("[]", '{"user": "a", "lines": "b", "n_train": 1}', "{"):
        with gzip.open(path, "wt") as file:
            file.write(wrong)
        with pytest.raises(DataError, match="no file of roles"):
            read_roles(path)


def test_a_word_that_one_role_alone_says_is_in_no_vocabulary() -> None:
    # Of these names some are donors and some are not.
    roles = [Role(f"role {number}", ("common", f"own{chr(97 + number)}"), ("later",)) for number in range(20)]
    assert public_vocabulary(roles).words == ("common",)
