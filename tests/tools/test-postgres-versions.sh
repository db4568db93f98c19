#!/bin/sh
# test-postgres-versions.sh MAJOR…: the tests that have `postgres` in their names, on a server of each of these versions.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
unset FOREBAY_TEST_POSTGRES_URL
failed=''
for major in "$@"; do
    echo
    echo "==== Postgres $major"
    # All of them are told of, whatever becomes of each.
    if ! { FOREBAY_TEST_POSTGRES_BIN=$("$tools/postgres.sh" "$major") && export FOREBAY_TEST_POSTGRES_BIN &&
        "$tools/test.sh" --lib postgres && "$tools/test.sh" --test it postgres; }; then
        failed="$failed $major"
    fi
done
[ -z "$failed" ] || { echo "failed on Postgres$failed" >&2; exit 1; }
