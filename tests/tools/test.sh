#!/bin/sh
# test.sh [ARGUMENT]…: all tests, or `cargo test ARGUMENT…`, with what the tests compare with: Python with dlt, and
# Memberstack's own client. Where one cannot be had, its tests are left out; that is said here and by the tests.
set -eu

tools=$(cd "$(dirname "$0")" && pwd)
sdk=$(dirname "$tools")/sdk

if FOREBAY_TEST_PYTHON=$("$tools/venv.sh"); then
    export FOREBAY_TEST_PYTHON
else
    unset FOREBAY_TEST_PYTHON
    echo 'NOT TESTED: that dlt goes on from the files that forebay writes (needs python3 with venv)'
fi

# --prefix beside the script that imports the package: Node looks nowhere else.
if ! command -v npm >/dev/null; then
    echo "NOT TESTED: the mock with Memberstack's own client (needs npm)"
elif [ "$sdk/node_modules/.package-lock.json" -nt "$sdk/package-lock.json" ] ||
    npm ci --silent --no-audit --no-fund --prefix "$sdk" >&2; then
    export FOREBAY_TEST_SDK_DIR="$sdk"
else
    echo "NOT TESTED: the mock with Memberstack's own client (npm could not install it)"
fi

# The whole: the integration tests last, so that their closing line ends the output.
if [ $# -eq 0 ]; then
    "$tools/cargo.sh" test --doc
    "$tools/cargo.sh" test --lib --bins --examples
    set -- --test it
fi
exec "$tools/cargo.sh" test "$@"
