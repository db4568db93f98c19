//! Loads into real files.

mod conformance;
mod lock;
mod open;

use std::path::{Path, PathBuf};
use std::time::Duration;

use self::conformance::DuckDbFiles;
use super::DuckDb;
use crate::destination::tests::{Fixture, roots};
use crate::schema::WriteDisposition;

/// A file with rows 1 and 2 in table `t`.
fn loaded() -> Fixture<'static> {
    let mut fixture = Fixture::new(&DuckDbFiles, WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1"), (2, "b", "r2")]))]);
    fixture
}

fn path(fixture: &Fixture<'_>) -> PathBuf {
    fixture.place.address().into()
}

fn open(path: &Path) -> DuckDb {
    DuckDb::new(path.to_owned(), "ds".to_owned(), Duration::ZERO, |_| ())
}
