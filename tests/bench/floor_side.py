"""The floor: all pages downloaded one after the other over one connection, then read by DuckDB's own `read_json`.

Nothing that types rows and commits them can be much faster. It keeps no state, no schema and no child tables.
"""

import argparse
import http.client
import json
import os
import time
from urllib.parse import urlsplit

import duckdb


def download(base_url: str, directory: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(base_url).netloc)
    after, number = None, 0
    while True:
        path = "/members?limit=100&order=ASC" + (f"&after={after}" if after is not None else "")
        connection.request("GET", path, headers={"X-API-KEY": "sk_sb_demo"})
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"floor: HTTP {response.status} for {path}")
        with open(os.path.join(directory, f"page-{number:06}.json"), "wb") as file:
            file.write(body)
        # The envelope comes before or after the rows, so it takes a parse; this is part of the floor.
        page = json.loads(body)
        if not page["hasNextPage"]:
            return
        after, number = page["endCursor"], number + 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--directory", required=True)
    args = parser.parse_args()

    start = time.monotonic()
    download(args.base_url, args.directory)
    downloaded = time.monotonic()
    database = duckdb.connect(os.path.join(args.directory, "bench.duckdb"))
    database.execute("CREATE SCHEMA bench_data")
    database.execute(
        "CREATE TABLE bench_data.members AS SELECT row.* FROM"
        " (SELECT unnest(data) AS row FROM read_json(?, union_by_name = true))",
        [os.path.join(args.directory, "page-*.json")],
    )
    database.close()
    print(json.dumps({"download": downloaded - start, "read_json": time.monotonic() - downloaded}))


if __name__ == "__main__":
    main()
