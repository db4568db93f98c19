//! Paginators.
