import inspect

import pytest

from fieldfare import core
from fieldfare.core import VERSION, errors
from fieldfare.core.errors import ConfigError, FieldfareError, ModelError, TransportError, UpdateError


def test_every_error_is_listed_in_the_tree_and_derives_from_the_base():
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, Exception)}
    assert classes == set(errors.__all__)
    assert all(issubclass(getattr(errors, name), FieldfareError) for name in classes)
    assert all(name in errors.__doc__ for name in classes)


@pytest.mark.parametrize(("field", "message"), [("local.epochs", "local.epochs: must be 1"), ("", "must be 1")])
def test_config_error_names_its_field_and_exits_with_two(field, message):
    error = ConfigError("must be 1", field=field)
    assert str(error) == message
    assert error.field == field
    assert error.exit_status == 2


def test_other_errors_exit_with_one():
    assert FieldfareError.exit_status == 1
    assert UpdateError("shape", "x").exit_status == 1


def test_model_error_lists_every_problem_on_a_line_of_its_own():
    error = ModelError("cannot be exported:", ("layer a: use b", "layer c"))
    assert str(error) == "cannot be exported:\n  - layer a: use b\n  - layer c"
    assert error.problems == ("layer a: use b", "layer c")


def test_update_error_carries_its_reason():
    error = UpdateError("digest", "the digest differs")
    assert (error.reason, str(error)) == ("digest", "the digest differs")


def test_transport_error_is_retryable_unless_said_otherwise():
    assert TransportError("x").retryable
    assert not TransportError("x", retryable=False).retryable


def test_version_is_that_of_the_distribution():
    assert VERSION.split(".")[0].isdigit()


def test_the_package_has_nothing_but_its_version() -> None:
    with pytest.raises(AttributeError, match="no attribute 'VERSIONS'"):
        core.VERSIONS  # noqa: B018
