#!/bin/sh
# Prints the path of a Python that has the packages of requirements.txt, making its environment in the user's cache
# at first use. Fails, saying what is missing, where that cannot be done.
#
# An environment cannot be moved, so each is made under a name of its own and a link says which one is complete: two
# runs at once both succeed, and one that was cut leaves nothing that is taken for whole.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/forebay
link=$cache/python-$(cksum <"$here/requirements.txt" | cut -d ' ' -f 1)

say() { echo "venv: $*" >&2; }

if [ -x "$link/bin/python" ]; then
    echo "$link/bin/python"
    exit 0
fi
command -v python3 >/dev/null || { say "no python3 here (Debian: apt-get install python3-venv)"; exit 1; }

mkdir -p "$cache"
venv=$(mktemp -d "$cache/python.XXXXXX")
trap 'rm -rf "$venv"' EXIT
trap 'exit 130' INT TERM

# Debian splits `venv` from python3; virtualenv and uv do without it.
{ python3 -m venv "$venv" || virtualenv -q "$venv" || uv venv -q --allow-existing --seed "$venv"; } >/dev/null 2>&1 ||
    { say "python3 cannot make an environment (Debian: apt-get install python3-venv)"; exit 1; }
say "installing dlt and what it needs into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt" >&2 ||
    { say "pip could not install requirements.txt"; exit 1; }

if [ -e "$link" ]; then # another run was faster
    echo "$link/bin/python"
    exit 0
fi
rm -f "$link" # a link to an environment that is gone
ln -s "$venv" "$link"
trap - EXIT
echo "$link/bin/python"
