#!/bin/sh
# From nothing to a query result: starts the stand-in for Memberstack's API, loads 500 members from it under its quota
# of 25 requests a second, and asks the tables a question. Leaves nothing behind.
set -eu

cd "$(dirname "$0")/../.."
tests/tools/cargo.sh build --quiet --bin forebay --example mock-api
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
PATH=$target/debug:$PATH

demo=$(mktemp -d)
mock=''
finish() {
    exec 3<&-
    [ -z "$mock" ] || kill "$mock" 2>/dev/null || true
    rm -rf "$demo"
}
trap finish EXIT
trap 'exit 130' INT TERM

# The mock says where it listens once it does: opening and reading the pipe waits for exactly that.
mkfifo "$demo/mock.out"
"$target/debug/examples/mock-api" --members 500 --rate 25 --key sk_sb_demo >"$demo/mock.out" &
mock=$!
exec 3<"$demo/mock.out"
read -r line <&3 || { echo 'demo: the mock API did not start' >&2; exit 1; }
url=${line##* }

export MEMBERSTACK_SECRET_KEY=sk_sb_demo FOREBAY_WORK_DIR="$demo/work"
database=duckdb://$demo/memberstack.duckdb

show() {
    printf '\n$'
    for word in "$@"; do
        case $word in *[\ \*]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    echo
    "$@"
}

show forebay run config/memberstack.toml --set "client.base_url=$url" --destination "$database"
export FOREBAY_DESTINATION="$database"
show forebay query config/memberstack.toml "SELECT p.plan_name, p.status, count(DISTINCT m.id) AS members, \
max(m.created_at) AS newest FROM members m LEFT JOIN members__plan_connections p ON p._dlt_parent_id = m._dlt_id \
GROUP BY ALL ORDER BY members DESC LIMIT 8"
