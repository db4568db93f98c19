#!/bin/sh
# test.sh [ARGUMENT]…: all tests, or `cargo test ARGUMENT…`, with what the tests need besides: Python with dlt, the
# programs of Postgres, Memberstack's own client, and servers that others wrote. Where one cannot be had, the tests
# that need it are told to do without, which is said here and by them; run in any other way they fail instead.
#
# FOREBAY_TEST_POSTGRES_URL, a superuser's, has tests of Postgres run on that server; those that kill their server or
# are about who gets in start one of their own all the same.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
tests=$(dirname "$tools")
unset FOREBAY_TEST_PYTHON FOREBAY_TEST_WITHOUT_PYTHON FOREBAY_TEST_WITHOUT_NPM FOREBAY_TEST_WITHOUT_POSTGRES

if FOREBAY_TEST_PYTHON=$("$tools/venv.sh"); then
    export FOREBAY_TEST_PYTHON
else
    unset FOREBAY_TEST_PYTHON
    export FOREBAY_TEST_WITHOUT_PYTHON=1
    echo 'NOT TESTED: that dlt and forebay go on from each other and make the same tables (needs python3 with venv)' >&2
fi

if FOREBAY_TEST_POSTGRES_BIN=$("$tools/postgres.sh"); then
    export FOREBAY_TEST_POSTGRES_BIN
else
    unset FOREBAY_TEST_POSTGRES_BIN
    export FOREBAY_TEST_WITHOUT_POSTGRES=1
    if [ -n "${FOREBAY_TEST_POSTGRES_URL:-}" ]; then
        echo 'NOT TESTED: a Postgres that is killed, and who gets into one (needs the programs of Postgres)' >&2
    else
        echo 'NOT TESTED: that forebay loads into Postgres (needs its programs, or FOREBAY_TEST_POSTGRES_URL)' >&2
    fi
fi

# Installed here rather than by the tests, so that a registry out of reach is told from a package that fails.
without_npm() {
    export FOREBAY_TEST_WITHOUT_NPM=1
    echo "NOT TESTED: the mock with Memberstack's own client, and servers that others wrote ($1)" >&2
}
if ! command -v npm >/dev/null; then
    without_npm 'needs npm'
else
    for folder in "$tests/sdk" "$tests/npm"; do
        [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] ||
            npm ci --silent --ignore-scripts --no-audit --no-fund --prefix "$folder" >&2 ||
            { without_npm 'npm could not install them'; break; }
    done
fi

# The whole: the integration tests last, so that their closing line ends the output.
if [ $# -eq 0 ]; then
    "$tools/cargo.sh" test --doc
    "$tools/cargo.sh" test --lib --bins --examples
    set -- --test it
fi
exec "$tools/cargo.sh" test "$@"
