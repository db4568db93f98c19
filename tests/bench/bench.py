"""forebay and dlt at the same work, one after the other: wall time, peak memory, and how they compare.

All members of a mock API (100 to a page, no quota) go into an empty DuckDB file. Each run is a process of its own with a
directory of its own, timed from its start to its end as cron would see it (for dlt this includes about a second of Python
imports); the mock is one process for all. Standard library only: this process stays small, because what it
uses when it forks counts as the least its children can have used.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# dlt as installed keeps the text of its INSERT statements in memory, more than 80 kB a row.
INSERT_VALUES_LIMIT = 200_000


@dataclass
class Result:
    """One line of the table; of several runs, the median of the times and the highest peak."""

    name: str
    disposition: str
    runs: int
    wall_s: float
    peak_mb: float
    ratio: float | None = None
    """Wall time over forebay's with the same disposition."""


@contextlib.contextmanager
def mock_api(binary: str, rows: int):
    """The URL of a mock API with so many members, for as long as the block lasts."""
    command = [binary, "--members", str(rows), "--rate", "none", "--key", "sk_sb_demo"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if "http://" not in line:
            raise SystemExit(f"bench: the mock API did not start: {line!r}")
        yield line.split()[-1]
    finally:
        process.terminate()
        process.wait()


def timed(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall seconds and peak resident megabytes of a command that must succeed."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command, env={**os.environ, **environment}, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            output.seek(0)
            sys.stderr.write(output.read().decode(errors="replace")[-4000:])
            raise SystemExit(f"bench: exit code {process.returncode} from {' '.join(command)}")
    per_mb = 1e6 if sys.platform == "darwin" else 1e6 / 1024  # bytes there, kibibytes elsewhere
    return wall, usage.ru_maxrss / per_mb


def require_rows(database: Path, rows: int) -> None:
    """Fails unless the run loaded what there was. In another process, so that this one stays small."""
    count = (
        "import duckdb, sys; connection = duckdb.connect(sys.argv[1], read_only=True);"
        "print(connection.execute('SELECT count(DISTINCT id) FROM bench_data.members').fetchone()[0])"
    )
    found = subprocess.run(
        [sys.executable, "-c", count, str(database)], check=True, capture_output=True, text=True
    )
    if int(found.stdout) != rows:
        raise SystemExit(f"bench: {found.stdout.strip()} of {rows} members in {database}")


class Bench:
    """The runs, and what they share."""

    def __init__(self, forebay: str, url: str, rows: int, repeat: int) -> None:
        self.forebay, self.url, self.rows, self.repeat = forebay, url, rows, repeat
        self.results: list[Result] = []

    def forebay_command(self, directory: Path, disposition: str) -> list[str]:
        return [
            self.forebay, "run", str(HERE / "members.toml"),
            "--destination", f"duckdb://{directory / 'bench.duckdb'}",
            "--set", f"client.base_url={self.url}",
            "--set", f"resource_defaults.write_disposition={disposition}",
        ]  # fmt: skip

    def side(self, script: str, directory: Path, *arguments: str) -> list[str]:
        return [
            sys.executable, str(HERE / script),
            "--base-url", self.url, "--directory", str(directory), *arguments,
        ]  # fmt: skip

    def run(self, name: str, disposition: str, repeat: int, command, then=None) -> None:
        """Runs `command(directory)` in fresh directories; `then` names a second run of the same command in each."""
        first, second = [], []
        for _ in range(repeat):
            with tempfile.TemporaryDirectory(prefix="forebay-bench-") as temporary:
                directory = Path(temporary)
                environment = {"FOREBAY_WORK_DIR": str(directory / "work"), "HOME": temporary}
                first.append(timed(command(directory), environment))
                require_rows(directory / "bench.duckdb", self.rows)
                if then:
                    second.append(timed(command(directory), environment))
        self.add(name, disposition, first)
        if then:
            self.add(then, "", second)

    def add(self, name: str, disposition: str, runs: list[tuple[float, float]]) -> None:
        wall = statistics.median(wall for wall, _ in runs)
        result = Result(name, disposition, len(runs), wall, max(peak for _, peak in runs))
        ours = next((r for r in self.results if r.disposition == disposition and r.ratio == 1.0), None)
        if disposition:
            result.ratio = wall / ours.wall_s if ours else 1.0
        self.results.append(result)
        ratio = f"{result.ratio:9.2f}" if result.ratio is not None else " " * 9
        print(f"{name:<36} {result.wall_s:9.3f} {result.peak_mb:10.0f} {ratio} {len(runs):5}", flush=True)

    def all(self) -> None:
        print(f"{'':<36} {'wall s':>9} {'peak MB':>10} {'× forebay':>9} {'runs':>5}")
        # forebay comes first: the others are measured against it.
        for disposition, then in (("append", "forebay again, nothing new"), ("merge", None)):
            self.run(
                f"forebay, {disposition}", disposition, self.repeat,
                lambda d, disposition=disposition: self.forebay_command(d, disposition), then,
            )  # fmt: skip
        self.run("download, then DuckDB's read_json", "append", self.repeat, lambda d: self.side("floor_side.py", d))
        for disposition in ("append", "merge"):
            self.dlt(f"dlt, {disposition}, best (parquet)", "parquet", disposition)
        if self.rows <= INSERT_VALUES_LIMIT:
            self.dlt("dlt, append, as installed", "insert_values", "append")
        else:
            print(f"dlt as installed is left out: beyond {INSERT_VALUES_LIMIT} rows it needs more than 16 GB")

    def dlt(self, name: str, file_format: str, disposition: str) -> None:
        arguments = ("--format", file_format, "--disposition", disposition)
        self.run(name, disposition, 1, lambda d: self.side("dlt_side.py", d, *arguments))


def machine(forebay: str) -> dict[str, str | int]:
    """What the figures depend on."""
    versions = "import dlt, duckdb; print(dlt.__version__, duckdb.__version__)"
    dlt, duckdb = subprocess.check_output([sys.executable, "-c", versions], text=True).split()
    return {
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.machine()}",
        "forebay": subprocess.check_output([forebay, "--version"], text=True).split()[-1],
        "dlt": dlt,
        "duckdb": duckdb,
        "python": platform.python_version(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forebay", required=True, help="the binary, built with --release")
    parser.add_argument("--mock", required=True, help="the mock API, built with --release")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3, help="runs of all but dlt")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()

    facts = machine(args.forebay)
    print(f"{args.rows} members, 100 to a page, into DuckDB; " + ", ".join(f"{k} {v}" for k, v in facts.items()))
    with mock_api(args.mock, args.rows) as url:
        bench = Bench(args.forebay, url, args.rows, args.repeat)
        bench.all()
    if args.json:
        figures = {"rows": args.rows, **facts, "results": [asdict(result) for result in bench.results]}
        Path(args.json).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
