"""A real browser without a screen, Debian's Chromium, that reaches no network."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--enable-logging=stderr",
    # Whatever a page asks for is not there.
    "--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9",
)  # fmt: skip
_SECONDS = 120
_MEASURE = """<script>
document.documentElement.setAttribute("data-overflow", document.documentElement.scrollWidth - innerWidth);
</script>"""


@dataclass
class Browser:
    """Each call starts it anew, with a profile of its own in a folder."""

    folder: Path

    def document(self, page: Path, *, width: int = 1200, dark: bool = False) -> str:
        """The page as the browser has taken it in. Fails where the page has complained."""
        return self._run(page, "--dump-dom", *_looks(width, 1000, dark=dark))

    def picture(self, page: Path, *, width: int, height: int, dark: bool = False) -> "np.ndarray[Any, Any]":
        """`(height, width, 3)` uint8."""
        from matplotlib.image import imread

        shot = self.folder / f"shot-{width}-{dark}.png"
        self._run(page, f"--screenshot={shot}", *_looks(width, height, dark=dark))
        return (imread(shot)[..., :3] * 255).astype(np.uint8)

    def overflow(self, page: Path, *, width: int) -> int:
        """By how many pixels the page is wider than the window; tables may scroll inside of it."""
        measured = self.folder / "measured.html"
        measured.write_text(page.read_text(encoding="utf-8").replace("</body>", f"{_MEASURE}</body>"), encoding="utf-8")
        found = re.search(r'data-overflow="(-?[0-9]+)"', self.document(measured, width=width))
        assert found is not None
        return int(found[1])

    def _run(self, page: Path, *flags: str) -> str:
        command = ["chromium", *_QUIET, f"--user-data-dir={self.folder / 'profile'}", *flags, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
        assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
        return done.stdout


@pytest.fixture
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    if shutil.which("chromium") is None:
        pytest.skip("no `chromium` on PATH to open a report with")
    return Browser(tmp_path_factory.mktemp("browser"))


def _looks(width: int, height: int, *, dark: bool) -> list[str]:
    return [f"--window-size={width},{height}", *(["--blink-settings=preferredColorScheme=0"] if dark else [])]
