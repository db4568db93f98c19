#!/bin/sh
# bench.sh [OPTION]…: builds what is compared with optimisations, then runs tests/bench/bench.py.
set -eu

cd "$(dirname "$0")/../.."
python=$(tests/tools/venv.sh) # no comparison without dlt
postgres=$(tests/tools/postgres.sh)
tests/tools/cargo.sh build --quiet --release --bin forebay --example mock-api
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
exec "$python" tests/bench/bench.py \
    --forebay "$target/release/forebay" --mock "$target/release/examples/mock-api" --postgres "$postgres" "$@"
