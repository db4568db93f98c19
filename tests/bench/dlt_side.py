"""dlt's side of the benchmark: the work of members.toml, in one process, with dlt as a user would run it."""

import argparse
import os

# Before dlt is imported: it reads its settings from the environment, once.
os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false",
    RUNTIME__LOG_LEVEL="ERROR",
)

import dlt  # noqa: E402
from dlt.sources.rest_api import rest_api_source  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--directory", required=True, help="for the pipeline's files")
    parser.add_argument("--destination", required=True, help="duckdb:///file.duckdb or postgresql://…")
    parser.add_argument("--format", choices=["insert_values", "parquet", "csv"], required=True)
    parser.add_argument("--disposition", choices=["append", "merge"], required=True)
    args = parser.parse_args()

    source = rest_api_source(
        {
            "client": {
                "base_url": args.base_url,
                "auth": {
                    "type": "api_key",
                    "name": "X-API-KEY",
                    "api_key": "sk_sb_demo",
                    "location": "header",
                },
            },
            "resource_defaults": {"primary_key": "id", "write_disposition": args.disposition},
            "resources": [
                {
                    "name": "members",
                    "endpoint": {
                        "path": "members",
                        "data_selector": "data",
                        "params": {"limit": 100, "order": "ASC"},
                        "paginator": {
                            "type": "cursor",
                            "cursor_path": "endCursor",
                            "cursor_param": "after",
                            "has_more_path": "hasNextPage",
                        },
                    },
                }
            ],
        },
        name="bench",
    )
    if args.destination.startswith("duckdb://"):
        destination = dlt.destinations.duckdb(args.destination.removeprefix("duckdb://"))
    else:
        destination = dlt.destinations.postgres(args.destination)
    pipeline = dlt.pipeline(
        "bench",
        destination=destination,
        dataset_name="bench_data",
        pipelines_dir=os.path.join(args.directory, "pipelines"),
    )
    pipeline.run(source, loader_file_format=args.format).raise_on_failed_jobs()


if __name__ == "__main__":
    main()
