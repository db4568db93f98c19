//! Resources that take values from another one's rows.
