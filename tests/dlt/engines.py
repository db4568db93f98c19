"""The databases that datasets are loaded into: for dlt, and as they are compared.

A place is a DuckDB file, or a URL of Postgres (`postgresql://…`).
"""

import json
import re
from collections import defaultdict
from decimal import Context, Decimal
from typing import Any

import dlt
import duckdb
import psycopg2

# More digits than any number has that the tests send.
EXACT = Context(prec=2000, Emin=-999999, Emax=999999)
# Integers with more digits than these are written with an exponent.
PLAIN_DIGITS = 80


class Engine:
    """A dataset, opened for reading."""

    dataset: str

    def table(self, name: str) -> str:
        return f'"{self.dataset}"."{name}"'


class DuckDb(Engine):
    """A dataset in a file."""

    json_types = {"JSON"}
    text_types = {"VARCHAR"}
    double_types = {"DOUBLE"}
    decimal_types = {"DECIMAL"}
    # dlt's way through SQL text takes the last bit of some: DuckDB reads 17 digits as a decimal first.
    double_digits = 15
    has_unique_ids = False

    def __init__(self, place: str, dataset: str) -> None:
        self.dataset = dataset
        self.connection = duckdb.connect(place, read_only=True)
        self.connection.execute("SET TimeZone = 'UTC'")

    def rows(self, sql: str) -> list[tuple]:
        return self.connection.execute(sql).fetchall()

    def columns(self) -> dict[str, dict[str, str]]:
        """The type of each column, with what constrains it, by table; columns in their order."""
        return by_table(
            self.rows(
                "SELECT table_name, column_name, data_type || if(is_nullable, '', ' NOT NULL') FROM duckdb_columns()"
                f" WHERE schema_name = '{self.dataset}' ORDER BY table_name, column_index"
            )
        )


class Postgres(Engine):
    """A dataset in a database of a server."""

    json_types = {"jsonb", "json"}
    text_types = {"character varying", "text"}
    double_types = {"double precision"}
    decimal_types = {"numeric"}
    double_digits = 17
    has_unique_ids = True

    def __init__(self, place: str, dataset: str) -> None:
        self.dataset = dataset
        self.connection = psycopg2.connect(place)
        self.connection.set_session(readonly=True, autocommit=True)
        self.connection.cursor().execute("SET TIME ZONE 'UTC'; SET search_path = ''")

    def rows(self, sql: str) -> list[tuple]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def columns(self) -> dict[str, dict[str, str]]:
        """The type of each column, with what constrains it, by table; columns in their order."""
        return by_table(
            self.rows(
                "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod)"
                " || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END || coalesce(("
                "  SELECT string_agg(DISTINCT CASE WHEN i.indisprimary THEN ' PRIMARY KEY' ELSE ' UNIQUE' END, '')"
                "  FROM pg_index AS i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey)), '')"
                " FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
                f" WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '{self.dataset}')"
                " AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
                " ORDER BY c.relname COLLATE \"C\", a.attnum"
            )
        )


def by_table(found: list[tuple[str, str, str]]) -> dict[str, dict[str, str]]:
    columns: dict[str, dict[str, str]] = defaultdict(dict)
    for table, column, data_type in found:
        columns[table][column] = data_type
    return columns


def base_type(data_type: str) -> str:
    """Without its digits and what constrains a column."""
    return re.sub(r"\(\d+(,\d+)?\)| NOT NULL| UNIQUE| PRIMARY KEY", "", data_type)


def is_url(place: str) -> bool:
    return place.startswith(("postgresql://", "postgres://"))


def engine(place: str, dataset: str) -> Engine:
    """A dataset, opened for reading."""
    return (Postgres if is_url(place) else DuckDb)(place, dataset)


def destination(place: str) -> Any:
    """dlt's destination of a place."""
    return (dlt.destinations.postgres if is_url(place) else dlt.destinations.duckdb)(place)


def plain(value: str, engine: Engine, data_type: str) -> str:
    """The text of a value, the same for all engines that keep the same."""
    data_type = base_type(data_type)
    if data_type in engine.double_types:
        return repr(float(value))
    if data_type in engine.decimal_types:
        return plain_number(Decimal(value))
    if data_type in engine.json_types:
        return plain_json(json.loads(value, parse_float=Decimal, parse_int=Decimal))
    return value


def plain_json(value: Any) -> str:
    if isinstance(value, dict):
        # PostgreSQL's `jsonb` has an order of its own.
        return "{%s}" % ",".join(f"{json.dumps(key, ensure_ascii=False)}:{plain_json(value[key])}" for key in sorted(value))
    if isinstance(value, list):
        return "[%s]" % ",".join(map(plain_json, value))
    return plain_number(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def plain_number(number: Decimal) -> str:
    """Without zeros at the end of a fraction; an integer as such, unless that would be long."""
    number = EXACT.normalize(number)
    if number.adjusted() < PLAIN_DIGITS:
        return f"{number:f}"
    return str(number).lower().replace("e+", "e")
