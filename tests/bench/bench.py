"""forebay and dlt at the same work, one after the other: wall time, peak memory, and how they compare.

All members of a mock API (100 to a page, no quota) go into an empty DuckDB file, then into an empty database of a
Postgres server on this machine, which has its default settings and was made for this. Each run is a process of its own with a
directory of its own, timed from its start to its end as cron would see it (for dlt this includes about a second of Python
imports); the mock is one process for all. Standard library only: this process stays small, because what it
uses when it forks counts as the least its children can have used.
"""

import argparse
import contextlib
import json
import os
import platform
import pwd
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
# dlt as installed keeps the text of its INSERT statements in memory, more than 80 kB a row.
INSERT_VALUES_LIMIT = 200_000


@dataclass
class Result:
    """One line of the table; of several runs, the median of the times and the highest peak."""

    engine: str
    name: str
    disposition: str
    runs: int
    wall_s: float
    peak_mb: float
    ratio: float | None = None
    """Wall time over forebay's with the same engine and disposition."""


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


def in_python(code: str, *arguments: str) -> str:
    """What a few lines of Python print. In another process, so that this one stays small."""
    return subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True).stdout


class DuckDb:
    """A file in the directory of each run."""

    name = "DuckDB"
    fastest_format = "parquet"

    def fresh(self, directory: Path) -> str:
        """A destination without anything in it."""
        return f"duckdb://{directory / 'bench.duckdb'}"

    def count(self, destination: str) -> int:
        """How many members a destination has."""
        code = (
            "import duckdb, sys; connection = duckdb.connect(sys.argv[1], read_only=True);"
            "print(connection.execute('SELECT count(DISTINCT id) FROM bench_data.members').fetchone()[0])"
        )
        return int(in_python(code, destination.removeprefix("duckdb://")))


class Postgres:
    """A database of its own for each run."""

    name = "Postgres"
    fastest_format = "csv"

    def __init__(self, port: int) -> None:
        self.port, self.databases = port, 0

    def url(self, database: str) -> str:
        return f"postgresql://postgres:any@127.0.0.1:{self.port}/{database}"  # dlt wants a password

    def fresh(self, directory: Path) -> str:
        self.databases += 1
        name = f"bench_{self.databases}"
        code = (
            "import psycopg2, sys; connection = psycopg2.connect(sys.argv[1]); connection.autocommit = True;"
            "connection.cursor().execute('CREATE DATABASE ' + sys.argv[2])"
        )
        in_python(code, self.url("postgres"), name)
        return self.url(name)

    def count(self, destination: str) -> int:
        code = (
            "import psycopg2, sys; cursor = psycopg2.connect(sys.argv[1]).cursor();"
            "cursor.execute('SELECT count(DISTINCT id) FROM bench_data.members'); print(cursor.fetchone()[0])"
        )
        return int(in_python(code, destination))


@contextlib.contextmanager
def postgres(programs: str):
    """A server of one's own, for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    directory = tempfile.mkdtemp(prefix="forebay-bench-postgres-")
    owner = {}
    if os.geteuid() == 0:  # which Postgres refuses
        user = next((name for name in ("postgres", "nobody") if has_user(name)), "nobody")
        owner = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
        os.chown(directory, pwd.getpwnam(user).pw_uid, owner["group"])
    keeper = subprocess.Popen(
        ["sh", str(HERE.parent / "postgres/keeper.sh"), programs, directory,
         "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={directory}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/", **owner,
    )  # fmt: skip
    try:
        for line in keeper.stdout:
            if "ready to accept connections" in line:
                break
        else:
            raise SystemExit("bench: Postgres did not start")
        # Nobody may leave its log unread, or it stops when the pipe is full.
        threading.Thread(target=keeper.stdout.read, daemon=True).start()
        yield Postgres(port)
    finally:
        keeper.stdin.close()
        keeper.wait()


def has_user(name: str) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwnam(name))
    return False


class Bench:
    """The runs, and what they share."""

    def __init__(self, forebay: str, url: str, rows: int, repeat: int) -> None:
        self.forebay, self.url, self.rows, self.repeat = forebay, url, rows, repeat
        self.results: list[Result] = []

    def forebay_command(self, destination: str, disposition: str) -> list[str]:
        return [
            self.forebay, "run", str(HERE / "members.toml"),
            "--destination", destination,
            "--set", f"client.base_url={self.url}",
            "--set", f"resource_defaults.write_disposition={disposition}",
        ]  # fmt: skip

    def side(self, script: str, directory: Path, *arguments: str) -> list[str]:
        return [
            sys.executable, str(HERE / script),
            "--base-url", self.url, "--directory", str(directory), *arguments,
        ]  # fmt: skip

    def run(self, engine, name: str, disposition: str, repeat: int, command, then=None) -> None:
        """Runs `command(directory, destination)` in fresh ones; `then` names a second run of the same command."""
        first, second = [], []
        for _ in range(repeat):
            with tempfile.TemporaryDirectory(prefix="forebay-bench-") as temporary:
                directory = Path(temporary)
                environment = {"FOREBAY_WORK_DIR": str(directory / "work"), "HOME": temporary}
                destination = engine.fresh(directory)
                first.append(timed(command(directory, destination), environment))
                if (found := engine.count(destination)) != self.rows:
                    raise SystemExit(f"bench: {found} of {self.rows} members in {destination}")
                if then:
                    second.append(timed(command(directory, destination), environment))
        self.add(engine.name, name, disposition, first)
        if then:
            self.add(engine.name, then, "", second)

    def add(self, engine: str, name: str, disposition: str, runs: list[tuple[float, float]]) -> None:
        wall = statistics.median(wall for wall, _ in runs)
        result = Result(engine, name, disposition, len(runs), wall, max(peak for _, peak in runs))
        alike = [r for r in self.results if (r.engine, r.disposition) == (engine, disposition)]
        ours = next((r for r in alike if r.ratio == 1.0), None)
        if disposition:
            result.ratio = wall / ours.wall_s if ours else 1.0
        self.results.append(result)
        ratio = f"{result.ratio:9.2f}" if result.ratio is not None else " " * 9
        print(f"{name:<36} {result.wall_s:9.3f} {result.peak_mb:10.0f} {ratio} {len(runs):5}", flush=True)

    def all(self, engine) -> None:
        print(f"{'into ' + engine.name:<36} {'wall s':>9} {'peak MB':>10} {'× forebay':>9} {'runs':>5}")
        # forebay comes first: the others are measured against it.
        for disposition, then in (("append", "forebay again, nothing new"), ("merge", None)):
            self.run(
                engine, f"forebay, {disposition}", disposition, self.repeat,
                lambda _, destination, disposition=disposition: self.forebay_command(destination, disposition), then,
            )  # fmt: skip
        if isinstance(engine, DuckDb):
            floor = "download, then DuckDB's read_json"
            self.run(engine, floor, "append", self.repeat, lambda d, _: self.side("floor_side.py", d))
        for disposition in ("append", "merge"):
            best = engine.fastest_format
            self.dlt(engine, f"dlt, {disposition}, best ({best})", best, disposition)
        if self.rows <= INSERT_VALUES_LIMIT:
            self.dlt(engine, "dlt, append, as installed", "insert_values", "append")
        else:
            print(f"dlt as installed is left out: beyond {INSERT_VALUES_LIMIT} rows it needs more than 16 GB")

    def dlt(self, engine, name: str, file_format: str, disposition: str) -> None:
        options = ("--format", file_format, "--disposition", disposition)
        self.run(
            engine, name, disposition, 1,
            lambda d, destination: self.side("dlt_side.py", d, "--destination", destination, *options),
        )  # fmt: skip


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
    parser.add_argument("--engines", nargs="+", choices=["duckdb", "postgres"], default=["duckdb", "postgres"])
    parser.add_argument("--postgres", metavar="DIRECTORY", help="where initdb and postgres are")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too")
    args = parser.parse_args()

    facts = machine(args.forebay)
    if "postgres" in args.engines:
        version = subprocess.check_output([Path(args.postgres) / "postgres", "--version"], text=True)
        facts["postgres"] = version.split()[2]
    print(f"{args.rows} members, 100 to a page; " + ", ".join(f"{k} {v}" for k, v in facts.items()))
    with mock_api(args.mock, args.rows) as url:
        bench = Bench(args.forebay, url, args.rows, args.repeat)
        if "duckdb" in args.engines:
            bench.all(DuckDb())
        if "postgres" in args.engines:
            with postgres(args.postgres) as engine:
                bench.all(engine)
    if args.json:
        figures = {"rows": args.rows, **facts, "results": [asdict(result) for result in bench.results]}
        Path(args.json).write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
