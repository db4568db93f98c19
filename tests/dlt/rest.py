"""dlt's `rest_api` source runs the config files of tests/fixtures/rest, and what came of it is compared with forebay's.

    rest.py load FIXTURES URL CASE:RUNS…      each into CASE/dlt.duckdb, run after run
    rest.py compare CASE…                     CASE/dlt.duckdb with CASE/forebay.duckdb

A file is what dlt takes, written as TOML. `${BASE_URL}` stands for URL/dlt/CASE/RUN. What dlt takes as Python functions
is jq there and becomes a function around the original jq here. One process does many cases, as starting dlt costs as
much as a case. Both print one JSON object: per case what went wrong, null if nothing.
"""

import argparse
import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import compare
import dlt
import jq
from dlt.sources.rest_api import rest_api_source

DATASET = "data"
SOURCE = "api"


def first_of(text: str) -> Callable[[Any], Any]:
    program = jq.compile(text)
    return lambda value: program.input_value(value).first()


def all_of(text: str) -> Callable[[Any], list[Any]]:
    program = jq.compile(text)
    return lambda value: program.input_value(value).all()


# What a string of jq becomes, by the key that it stands at.
FUNCTIONS = {"filter": first_of, "map": first_of, "convert": first_of, "yield_map": all_of}


def dlts(node: Any, key: str | None = None) -> Any:
    """The config as dlt has it: TOML has no null, an empty text stands for it."""
    if isinstance(node, dict):
        return {name: dlts(value, name) for name, value in node.items()}
    if isinstance(node, list):
        return [dlts(value, key) for value in node]
    if isinstance(node, str) and key in FUNCTIONS:
        return FUNCTIONS[key](node)
    return None if key == "total_path" and node == "" else node


def load(fixtures: Path, url: str, case: str, run: int) -> None:
    text = (fixtures / f"{case}.toml").read_text().replace("${BASE_URL}", f"{url}/dlt/{case}/{run}")
    source = rest_api_source(dlts(tomllib.loads(text)), name=SOURCE)
    pipeline = dlt.pipeline(
        case,
        destination=dlt.destinations.duckdb(str(Path(case, "dlt.duckdb").absolute())),
        dataset_name=DATASET,
    )
    pipeline.run(source).raise_on_failed_jobs()


def load_all(fixtures: Path, url: str, case: str, runs: int) -> str | None:
    Path(case).mkdir(exist_ok=True)
    try:
        for run in range(1, runs + 1):
            load(fixtures, url, case, run)
    except Exception as error:
        while cause := error.__cause__ or error.__context__:
            error = cause
        return re.sub(r"\s+", " ", f"run {run}: {type(error).__name__}: {error}")[:600]
    return None


def forget_unseen(dlts: compare.Loaded, forebays: compare.Loaded) -> None:
    """Leaves out tables that were never made: dlt does not list one if an incremental let none of its rows through."""
    tables = forebays.schema["tables"]
    for table in [name for name in tables if name not in dlts.schema["tables"] and name not in forebays.columns]:
        del tables[table]


def differences(case: str) -> str | None:
    left, right = (compare.Loaded(DATASET, f"{case}/{name}.duckdb") for name in ("dlt", "forebay"))
    right.forget_unmade(left)
    forget_unseen(left, right)
    return "\n".join(compare.compare(left, right, ["dlt", "forebay"])) or None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    loading = commands.add_parser("load")
    loading.add_argument("fixtures", type=Path)
    loading.add_argument("url")
    loading.add_argument("cases", nargs="*")
    commands.add_parser("compare").add_argument("cases", nargs="*")
    args = parser.parse_args()

    if args.command == "compare":
        found = {case: differences(case) for case in args.cases}
    else:
        cases = [case.split(":") for case in args.cases]
        found = {case: load_all(args.fixtures, args.url, case, int(runs)) for case, runs in cases}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
