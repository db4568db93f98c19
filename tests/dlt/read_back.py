"""dlt takes a dataset up from the database alone and prints what it finds there as JSON.

    read_back.py CONFIG.json PLACE

PLACE is a DuckDB file or a URL of Postgres. CONFIG.json is forebay's config file as JSON, for the names in it. The pipeline's files are where DLT_DATA_DIR says.
"""

import argparse
import json
from pathlib import Path

import dlt
from dlt.common.schema.utils import get_root_table
from dlt.common.versioned_state import generate_state_version_hash
from engines import destination


def orphans(dataset: dlt.Dataset, schema: dlt.Schema) -> dict[str, int]:
    """Child rows whose parent or root row is not there, by table."""
    found = {}
    for table in schema.data_tables():
        if parent := table.get("parent"):
            name = table["name"]
            root = get_root_table(schema.tables, name)["name"]
            lost = f"SELECT 1 FROM {name} WHERE _dlt_parent_id NOT IN (SELECT _dlt_id FROM {parent})"
            if "_dlt_root_id" in table["columns"]:
                lost += f" OR _dlt_root_id NOT IN (SELECT _dlt_id FROM {root})"
            if rows := dataset(lost).fetchall():
                found[name] = len(rows)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("place")
    args = parser.parse_args()

    names = json.loads(args.config.read_text())["pipeline"]
    pipeline = dlt.pipeline(
        names["name"],
        destination=destination(args.place),
        dataset_name=names["dataset"],
    )
    pipeline.sync_destination()
    schema, state = pipeline.default_schema, pipeline.state
    dataset = pipeline.dataset()
    members = dataset.members.df()
    facts = {
        "first_run": pipeline.first_run,
        "schemas": sorted(pipeline.schemas),
        # `version_hash` is computed from what was read, the stored one came with it.
        "schema_hash": [schema.stored_version_hash, schema.version_hash],
        "state_hash": [state["_version_hash"], generate_state_version_hash(dict(state), exclude_attrs=["_local"])],
        "state_version": state["_state_version"],
        "sources": state["sources"],
        "row_counts": {table: int(count) for table, count in dataset.row_counts().fetchall()},
        "load_ids": len(dataset.load_ids()),
        "member_ids": members.sort_values("created_at")["id"].tolist(),
        "orphans": orphans(dataset, schema),
        "dtypes": {name: str(dtype) for name, dtype in members.dtypes.items()},
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
