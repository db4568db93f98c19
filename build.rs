//! Tells the linker where libduckdb is, so that binaries and tests find it without `LD_LIBRARY_PATH`.
//!
//! With the feature `bundled` there is nothing to do: DuckDB is compiled into the binary. Without it, the library
//! of `DUCKDB_LIB_DIR` is taken, else the one that `make` keeps in the user's cache.

use std::env;
use std::path::{Path, PathBuf};

/// Version of the engine that the crate `duckdb` in `Cargo.toml` is made for; `tests/tools/find-duckdb.sh` has it too.
const DUCKDB_VERSION: &str = "1.5.5";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["DUCKDB_LIB_DIR", "XDG_CACHE_HOME", "HOME"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    if env::var_os("CARGO_FEATURE_BUNDLED").is_some() {
        return;
    }
    let library = if target("OS") == "macos" { "libduckdb.dylib" } else { "libduckdb.so" };
    let directory = env::var_os("DUCKDB_LIB_DIR").map(PathBuf::from).or_else(cached);
    match directory.filter(|directory| directory.join(library).is_file()) {
        Some(directory) => link(&directory, library),
        None => println!(
            "cargo::error=no {library} {DUCKDB_VERSION} found: run `make build`, which fetches it, or set \
             DUCKDB_LIB_DIR to its directory, or build with the default feature `bundled`"
        ),
    }
}

/// Where `tests/tools/find-duckdb.sh` puts the library for this target.
fn cached() -> Option<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME")?).join(".cache"),
    };
    let system = if target("OS") == "macos" { "darwin".to_owned() } else { target("OS") };
    let machine = match target("ARCH").as_str() {
        "x86_64" => "x64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    };
    Some(cache.join("forebay").join(format!("duckdb-{DUCKDB_VERSION}-{system}-{machine}")))
}

/// `libduckdb-sys` asks for the library by name; where it is at link time and at run time is said here, since a
/// dependency's build script cannot set the rpath of our binaries.
fn link(directory: &Path, library: &str) {
    let directory = directory.canonicalize().unwrap_or_else(|_| directory.to_path_buf());
    println!("cargo::rerun-if-changed={}", directory.join(library).display());
    println!("cargo::rustc-link-search=native={}", directory.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", directory.display());
}

fn target(what: &str) -> String {
    env::var(format!("CARGO_CFG_TARGET_{what}")).unwrap_or_default()
}
