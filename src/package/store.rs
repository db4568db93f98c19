//! Packages of one pipeline on disk, and the lock that keeps a second run away from them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::lock::RunLock;
use super::manifest::Manifest;
use super::order::{OrderedPages, OrderedRecords};
use super::{Journal, JournalError, Record, Records, RecordsAt};
use crate::state::LoadId;

/// What the store cannot do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// Another run of the pipeline is going on.
    #[error("another run holds pipeline `{pipeline}`: {holder} (lock file `{}`)", file.display())]
    Locked {
        /// Name of the pipeline.
        pipeline: String,
        /// Who has it: `process 1234`.
        holder: String,
        /// The lock file.
        file: PathBuf,
    },
    /// A file of the work directory fails.
    #[error("could not {action} `{}`", file.display())]
    File {
        /// What was being done.
        action: &'static str,
        /// To which file.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The journal fails.
    #[error("could not keep what was received")]
    Journal(#[from] JournalError),
    /// The journal of a sealed package is not whole any more.
    #[error("the journal of package {load_id} is damaged")]
    Damaged {
        /// The package.
        load_id: LoadId,
    },
    /// A package of another version.
    #[error("package `{}` has format {format}, which this version does not read", file.display())]
    Format {
        /// Its manifest.
        file: PathBuf,
        /// Its format.
        format: u32,
    },
}

/// The packages of one pipeline. Holding it keeps every other run of the pipeline out.
#[derive(Debug)]
pub struct Store {
    packages: PathBuf,
    _lock: RunLock,
}

/// A package that an earlier run left.
#[derive(Debug)]
pub enum Pending {
    /// Its extraction was cut.
    Extracting(Package),
    /// It waits to be loaded.
    Extracted(Package),
}

/// One package on disk.
#[derive(Debug, Clone)]
pub struct Package {
    /// What it was made for.
    pub manifest: Manifest,
    dir: PathBuf,
}

impl Store {
    /// Opens the store of a pipeline below the work directory, which is made if need be.
    ///
    /// # Errors
    /// Another run holds the pipeline, or the directory cannot be written.
    pub fn open(work_dir: &Path, pipeline: &str) -> Result<Self, PackageError> {
        let dir = work_dir.join(pipeline);
        let packages = dir.join("packages");
        fs::create_dir_all(&packages).map_err(file_error("make directory", &packages))?;
        let lock = RunLock::acquire(&dir, pipeline)?;
        Ok(Self { packages, _lock: lock })
    }

    /// Looks at what earlier runs left without keeping a run out, and without making anything. `None` while a run
    /// goes on.
    ///
    /// # Errors
    /// As [`Store::pending`].
    pub fn peek(work_dir: &Path, pipeline: &str) -> Result<Option<Vec<Pending>>, PackageError> {
        let dir = work_dir.join(pipeline);
        if RunLock::is_held(&dir)? {
            return Ok(None);
        }
        let packages = dir.join("packages");
        if !packages.exists() {
            return Ok(Some(Vec::new()));
        }
        let packages = package_dirs(&packages)?.into_iter().map(Package::open);
        let packages = packages.filter_map(Result::transpose).collect::<Result<Vec<_>, _>>()?;
        by_age(packages).map(Some)
    }

    /// What earlier runs left, oldest first. A directory without a manifest never got to its first request and
    /// is removed.
    ///
    /// # Errors
    /// A package cannot be read, or is of another version.
    pub fn pending(&self) -> Result<Vec<Pending>, PackageError> {
        let mut packages = Vec::new();
        for dir in package_dirs(&self.packages)? {
            match Package::open(dir.clone())? {
                Some(package) => packages.push(package),
                None => fs::remove_dir_all(&dir).map_err(file_error("remove", &dir))?,
            }
        }
        by_age(packages)
    }

    /// Makes a package. It is there, durably, when this returns.
    ///
    /// # Errors
    /// The work directory cannot be written.
    pub fn create(&self, manifest: Manifest) -> Result<Package, PackageError> {
        let dir = self.packages.join(manifest.load_id.as_str());
        fs::create_dir_all(&dir).map_err(file_error("make directory", &dir))?;
        let journal = dir.join("journal");
        File::create(&journal).map_err(file_error("make", &journal))?;
        write_manifest(&dir, &manifest)?;
        let sync = File::open(&self.packages).and_then(|packages| packages.sync_all());
        sync.map_err(file_error("make durable", &self.packages))?;
        Ok(Package { manifest, dir })
    }
}

/// Writes a manifest, durably and as a whole, over one that may be there.
fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), PackageError> {
    let path = dir.join("manifest.json");
    let temporary = dir.join("manifest.json.tmp");
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(&serde_json::to_vec_pretty(manifest)?)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(file_error("write", &path))
}

fn package_dirs(packages: &Path) -> Result<Vec<PathBuf>, PackageError> {
    let entries = fs::read_dir(packages).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(file_error("list", packages))?;
    Ok(entries.into_iter().map(|entry| entry.path()).collect())
}

/// Oldest first, each with its state.
fn by_age(mut packages: Vec<Package>) -> Result<Vec<Pending>, PackageError> {
    packages.sort_by(|a, b| a.manifest.load_id.cmp(&b.manifest.load_id));
    let with_state = packages.into_iter().map(|package| {
        Ok(if package.is_sealed()? { Pending::Extracted(package) } else { Pending::Extracting(package) })
    });
    with_state.collect()
}

impl Pending {
    /// The package.
    pub fn package(&self) -> &Package {
        match self {
            Self::Extracting(package) | Self::Extracted(package) => package,
        }
    }
}

impl Package {
    fn open(dir: PathBuf) -> Result<Option<Self>, PackageError> {
        let path = dir.join("manifest.json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file_error("read", &path)(error)),
        };
        let malformed = |error: serde_json::Error| file_error("read", &path)(error.into());
        let fields: serde_json::Value = serde_json::from_slice(&text).map_err(malformed)?;
        match fields["format"].as_u64().and_then(|format| u32::try_from(format).ok()) {
            Some(Manifest::FORMAT) => {}
            format => return Err(PackageError::Format { file: path, format: format.unwrap_or(0) }),
        }
        let manifest: Manifest = serde_json::from_value(fields).map_err(malformed)?;
        Ok(Some(Self { manifest, dir }))
    }

    /// Gives the package a later id: others were loaded since it was made, and dlt takes the state of the latest.
    ///
    /// # Errors
    /// The work directory cannot be written.
    pub fn renew(self, load_id: LoadId) -> Result<Self, PackageError> {
        let manifest = Manifest { load_id, ..self.manifest };
        write_manifest(&self.dir, &manifest)?;
        Ok(Self { manifest, dir: self.dir })
    }

    /// Id of the package and of its load.
    pub fn load_id(&self) -> &LoadId {
        &self.manifest.load_id
    }

    /// Opens the journal for writing, behind its last whole record.
    ///
    /// # Errors
    /// See [`Journal::open`].
    pub fn journal(&self) -> Result<Journal, PackageError> {
        Ok(Journal::open(&self.dir.join("journal"))?)
    }

    /// Reads the journal from its start.
    ///
    /// # Errors
    /// The journal cannot be opened.
    pub fn records(&self) -> Result<Records, PackageError> {
        Ok(Records::open(&self.dir.join("journal"))?)
    }

    /// Reads the journal from its start, the pages of each resource in the order of its paginations.
    ///
    /// # Errors
    /// The journal cannot be opened.
    pub fn ordered_records(&self) -> Result<OrderedRecords, PackageError> {
        Ok(OrderedRecords::new(self.records()?, self.records_at()?))
    }

    /// Reads the pages of one resource that has ended, in the order of its paginations.
    ///
    /// # Errors
    /// The journal cannot be opened.
    pub fn pages_of(&self, resource: &str) -> Result<OrderedPages, PackageError> {
        Ok(OrderedPages::new(resource, self.headers()?, self.records_at()?))
    }

    /// Reads records by their places.
    ///
    /// # Errors
    /// The journal cannot be opened.
    pub fn records_at(&self) -> Result<RecordsAt, PackageError> {
        Ok(RecordsAt::open(&self.dir.join("journal"))?)
    }

    /// Reads the journal without rows and without checking them.
    ///
    /// # Errors
    /// The journal cannot be opened.
    pub fn headers(&self) -> Result<Records, PackageError> {
        Ok(self.records()?.without_rows())
    }

    fn is_sealed(&self) -> Result<bool, PackageError> {
        for record in self.records()? {
            if record? == Record::Sealed {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An empty directory for what normalizing writes; an earlier one is dropped.
    ///
    /// # Errors
    /// The work directory cannot be written.
    pub fn spill_dir(&self) -> Result<PathBuf, PackageError> {
        let dir = self.dir.join("normalized");
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(file_error("remove", &dir)(error));
            }
            _ => {}
        }
        fs::create_dir_all(&dir).map_err(file_error("make directory", &dir))?;
        Ok(dir)
    }

    /// Removes the package: it was loaded, or is not wanted any more.
    ///
    /// # Errors
    /// The work directory cannot be written.
    pub fn remove(self) -> Result<(), PackageError> {
        // The manifest goes first: without it a half-removed package is no package.
        let manifest = self.dir.join("manifest.json");
        fs::remove_file(&manifest).map_err(file_error("remove", &manifest))?;
        fs::remove_dir_all(&self.dir).map_err(file_error("remove", &self.dir))
    }
}

pub(super) fn file_error(
    action: &'static str,
    file: &Path,
) -> impl FnOnce(io::Error) -> PackageError + use<> {
    let file = file.to_owned();
    move |source| PackageError::File { action, file, source }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: Manifest::FORMAT,
            load_id: LoadId::new(None),
            plan_hash: "x".to_owned(),
            selected: vec!["members".to_owned()],
            resources: vec!["members".to_owned()],
            starts: BTreeMap::new(),
            validators: BTreeMap::new(),
            full_refresh: false,
            backfill: None,
            is_look: false,
            created_at: 0,
        }
    }

    #[test]
    fn a_second_run_is_kept_out_until_the_first_ends() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "p").unwrap();
        assert!(matches!(Store::open(dir.path(), "p"), Err(PackageError::Locked { .. })));
        assert!(Store::open(dir.path(), "other").is_ok());
        drop(store);
        assert!(Store::open(dir.path(), "p").is_ok());
    }

    #[test]
    fn pending_packages_are_found_by_their_state() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "p").unwrap();
        assert!(store.pending().unwrap().is_empty());
        let package = store.create(manifest()).unwrap();
        assert!(matches!(store.pending().unwrap()[..], [Pending::Extracting(_)]));
        package.journal().unwrap().append(&Record::Sealed).unwrap();
        assert!(matches!(store.pending().unwrap()[..], [Pending::Extracted(_)]));
        package.remove().unwrap();
        assert!(store.pending().unwrap().is_empty());
    }

    #[test]
    fn a_package_with_a_later_id_keeps_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "p").unwrap();
        let package = store.create(manifest()).unwrap();
        package.journal().unwrap().append(&Record::Sealed).unwrap();
        let later = LoadId::new(Some(package.load_id()));
        package.renew(later.clone()).unwrap();
        let [Pending::Extracted(renewed)] = &store.pending().unwrap()[..] else { panic!("it is lost") };
        assert_eq!(renewed.load_id(), &later);
    }

    #[test]
    fn a_package_of_another_format_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), "p").unwrap();
        store.create(Manifest { format: 99, ..manifest() }).unwrap();
        let error = store.pending().unwrap_err().to_string();
        assert!(error.contains("manifest.json") && error.contains("format 99"), "{error}");
    }
}
