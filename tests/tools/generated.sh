#!/bin/sh
# generated.sh write | check: the files in the repository that are made from the code, today the JSON Schema of the
# config file. The tests own them: each writes its file when FOREBAY_WRITE_GENERATED is set, and compares otherwise.
set -eu

cd "$(dirname "$0")/../.."
case "${1:-}" in
    write) export FOREBAY_WRITE_GENERATED=1 ;;
    check) unset FOREBAY_WRITE_GENERATED ;;
    *) echo 'usage: generated.sh write | check' >&2; exit 2 ;;
esac
tests/tools/cargo.sh test --quiet --lib generated
