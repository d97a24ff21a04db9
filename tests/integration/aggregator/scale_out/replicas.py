"""Real `fieldfare serve` processes over one PostgreSQL and one object store."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.commands import FIELDFARE, environment, free_port
from tests.support.fleet_threads import wait_until


@dataclass
class Replica:
    """One of them; it may be killed and started again on the same ports."""

    name: str
    state: Path
    options: list[str]
    variables: dict[str, str]
    port: int = field(default_factory=free_port)
    admin_port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        listen = ("--listen", f"127.0.0.1:{self.port}", "--admin-listen", f"127.0.0.1:{self.admin_port}")
        command = [*FIELDFARE, "serve", "--state", str(self.state), "--replica", self.name, *listen, *self.options]
        log = self.state.with_suffix(".log").open("ab")
        with log:
            self.process = subprocess.Popen(command, env=environment(**self.variables), stdout=log, stderr=log)

    def wait_until_ready(self) -> None:
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log
            return b"listening for administration" in self.state.with_suffix(".log").read_bytes()

        wait_until(ready, f"{self.name} to listen")

    @property
    def log(self) -> str:
        return self.state.with_suffix(".log").read_text()

    @property
    def admin_address(self) -> str:
        return f"127.0.0.1:{self.admin_port}"

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            self.state.with_suffix(".log").rename(self.state.with_suffix(f".{self.port}.killed"))
