"""dlt loads each resource of a pipeline on its own, whatever becomes of the others, and reads what forebay wrote.

    better.py CONFIG.json PLACE [--read]

Prints JSON: for each resource what is in its table, or why dlt failed. PLACE is a directory for DuckDB files, or a URL of
Postgres. With --read it is what forebay loaded into, a DuckDB file or a URL, and the rows are those that dlt takes up
from there.
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import dlt
from compare import Loaded
from dlt.sources.rest_api import rest_api_source
from engines import destination, is_url, plain
from load import dlts_part


class Text(Loaded):
    """A dataset at a place, every value as its text, and nothing left out."""

    not_dlts = re.compile(r"(?!)")

    def _value(self, table: str, column: str, value: str | None) -> Any:
        return None if value is None else plain(value, self.engine, self.columns[table][column])


def rows(dataset: str, place: str) -> dict[str, list[Any]]:
    """The trees of each table, without load ids."""
    found = {}
    loaded = Text(dataset, place)
    for table, trees in loaded.trees().items():
        rows = [json.loads(tree) for tree in trees.elements()]
        found[table] = [{key: value for key, value in row.items() if key != "_dlt_load_id"} for row in rows]
    if loaded.problems:
        raise ValueError("; ".join(loaded.problems))
    return found


def attempt(config: dict[str, Any], resource: dict[str, Any], place: str) -> dict[str, Any]:
    names = config["pipeline"]
    dataset = f"{names['dataset']}_{resource['name']}"
    if not is_url(place):
        Path(place).mkdir(exist_ok=True)
        place = str(Path(place) / f"{resource['name']}.duckdb")
    source = rest_api_source(dlts_part({**config, "resources": [resource]}), name=names["source"])
    pipeline = dlt.pipeline(
        f"{names['name']}_{resource['name']}",
        destination=destination(place),
        dataset_name=dataset,
    )
    try:
        pipeline.run(source).raise_on_failed_jobs()
        return {"rows": rows(dataset, place).get(resource["name"], [])}
    except Exception as error:
        while cause := error.__cause__ or error.__context__:
            error = cause
        return {"error": re.sub(r"\s+", " ", f"{type(error).__name__}: {error}")[:300]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("place")
    parser.add_argument("--read", action="store_true")
    args = parser.parse_args()

    config = json.loads(args.config.read_text())
    if not args.read:
        print(json.dumps({it["name"]: attempt(config, it, args.place) for it in config["resources"]}))
        return
    names = config["pipeline"]
    found = rows(names["dataset"], args.place)
    pipeline = dlt.pipeline(names["name"], destination=destination(args.place), dataset_name=names["dataset"])
    pipeline.sync_destination()
    dataset = pipeline.dataset()
    for table, count in dataset.row_counts().fetchall():
        # With a server, dlt gives up on numbers of more digits than Arrow's have, which its columns for wei hold.
        read = dataset[table].fetchall() if is_url(args.place) else dataset[table].df()
        if len(read) != count:
            raise ValueError(f"dlt reads another number of rows of {table} than {count}")
    print(json.dumps({table: {"rows": trees} for table, trees in found.items()}))


if __name__ == "__main__":
    main()
