//! The vendor's own client, `@memberstack/admin`, as a witness that the mock behaves as the API does.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Installs the pinned packages (once; `npm ci` from `package-lock.json`) and pages through the mock at `base_url`.
///
/// The document it returns is described at the head of `tests/sdk/page_through.mjs`. Errors name the command and
/// carry what it wrote; the first one on a machine without Node is that `npm` could not be started.
pub(crate) fn page_through(base_url: &str, key: &str) -> Result<Value, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    if !folder.join("node_modules/@memberstack/admin").is_dir() {
        let install = ["ci", "--no-audit", "--no-fund", "--prefix"];
        run(Command::new("npm").args(install).arg(&folder))?;
    }
    let script: PathBuf = folder.join("page_through.mjs");
    let output = run(Command::new("node").arg(script).args([base_url, key]))?;
    serde_json::from_slice(&output).map_err(|error| format!("page_through.mjs did not print JSON: {error}"))
}

fn run(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("`{name}` could not be started: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("`{name}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}
