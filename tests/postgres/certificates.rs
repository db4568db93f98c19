//! Certificates for one server, of an authority of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The role that the client's certificate is for.
pub(crate) const CERTIFIED: &str = "certified";

/// Files for clients.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The authority; what `sslrootcert` takes.
    pub(crate) root: PathBuf,
    /// The certificate of the role [`CERTIFIED`]; what `sslcert` takes.
    pub(crate) client: PathBuf,
    /// Its key; what `sslkey` takes.
    pub(crate) client_key: PathBuf,
}

/// Makes an authority, and a certificate each for the server (`localhost`, not its address) and a client. An authority
/// that were the server's certificate, too, would be refused by rustls.
const MAKE: &str = r#"
set -eu
make() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" -keyout "$1.key" -out "$1.csr"
    printf '%s\n' "$3" >"$1.ext"
    openssl x509 -req -in "$1.csr" -days 2 -CA root.crt -CAkey root.key -CAcreateserial -extfile "$1.ext" -out "$1.crt"
    chmod 600 "$1.key"
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj '/CN=forebay tests' -days 2 -keyout root.key -out root.crt
make server localhost 'subjectAltName=DNS:localhost'
make client certified 'extendedKeyUsage=clientAuth'
"#;

impl Certificates {
    /// Makes them in a directory; `None` where there is no `openssl`.
    pub(super) fn make(directory: &Path) -> Option<Self> {
        Command::new("openssl").arg("version").output().ok()?;
        let output = Command::new("sh").args(["-c", MAKE]).current_dir(directory).output().unwrap();
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl makes no certificates:\n{talk}");
        Some(Self {
            root: directory.join("root.crt"),
            client: directory.join("client.crt"),
            client_key: directory.join("client.key"),
        })
    }
}
