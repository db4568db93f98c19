//! DuckDB files.
