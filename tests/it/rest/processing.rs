//! Rows on their way: filters, maps, columns, secrets.
