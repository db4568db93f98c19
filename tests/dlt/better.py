"""dlt loads each resource of a pipeline on its own, whatever becomes of the others, and reads what forebay wrote.

    better.py CONFIG.json DIRECTORY [--read DATABASE]

Prints JSON: for each resource what is in its table, or why dlt failed. The databases are in DIRECTORY. With --read the
rows are those in DATABASE, taken up by dlt from there.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import dlt
from compare import Loaded
from dlt.sources.rest_api import rest_api_source
from load import dlts_part


class Text(Loaded):
    """A dataset in a file, every value as its text."""

    def _value(self, table: str, column: str, value: str | None) -> Any:
        return value


def rows(dataset: str, database: str) -> dict[str, list[Any]]:
    """The trees of each table, without load ids."""
    found = {}
    loaded = Text(dataset, database)
    for table, trees in loaded.trees().items():
        rows = [json.loads(tree) for tree in trees.elements()]
        found[table] = [{key: value for key, value in row.items() if key != "_dlt_load_id"} for row in rows]
    if loaded.problems:
        raise ValueError("; ".join(loaded.problems))
    return found


def attempt(config: dict[str, Any], resource: dict[str, Any], directory: Path) -> dict[str, Any]:
    names = config["pipeline"]
    database = str(directory / f"{resource['name']}.duckdb")
    source = rest_api_source(dlts_part({**config, "resources": [resource]}), name=names["source"])
    pipeline = dlt.pipeline(
        f"{names['name']}_{resource['name']}",
        destination=dlt.destinations.duckdb(database),
        dataset_name=names["dataset"],
    )
    try:
        pipeline.run(source).raise_on_failed_jobs()
        return {"rows": rows(names["dataset"], database).get(resource["name"], [])}
    except Exception as error:
        while cause := error.__cause__ or error.__context__:
            error = cause
        return {"error": re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")[:300]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--read", metavar="DATABASE")
    args = parser.parse_args()

    config = json.loads(args.config.read_text())
    args.directory.mkdir(exist_ok=True)
    if not args.read:
        print(json.dumps({it["name"]: attempt(config, it, args.directory) for it in config["resources"]}))
        return
    names = config["pipeline"]
    found = rows(names["dataset"], args.read)
    pipeline = dlt.pipeline(
        names["name"], destination=dlt.destinations.duckdb(args.read), dataset_name=names["dataset"]
    )
    pipeline.sync_destination()
    dataset = pipeline.dataset()
    for table, count in dataset.row_counts().fetchall():
        if len(dataset[table].df()) != count:
            raise ValueError(f"dlt reads another number of rows of {table} than {count}")
    print(json.dumps({table: {"rows": trees} for table, trees in found.items()}))


if __name__ == "__main__":
    main()
