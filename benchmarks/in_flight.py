"""What 1,000 calls at once take: memory of the runner and of its launcher, without TLS, and with it as for Kimi."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from benchmarks import api
from benchmarks.figures import Figure
from benchmarks.resting import children, resident
from benchmarks.stage import Stage, stage, until

CALLS = 1000
# The slow answers last so long, after which all must have begun; a part of each comes once in so many seconds.
API_SECONDS = 45.0
BEAT = 1.0


def measure(folder: Path | None) -> list[Figure]:
    """Return MB resident while all calls are in flight, and the most until all hooks have run."""
    plain, plain_peak, _ = in_flight(folder, CALLS, API_SECONDS)
    with certificate() as pem:
        tls, tls_peak, launcher = in_flight(folder, CALLS, API_SECONDS, pem)
    return [
        Figure("memory of the runner, 1,000 calls in flight", plain, "MB", at_most=250),
        Figure("the same by TLS", tls, "MB", at_most=250),
        Figure("the most of it, until all hooks had run", max(plain_peak, tls_peak), "MB", at_most=250),
        Figure("memory of the launcher then", launcher, "MB"),
    ]


def in_flight(folder: Path | None, calls: int, seconds: float, pem: Path | None = None) -> tuple[float, float, float]:
    """Return MB of the runner with so many calls in flight, its most until the end, and MB of the launcher.

    Raises TimeoutError when not all calls are in flight before the first answer ends.
    """
    with (
        api.running(seconds, min(BEAT, seconds / 2), pem) as url,
        stage(folder=folder, url=url, calls=calls) as place,
    ):
        if pem is not None:
            place.environ["REQUESTS_CA_BUNDLE"] = str(_bundle(place, pem))
        with place.runner() as pid:
            for key in place.prepare(calls):
                place.drop(key)
            began = time.monotonic()
            until(lambda: _sockets(pid) >= calls, 0.1)
            if time.monotonic() - began > seconds:
                raise TimeoutError(f"{calls} calls were not in flight at once within {seconds:g} s")
            memory, launcher = resident(pid), sum(map(resident, children(pid)))
            until(lambda: len(place.marks()) >= calls, 0.1)
            return memory, resident(pid, most=True), launcher


def _sockets(pid: int) -> int:
    """Return how many connections the process holds; two or three of them are to its launcher."""
    count = 0
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += str(fd.readlink()).startswith("socket:")
    return count


def _bundle(place: Stage, pem: Path) -> Path:
    """Write the usual certificates and that of the server into one file: people's are that long."""
    bundle = place.shelf / "bundle.pem"
    bundle.write_text(pem.read_text() + Path(DEFAULT_CA_BUNDLE_PATH).read_text())
    return bundle


@contextmanager
def certificate() -> Iterator[Path]:
    """Make a certificate for this machine, and its key, in one file."""
    with tempfile.TemporaryDirectory(prefix="kimi-hooks-bench-") as name:
        pem = Path(name) / "both.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", pem, "-keyout", pem],
            check=True, capture_output=True,
        )  # fmt: skip
        yield pem
