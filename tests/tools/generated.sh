#!/bin/sh
# generated.sh write | check: the files in the repository that are made from the code, today the JSON Schema of the
# config file. Each belongs to a unit test with `generated` in its name, which writes the file when
# FOREBAY_WRITE_GENERATED is set and compares otherwise.
set -eu

cd "$(dirname "$0")/../.."
case "${1:-}" in
    write) export FOREBAY_WRITE_GENERATED=1 ;;
    check) unset FOREBAY_WRITE_GENERATED ;;
    *) echo 'usage: generated.sh write | check' >&2; exit 2 ;;
esac
# A filter that matches nothing passes; then nothing was checked.
tests/tools/cargo.sh test --lib -- --list | grep -q 'generated.*: test$' ||
    { echo 'generated: no unit test has generated in its name, so nothing was checked' >&2; exit 1; }
tests/tools/cargo.sh test --lib generated
