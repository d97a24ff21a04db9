"""How every part of a specification checks its fields and reads those that may be absent."""

from typing import Any

from fieldfare.core.errors import ConfigError


def need(condition: bool, name: str, message: str) -> None:
    """Raise `ConfigError` for the field `name` unless the condition holds."""
    if not condition:
        raise ConfigError(message, field=name)


def optional(proto: Any, name: str, default: Any) -> Any:
    """A field of a message, or its default where it is absent."""
    return getattr(proto, name) if proto.HasField(name) else default


def enum_of(kind: Any, code: int, default: Any, name: str) -> Any:
    """The member of the enumeration `kind` with this code; the default for UNSPECIFIED.

    Raises:
        ConfigError: a code from a newer version.
    """
    if code == 0:
        return default
    try:
        return kind(code)
    except ValueError as error:
        raise ConfigError(f"code {code} is not known to this version; upgrade Fieldfare", field=name) from error
