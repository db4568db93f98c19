# Keeps a cluster as long as somebody holds its stdin open, which ends with the tests' process, be it by SIGKILL.
#
# keeper.sh PROGRAMS DIRECTORY [SETTING]…: makes the cluster DIRECTORY/data if need be and starts its server. Prints what
# the server logs, and ends its output when the last process of the server is gone. At the end of its input it stops the
# server and removes the directory, but for the word `keep`.

trap '' PIPE # whoever read the output may be gone
exec 2>&1
programs=$1 directory=$2
shift 2

if ! [ -e "$directory/data/PG_VERSION" ]; then
    "$programs/initdb" -D "$directory/data" -U postgres --auth=trust -E UTF8 --locale=C --no-sync </dev/null ||
        { rm -rf "$directory"; exit 1; }
fi
"$programs/postgres" -D "$directory/data" "$@" </dev/null &
pid=$!
echo "keeper: server $pid"
exec >/dev/null 2>&1

read -r word
kill -QUIT "$pid"
wait "$pid"
[ "$word" = keep ] || rm -rf "$directory"
