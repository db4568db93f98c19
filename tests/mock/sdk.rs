//! The vendor's own client, `@memberstack/admin`, as a witness that the mock behaves as the API does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// Pages through the mock at `base_url` with the pinned client, installing that at first use.
///
/// The document it returns is described at the head of `tests/sdk/page_through.mjs`. `None` where npm cannot be had:
/// see [`installed`]. Errors name the command and carry what it wrote.
pub(crate) fn page_through(base_url: &str, key: &str) -> Result<Option<Value>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    if !installed(&folder, "the mock with Memberstack's own client")? {
        return Ok(None);
    }
    let script: PathBuf = folder.join("page_through.mjs");
    let output = run(Command::new("node").arg(script).args([base_url, key]))?;
    let found = serde_json::from_slice(&output);
    found.map(Some).map_err(|error| format!("page_through.mjs did not print JSON: {error}"))
}

/// Installs what a folder's lock file names, at first use.
///
/// `false` where `tests/tools/test.sh` found that npm cannot be had and set `FOREBAY_TEST_WITHOUT_NPM`: `what` is not
/// tested then, which is said aloud, as a test that passes is silent otherwise. Anywhere else that is an error.
pub(crate) fn installed(folder: &Path, what: &str) -> Result<bool, String> {
    if std::env::var_os("FOREBAY_TEST_WITHOUT_NPM").is_some() {
        // Not `eprintln!`, which is not shown of a test that passes.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: {what} (no npm)");
        return Ok(false);
    }
    // Not two at once in one folder.
    static INSTALLING: Mutex<()> = Mutex::new(());
    let _turn = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    install(folder).map(|()| true)
}

/// `npm ci`, unless what the lock file names was installed since it changed.
fn install(folder: &Path) -> Result<(), String> {
    let changed = |file: &str| folder.join(file).metadata().and_then(|metadata| metadata.modified()).ok();
    let installed = changed("node_modules/.package-lock.json");
    if installed.is_some() && installed >= changed("package-lock.json") {
        return Ok(());
    }
    // --prefix beside the script that imports the package: Node looks nowhere else.
    run(Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix"])
        .arg(folder))
    .map(drop)
}

fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{name}` could not be started: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("`{name}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}
