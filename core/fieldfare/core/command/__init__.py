"""The `fieldfare` command: finds the sub-commands that the rooms registered, and turns errors into one clear line."""

from fieldfare.core.command._command import Command, Console
from fieldfare.core.command._main import main, run
from fieldfare.core.command._quiet import quiet_log, quiet_native_output

__all__ = ["Command", "Console", "main", "quiet_log", "quiet_native_output", "run"]
