"""Commands of the operating system that tell what no file does."""

from datetime import timedelta

_ASK_S = 2.0


def ask_metered(nmcli: str, interface: str) -> bool | None:
    """NetworkManager's word; None for "unknown", and where it does not answer.

    The answer is such as "GENERAL.METERED:no (guessed)".
    """
    told = _ask([nmcli, "-t", "-f", "GENERAL.METERED", "device", "show", interface])
    return {"yes": True, "no": False}.get(told.strip().removeprefix("GENERAL.METERED:").split(" ")[0])


def ask_idle(loginctl: str, monotonic_s: float) -> timedelta | None:
    """Since when logind has seen nobody at work, in any session; None where it does not answer.

    A desktop tells logind when its screen goes dark, a terminal's use it sees itself. While somebody is at work the
    answer is zero, and without limit where nobody is logged in.
    """
    told = _ask([loginctl, "show", "--property=IdleHint", "--property=IdleSinceHintMonotonic"])
    words = dict(line.split("=", 1) for line in told.splitlines() if "=" in line)
    match words.get("IdleHint"), words.get("IdleSinceHintMonotonic", ""):
        case "no", _:
            return timedelta(0)
        case "yes", "0":
            return timedelta.max
        case "yes", since if since.isdecimal():
            return max(timedelta(seconds=monotonic_s) - timedelta(microseconds=int(since)), timedelta(0))
    return None


def _ask(command: list[str]) -> str:
    import subprocess

    try:
        # Safe: the arguments are ours or the kernel's, one each; nothing passes through a shell.
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=False)  # noqa: S603
    except (OSError, UnicodeDecodeError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout if answer.returncode == 0 else ""
