"""Bounds that several sections share. `section` is the name under which the operator wrote the field."""

from datetime import timedelta
from typing import Any

from fieldfare.core.errors import ConfigError


def need(condition: bool, section: str, name: str, message: str) -> None:
    """Refuse a field.

    Raises:
        ConfigError: the condition does not hold.
    """
    if not condition:
        raise ConfigError(message, field=f"{section}.{name}")


def at_least_one(section: str, settings: Any, *names: str) -> None:
    """Counts and sizes."""
    for name in names:
        need(getattr(settings, name) >= 1, section, name, "must be at least 1")


def positive(section: str, settings: Any, *names: str) -> None:
    """Durations that cannot be zero."""
    for name in names:
        need(getattr(settings, name) > timedelta(0), section, name, 'must be a positive duration, such as "30s"')


def not_negative(section: str, settings: Any, *names: str) -> None:
    """Durations that may be zero."""
    for name in names:
        need(getattr(settings, name) >= timedelta(0), section, name, "must not be negative")
