//! Quotas, of one process and of several.
