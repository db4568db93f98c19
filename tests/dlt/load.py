"""dlt runs a pipeline that is described as forebay's config files describe it, and prints what came of it as JSON.

    load.py CONFIG.json PLACE [--add RESOURCE FIELDS]

PLACE is a DuckDB file or a URL of Postgres. CONFIG.json is forebay's TOML file as JSON; what only forebay knows is left out. --add gives each row of a resource
fields that the API does not send (a JSON object). The pipeline's files are where DLT_DATA_DIR says.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import dlt
from dlt.sources.rest_api import rest_api_source
from engines import destination


def dlts_part(config: dict[str, Any]) -> dict[str, Any]:
    """The RESTAPIConfig in a config file of forebay."""
    config = {key: config[key] for key in ("client", "resource_defaults", "resources") if key in config}
    config["client"].pop("rate_limits", None)
    for resource in config["resources"]:
        paginator = resource["endpoint"].get("paginator")
        if isinstance(paginator, dict):
            paginator.pop("total_rows_path", None)
    return config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("place")
    parser.add_argument("--add", nargs=2, metavar=("RESOURCE", "FIELDS"))
    args = parser.parse_args()

    config = json.loads(args.config.read_text())
    names = config["pipeline"]
    source = rest_api_source(dlts_part(config), name=names["source"])
    if args.add:
        resource, fields = args.add[0], json.loads(args.add[1])
        source.resources[resource].add_map(lambda row: {**row, **fields})

    pipeline = dlt.pipeline(
        names["name"],
        destination=destination(args.place),
        dataset_name=names["dataset"],
    )
    pipeline.run(source).raise_on_failed_jobs()
    rows = pipeline.last_trace.last_normalize_info.row_counts
    print(json.dumps({"rows": {table: count for table, count in rows.items() if not table.startswith("_dlt")}}))


if __name__ == "__main__":
    main()
