#!/bin/sh
# Prints the directory of the prebuilt libduckdb, fetching it into the user's cache if need be.
# Prints nothing when there is none: the caller then compiles DuckDB (feature `bundled`).
#
# Order: DUCKDB_LIB_DIR, the cache, the npm package, the release archive. Safe when two run at once: each works in
# a directory of its own, and the checked library gets its final name by one rename.
set -eu

version=1.5.5 # also in build.rs; goes with the version of the crate `duckdb` in Cargo.toml
npm_release=r.5

say() { echo "find-duckdb: $*" >&2; }

case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) platform=linux-x64 archive=libduckdb-linux-amd64.zip library=libduckdb.so ;;
    Linux-aarch64 | Linux-arm64) platform=linux-arm64 archive=libduckdb-linux-arm64.zip library=libduckdb.so ;;
    Darwin-x86_64) platform=darwin-x64 archive=libduckdb-osx-universal.zip library=libduckdb.dylib ;;
    Darwin-arm64) platform=darwin-arm64 archive=libduckdb-osx-universal.zip library=libduckdb.dylib ;;
    *) platform='' archive='' library=libduckdb.so ;;
esac

if [ -n "${DUCKDB_LIB_DIR:-}" ]; then
    if [ ! -f "$DUCKDB_LIB_DIR/$library" ]; then
        say "no $library in DUCKDB_LIB_DIR ($DUCKDB_LIB_DIR)"
        exit 1
    fi
    echo "$DUCKDB_LIB_DIR"
    exit 0
fi
if [ -z "$platform" ]; then
    say "no prebuilt libduckdb for $(uname -s) on $(uname -m)"
    exit 0
fi

cache=${XDG_CACHE_HOME:-$HOME/.cache}/forebay
home=$cache/duckdb-$version-$platform
if [ -f "$home/$library" ]; then
    echo "$home"
    exit 0
fi

mkdir -p "$home"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# The version is in the library as a text; a truncated or foreign file has none.
is_right() {
    [ -f "$1" ] && grep -aq "v$version" "$1" && grep -aq duckdb_library_version "$1"
}

from_npm() {
    package=@duckdb/node-bindings-$platform@$version-$npm_release
    command -v npm >/dev/null || { say "no npm here"; return 1; }
    # Run in the empty directory, so that no package.json around it has a say.
    (cd "$work" && npm pack --silent --fetch-retries=1 "$package" >/dev/null 2>&1 && tar -xzf ./*.tgz) ||
        { say "npm could not fetch $package"; return 1; }
    found=$work/package/$library
}

from_release() {
    url=https://github.com/duckdb/duckdb/releases/download/v$version/$archive
    command -v curl >/dev/null || { say "no curl here"; return 1; }
    curl -fsSL --connect-timeout 5 --max-time 300 -o "$work/$archive" "$url" 2>/dev/null ||
        { say "could not fetch the release archive $archive"; return 1; }
    if command -v unzip >/dev/null; then
        unzip -qo "$work/$archive" "$library" -d "$work/archive"
    else
        python3 -m zipfile -e "$work/$archive" "$work/archive"
    fi || { say "could not unpack $archive"; return 1; }
    found=$work/archive/$library
}

for source in from_npm from_release; do
    found=''
    if "$source" && is_right "$found"; then
        mv -f "$found" "$home/$library"
        say "fetched libduckdb $version into $home"
        echo "$home"
        exit 0
    fi
    [ -z "$found" ] || say "what came is not libduckdb $version: ${found##*/}"
done
rmdir "$home" 2>/dev/null || true # not empty if another run was luckier
say "no prebuilt libduckdb $version: DuckDB will be compiled, which takes about 25 minutes on two cores"
