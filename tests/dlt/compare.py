"""Compares the same data loaded twice, and prints every difference; exit code 1 if there is one.

    compare.py DATASET LEFT RIGHT [--names dlt forebay]

LEFT and RIGHT are DuckDB files, or URLs of Postgres.

Compared are the tables (columns, their order and types, nullability), the rows, the stored schema (tables, columns,
hints, settings, normalizers) and the state. What differs between any two loads is compared by what it stands for:
load ids by their order, row ids by the rows they link. Within each of them the links and the schema's hash are checked.
"""

import argparse
import base64
import hashlib
import json
import re
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from dlt.common.schema import Schema
from engines import base_type, engine

LINKS = {"_dlt_id", "_dlt_parent_id", "_dlt_root_id"}
# New for each change of the schema, and so for each way that led to it.
VERSIONS = {"version", "version_hash", "previous_hashes", "_state_version", "_version_hash"}
# What one side has beside the other's tables.
OWN_TABLES = "_forebay"
# Columns and tables for values that dlt loses since others of their row have the same name. No name of dlt's ends so:
# it puts a `_` before digits.
KEPT_APART = re.compile(r"(?<!_)__\d+(__|$)")
SHOWN = 5


class Loaded:
    """A dataset at a place."""

    # What is left out.
    not_dlts = KEPT_APART

    def __init__(self, dataset: str, place: str) -> None:
        self.engine = engine(place, dataset)
        self.problems: list[str] = []
        self.columns = self._columns()
        self.schema = self._schema()
        self.state = self._state()
        found = self.engine.rows(f"SELECT load_id FROM {self.engine.table('_dlt_loads')} ORDER BY 1")
        loads = {load_id: f"load {number}" for number, (load_id,) in enumerate(found, 1)}
        self.loads = loads
        self.instants = {instant_of(load_id): load for load_id, load in loads.items()}

    def _columns(self) -> dict[str, dict[str, str]]:
        return {
            table: {name: columns[name] for name in columns if not self.not_dlts.search(name)}
            for table, columns in self.engine.columns().items()
            if not table.startswith(OWN_TABLES) and not self.not_dlts.search(table)
        }

    def _schema(self) -> dict[str, Any]:
        versions = self.engine.table("_dlt_version")
        [(stored, stored_hash)] = self.engine.rows(
            f"SELECT schema, version_hash FROM {versions} ORDER BY inserted_at DESC LIMIT 1"
        )
        schema = json.loads(stored)
        computed = Schema.from_stored_schema(json.loads(stored)).version_hash
        if len({computed, stored_hash, schema["version_hash"]}) > 1:
            self.problems.append(f"stored schema: hash {stored_hash}, dlt computes {computed}")
        schema["tables"] = {name: table for name, table in schema["tables"].items() if not self.not_dlts.search(name)}
        for table in schema["tables"].values():
            columns = table["columns"]
            table["columns"] = {name: columns[name] for name in columns if not self.not_dlts.search(name)}
            # dlt forgets this of a table with `max_table_nesting` whenever a run brings no rows for it.
            if "max_nesting" in table.get("x-normalizer", {}):
                table["x-normalizer"].pop("seen-data", None)
        return {key: value for key, value in schema.items() if key not in VERSIONS}

    def _state(self) -> dict[str, Any]:
        states = self.engine.table("_dlt_pipeline_state")
        [(stored,)] = self.engine.rows(f"SELECT state FROM {states} ORDER BY _dlt_load_id DESC LIMIT 1")
        state = json.loads(zlib.decompress(base64.b64decode(stored)))
        # dlt notes a source of which there is nothing to note if one of its resources is replaced.
        state["sources"] = {name: kept for name, kept in state.get("sources", {}).items() if kept}
        return {key: value for key, value in state.items() if key not in VERSIONS}

    def forget_unmade(self, dlt: "Loaded") -> None:
        """Leaves out columns without values that dlt knows and did not make: it makes none of tables without rows in a
        load, and a contract may drop the row that brought the column."""
        for table, columns in self.columns.items():
            listed = dlt.schema["tables"].get(table, {}).get("columns", {})
            for column in [name for name in columns if name in listed and name not in dlt.columns.get(table, {})]:
                if self.engine.rows(f'SELECT count("{column}") FROM {self.engine.table(table)}') == [(0,)]:
                    del columns[column]

    def trees(self) -> dict[str, Counter[str]]:
        """The rows of each root table with all that hangs from them, as JSON, each with how often it is there."""
        rows = {table: self._rows(table) for table in self.columns if not table.startswith("_dlt")}
        parents = {table: self.schema["tables"].get(table, {}).get("parent") for table in rows}
        below: dict[tuple[str, str], list[tuple[str, dict[str, Any]]]] = defaultdict(list)
        for table, parent in parents.items():
            for row in rows[table] if parent else []:
                below[parent, row["_dlt_parent_id"]].append((table, row))
        trees = {}
        for table in [table for table, parent in parents.items() if not parent]:
            trees[table] = Counter(
                json.dumps(self._tree(table, row, row, below), ensure_ascii=False) for row in rows[table]
            )
        for (parent, row_id), orphans in below.items():
            tables = sorted({table for table, _ in orphans})
            self.problems.append(f"{', '.join(tables)}: {len(orphans)} rows below `{row_id}`, not in {parent}")
        return trees

    def _rows(self, table: str) -> list[dict[str, Any]]:
        columns = ", ".join(f'CAST("{column}" AS VARCHAR)' for column in self.columns[table])
        found = self.engine.rows(f"SELECT {columns} FROM {self.engine.table(table)}")
        return [dict(zip(self.columns[table], row)) for row in found]

    def _tree(self, table: str, row: dict[str, Any], root: dict[str, Any], below: dict) -> dict[str, Any]:
        tree = {key: self._value(table, key, value) for key, value in row.items() if key not in LINKS}
        if row is root:
            if self._has_hashed_ids(table):
                tree["_dlt_id"] = row["_dlt_id"]
        elif row.get("_dlt_root_id", root["_dlt_id"]) != root["_dlt_id"]:
            # The list of rows with a key is a root table, and the first of them hands down the id that it got itself.
            if row["_dlt_root_id"] == root.get("_dlt_root_id"):
                tree["_dlt_root_id"] = "the root of the root"
            else:
                self.problems.append(f"{table}: `_dlt_root_id` {row['_dlt_root_id']} is not {root['_dlt_id']}")
        if "_dlt_load_id" in tree:
            tree["_dlt_load_id"] = self.loads.get(row["_dlt_load_id"], "a load that is not finished")
        for child_table, child in below.pop((table, row["_dlt_id"]), []):
            # Of lists that share a table the later ones have ids of their own where ids are unique.
            ranks = [child["_dlt_list_idx"], f"{child['_dlt_list_idx']}_1"][: 1 + self.engine.has_unique_ids]
            if child["_dlt_id"] not in [child_id(row["_dlt_id"], child_table, rank) for rank in ranks]:
                self.problems.append(f"{child_table}: `_dlt_id` of {child} does not follow from its place")
            tree.setdefault(child_table, []).append(self._tree(child_table, child, root, below))
        # Two lists can share a table, and then their rows a place.
        return {
            key: sorted(value, key=lambda child: (int(child["_dlt_list_idx"]), json.dumps(child)))
            if isinstance(value, list)
            else value
            for key, value in sorted(tree.items())
            if value is not None
        }

    def _has_hashed_ids(self, table: str) -> bool:
        """Whether ids of a root table follow from its rows."""
        known = self.schema["tables"].get(table, {})
        is_version = known.get("columns", {}).get("_dlt_id", {}).get("x-row-version")
        return known.get("write_disposition") == "merge" and (
            known.get("x-merge-strategy") in ("upsert", "insert-only")
            or (known.get("x-merge-strategy") == "scd2" and is_version)
        )

    def _value(self, table: str, column: str, value: str | None) -> Any:
        """JSON kept whole by what it says: dlt writes its numbers anew, forebay keeps them as they came."""
        hints = self.schema["tables"].get(table, {}).get("columns", {}).get(column, {})
        if hints.get("x-valid-from") or hints.get("x-valid-to"):
            return self.instants.get(value, value)
        data_type = base_type(self.columns[table][column])
        if value is not None and data_type in self.engine.double_types:
            return f"{float(value):.{self.engine.double_digits}g}"
        if value is None or data_type not in self.engine.json_types | self.engine.text_types:
            return value
        try:
            # In a column of text, too: there it is where text came first.
            is_json = data_type in self.engine.json_types or value.startswith(("{", "["))
            return {"json": json.loads(value, parse_float=number)} if is_json else value
        except ValueError:
            return value


def instant_of(load_id: str) -> str:
    """The instant of a load as the engines write it. dlt takes the id for a float, which has a digit more at times."""
    instant = datetime.fromtimestamp(float(load_id), timezone.utc)
    fraction = f".{instant.microsecond:06}".rstrip("0").rstrip(".")
    return f"{instant:%Y-%m-%d %H:%M:%S}{fraction}+00"


def number(text: str) -> int | float:
    """A number of JSON by its value: `jsonb` writes those with an exponent anew, in full."""
    value = float(text)
    return int(value) if value.is_integer() else value


def child_id(parent_id: str, table: str, index: str) -> str:
    digest = hashlib.shake_128(f"{parent_id}_{table}_{index}".encode()).digest(10)
    return base64.b64encode(digest).decode().rstrip("=")


def differences(path: str, left: Any, right: Any, names: list[str]) -> Iterator[str]:
    """The leaves in which two JSON documents differ, and objects whose keys have another order."""
    if not (isinstance(left, dict) and isinstance(right, dict)):
        if left != right:
            yield f"{path}: {names[0]} {left!r}, {names[1]} {right!r}"
        return
    for key in [*left, *(key for key in right if key not in left)]:
        here = f"{path}.{key}" if path else key
        if key not in right:
            yield f"{here}: only {names[0]}: {left[key]!r}"
        elif key not in left:
            yield f"{here}: only {names[1]}: {right[key]!r}"
        else:
            yield from differences(here, left[key], right[key], names)


def orders(path: str, left: dict[str, Any], right: dict[str, Any], names: list[str]) -> Iterator[str]:
    if sorted(left) == sorted(right) and list(left) != list(right):
        yield f"{path}: order of columns"
        yield from (f"    {name}: {', '.join(columns)}" for name, columns in zip(names, (left, right)))


def compare(left: Loaded, right: Loaded, names: list[str]) -> Iterator[str]:
    yield from differences("", left.columns, right.columns, names)
    for table in sorted(left.columns.keys() & right.columns.keys()):
        yield from orders(table, left.columns[table], right.columns[table], names)
    trees = left.trees(), right.trees()
    for table in sorted(trees[0].keys() & trees[1].keys()):
        for side, other, name in ((0, 1, names[0]), (1, 0, names[1])):
            only = list((trees[side][table] - trees[other][table]).elements())
            yield from (f"{table}: only {name}: {row}" for row in only[:SHOWN])
            if len(only) > SHOWN:
                yield f"{table}: only {name}: {len(only) - SHOWN} more rows"
    yield from differences("schema", left.schema, right.schema, names)
    yield from differences("state", left.state, right.state, names)
    tables = left.schema["tables"], right.schema["tables"]
    for table in sorted(tables[0].keys() & tables[1].keys()):
        yield from orders(f"schema.tables.{table}", tables[0][table]["columns"], tables[1][table]["columns"], names)
    for name, loaded in zip(names, (left, right)):
        yield from (f"{name}: {problem}" for problem in loaded.problems)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset")
    parser.add_argument("left")
    parser.add_argument("right")
    parser.add_argument("--names", nargs=2, default=["dlt", "forebay"])
    args = parser.parse_args()
    left, right = Loaded(args.dataset, args.left), Loaded(args.dataset, args.right)
    right.forget_unmade(left)
    found = list(compare(left, right, args.names))
    print("\n".join(found) or f"equal: {len(left.columns)} tables")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
