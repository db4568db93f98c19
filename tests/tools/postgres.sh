#!/bin/sh
# postgres.sh [MAJOR]: prints the directory of Postgres' programs (`initdb`, `postgres`): those installed here, else those
# of an npm package, which is fetched into the user's cache. With MAJOR it is that version from npm, whatever is
# installed. Fails, saying what is missing, where that cannot be done.
#
# Order: FOREBAY_TEST_POSTGRES_BIN, PATH, the newest of the places of packages, the cache, npm.
set -eu

default_major=18

say() { echo "postgres: $*" >&2; }

has_server() { [ -x "$1/initdb" ] && [ -x "$1/postgres" ]; }

installed() {
    if found=$(command -v initdb) && has_server "${found%/*}"; then
        echo "${found%/*}"
        return 0
    fi
    # One line per place: the version, for `sort`, and the directory. Debian, Red Hat, Homebrew.
    for bin in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
        /usr/local/opt/postgresql@*/bin; do
        if has_server "$bin"; then
            version=${bin%/bin}
            echo "${version##*[!0-9]} $bin"
        fi
    done | sort -rn | head -n 1 | cut -d ' ' -f 2- | grep .
}

if [ $# -eq 0 ]; then
    if [ -n "${FOREBAY_TEST_POSTGRES_BIN:-}" ]; then
        has_server "$FOREBAY_TEST_POSTGRES_BIN" ||
            { say "no initdb and postgres in FOREBAY_TEST_POSTGRES_BIN ($FOREBAY_TEST_POSTGRES_BIN)"; exit 1; }
        echo "$FOREBAY_TEST_POSTGRES_BIN"
        exit 0
    fi
    # FOREBAY_TEST_POSTGRES_FROM_NPM: for a look at what machines do that have none.
    if [ -z "${FOREBAY_TEST_POSTGRES_FROM_NPM:-}" ] && installed; then
        exit 0
    fi
fi
major=${1:-$default_major}

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 ;;
    Linux-aarch64 | Linux-arm64) platform=linux-arm64 ;;
    Darwin-x86_64) platform=darwin-x64 ;;
    Darwin-arm64) platform=darwin-arm64 ;;
    *) say "no package of Postgres for $(uname -s) on $(uname -m)"; exit 1 ;;
esac
package=@embedded-postgres/$platform
cache=${XDG_CACHE_HOME:-$HOME/.cache}/forebay
home=$cache/postgres-$major-$platform
if has_server "$home/bin"; then
    echo "$home/bin"
    exit 0
fi

command -v npm >/dev/null || { say "no npm here to fetch $package with (Debian: apt-get install postgresql)"; exit 1; }
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
# Run in the empty directory, so that no package.json around it has a say.
cd "$work"

# All its versions are called betas, which a range such as `13` leaves out. The newest comes last.
version=$(npm view --silent --json --fetch-retries=1 "$package" versions 2>/dev/null |
    tr ',' '\n' | sed -n "s/.*\"\($major\.[^\"]*\)\".*/\1/p" | tail -n 1)
[ -n "$version" ] || { say "npm has no version $major of $package, or cannot be reached"; exit 1; }
npm pack --silent --fetch-retries=1 "$package@$version" >/dev/null 2>&1 && tar -xzf ./*.tgz ||
    { say "npm could not fetch $package $version"; exit 1; }
# Packages of npm hold no links: its own script makes them from a list.
(cd package && node scripts/hydrate-symlinks.js)
found=$(package/native/bin/postgres --version 2>/dev/null) || found=''
case $found in
    *"(PostgreSQL) $major."*) ;;
    *) say "$package $version does not run here: ${found:-its postgres fails}"; exit 1 ;;
esac
chmod -R go+rX package/native
if [ ! -e "$home" ] && mv package/native "$home" 2>/dev/null; then
    say "fetched ${found#postgres } into $home"
fi
# Where that failed, another run was faster.
has_server "$home/bin" || { say "could not write $home"; exit 1; }
echo "$home/bin"
