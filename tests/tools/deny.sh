#!/bin/sh
# deny.sh CHECK…: `cargo deny check CHECK…`, installing cargo-deny into the user's cache at first use.
set -eu

version=0.20.2
tools=${XDG_CACHE_HOME:-$HOME/.cache}/forebay/tools

# Another version judges by other rules, so only this one will do.
if ! "$tools/bin/cargo-deny" --version 2>/dev/null | grep -Fq "$version"; then
    echo "deny: installing cargo-deny $version into $tools, about two minutes on two cores" >&2
    # Unoptimised: it runs for a second and would compile for minutes more. A target directory of its own, as these
    # artifacts serve nothing else.
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    CARGO_TARGET_DIR="$build" CARGO_PROFILE_DEV_DEBUG=false \
        cargo install --quiet --locked --debug --root "$tools" --version "$version" cargo-deny
fi
"$tools/bin/cargo-deny" --log-level error check --hide-inclusion-graph "$@"
