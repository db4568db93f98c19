#!/bin/sh
# cargo.sh COMMAND [ARGUMENT]…: cargo with the prebuilt libduckdb if there is one, else with the feature `bundled`.
set -eu

command=$1
shift
DUCKDB_LIB_DIR=$("$(dirname "$0")/find-duckdb.sh")
if [ -n "$DUCKDB_LIB_DIR" ]; then
    export DUCKDB_LIB_DIR
    exec cargo "$command" --locked --no-default-features "$@"
fi
unset DUCKDB_LIB_DIR
exec cargo "$command" --locked "$@"
