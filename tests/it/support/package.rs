//! What runs leave in the work directory, read with the program's own code.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use forebay::package::{Pending, Record, Store};
use forebay::paginate::PageCursor;

use super::cli::Workspace;

/// What a killed run left on disk.
#[derive(Debug, PartialEq)]
pub(crate) enum Left {
    /// Nothing: it had not begun, or was done.
    Nothing,
    /// These pages, by what they were asked with.
    Pages(HashSet<Option<String>>),
    /// All pages, to be loaded.
    All,
}

/// Reads the journal of a killed run as the next run will.
pub(crate) fn left_by(workspace: &Workspace) -> Left {
    let store = Store::open(&workspace.work_dir(), "memberstack_pipeline").unwrap();
    let pending = store.pending().unwrap();
    assert!(pending.len() <= 1);
    let package = match pending.into_iter().next() {
        None => return Left::Nothing,
        Some(Pending::Extracted(_)) => return Left::All,
        Some(Pending::Extracting(package)) => package,
    };
    let mut pages = HashSet::new();
    for record in package.records().unwrap() {
        if let Record::Page(page, _) = record.unwrap() {
            let asked_with = match page.cursor {
                PageCursor::Token(token) => Some(token.to_string()),
                _ => None,
            };
            assert!(pages.insert(asked_with), "a page is in the journal twice");
        }
    }
    Left::Pages(pages)
}

/// The directory of the only package.
pub(crate) fn package_dir(workspace: &Workspace) -> PathBuf {
    let packages = workspace.work_dir().join("memberstack_pipeline/packages");
    let mut dirs = fs::read_dir(packages).unwrap().map(|entry| entry.unwrap().path());
    let dir = dirs.next().expect("there is a package");
    assert!(dirs.next().is_none(), "there is one package");
    dir
}
