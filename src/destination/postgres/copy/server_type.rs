//! Types that columns have in the server.

use std::fmt;

/// A type of the server that values can be sent to, by its name in `pg_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerType {
    Int2,
    Int4,
    Int8,
    Numeric,
    Float4,
    Float8,
    Bool,
    Text,
    Varchar,
    Bpchar,
    Json,
    Jsonb,
    TimestampTz,
    Timestamp,
    Date,
    Time,
    Bytea,
}

/// Every type with its id, which is the same in every server (`pg_type.dat`), and its name as `format_type` writes it,
/// without digits and length.
const TYPES: [(ServerType, u32, &str); 17] = [
    (ServerType::Int2, 21, "smallint"),
    (ServerType::Int4, 23, "integer"),
    (ServerType::Int8, 20, "bigint"),
    (ServerType::Numeric, 1700, "numeric"),
    (ServerType::Float4, 700, "real"),
    (ServerType::Float8, 701, "double precision"),
    (ServerType::Bool, 16, "boolean"),
    (ServerType::Text, 25, "text"),
    (ServerType::Varchar, 1043, "character varying"),
    (ServerType::Bpchar, 1042, "character"),
    (ServerType::Json, 114, "json"),
    (ServerType::Jsonb, 3802, "jsonb"),
    (ServerType::TimestampTz, 1184, "timestamp with time zone"),
    (ServerType::Timestamp, 1114, "timestamp without time zone"),
    (ServerType::Date, 1082, "date"),
    (ServerType::Time, 1083, "time without time zone"),
    (ServerType::Bytea, 17, "bytea"),
];

impl ServerType {
    /// The type of an id (`pg_type.oid`; of a domain that of its base type); `None` if no value can be sent to it.
    pub(crate) fn from_oid(oid: u32) -> Option<Self> {
        TYPES.iter().find(|(_, id, _)| *id == oid).map(|(server_type, ..)| *server_type)
    }

    /// The type of a name as `format_type` writes it: `numeric(38,9)`, `timestamp(3) with time zone`.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        let plain = match (name.find('('), name.find(')')) {
            (Some(open), Some(close)) => [name.get(..open)?, name.get(close + 1..)?].concat(),
            _ => name.to_owned(),
        };
        TYPES.iter().find(|(.., name)| *name == plain).map(|(server_type, ..)| *server_type)
    }
}

impl fmt::Display for ServerType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = TYPES.iter().find(|(server_type, ..)| server_type == self).map_or("", |(.., name)| name);
        formatter.write_str(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_id_and_name() {
        for (server_type, oid, name) in TYPES {
            assert_eq!(ServerType::from_oid(oid), Some(server_type));
            assert_eq!(ServerType::from_name(name), Some(server_type));
            assert_eq!(server_type.to_string(), name);
        }
        let cases = [
            ("numeric(38,9)", Some(ServerType::Numeric)),
            ("timestamp(3) with time zone", Some(ServerType::TimestampTz)),
            ("character varying(10)", Some(ServerType::Varchar)),
            ("character(1)", Some(ServerType::Bpchar)),
            ("integer[]", None),
            ("uuid", None),
            (")(", None),
        ];
        for (name, expected) in cases {
            assert_eq!(ServerType::from_name(name), expected, "{name}");
        }
        assert_eq!(ServerType::from_oid(2950), None);
    }
}
