//! A cluster in a directory of its own. A keeper beside it does away with its processes and its files when the tests'
//! process is gone, however that ended.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::certificates::{CERTIFIED, Certificates};
use super::{Access, say};

/// Longest wait for a server to start, which takes a second or two.
const PATIENCE: Duration = Duration::from_secs(120);

/// No crash of the machine is survived, which no test is about; one of the server is, as its files are the kernel's. That
/// needs `synchronous_commit`, which would keep commits in memory.
const SETTINGS: [&str; 6] = [
    "listen_addresses=127.0.0.1",
    "max_connections=100",
    "fsync=off",
    "full_page_writes=off",
    "password_encryption=scram-sha-256",
    "lc_messages=C",
];

/// Ports that no system gives out by itself, so that nobody takes the one of a server that starts anew.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

pub(super) struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    /// Whom the server runs as, if not as the tests.
    user: Option<User>,
    settings: Vec<String>,
    port: u16,
    certificates: Option<Certificates>,
    keeper: Option<Keeper>,
}

/// A server and the shell that keeps it.
struct Keeper {
    shell: Child,
    server: u32,
    log: Arc<Mutex<String>>,
    /// Ends with the last process of the server.
    reader: Option<JoinHandle<()>>,
}

/// Postgres does not run as root.
#[derive(Clone, Copy)]
struct User {
    id: u32,
    group: u32,
}

impl Cluster {
    /// `None` where there is no `openssl` for a server with TLS.
    pub(super) fn start_new(programs: PathBuf, access: Access) -> Option<Self> {
        let directory = tempfile::Builder::new().prefix("forebay-postgres-").tempdir().unwrap();
        let has_tls = access == Access::Tls;
        let certificates = if has_tls { Certificates::make(directory.path()) } else { None };
        if has_tls && certificates.is_none() {
            say("NOT TESTED: TLS with Postgres (no openssl to make certificates with)");
            return None;
        }
        let user = geteuid().is_root().then(User::find);
        fs::write(directory.path().join("pg_hba.conf"), rules(access)).unwrap();
        let programs = match user {
            Some(user) => {
                let programs = user.within_reach(programs, directory.path());
                user.give(directory.path());
                programs
            }
            None => programs,
        };
        // From here on the keeper removes it.
        let directory = directory.keep();
        let path = |name: &str| directory.join(name).display().to_string();
        let mut settings: Vec<_> = SETTINGS.map(str::to_owned).into();
        settings.push(format!("unix_socket_directories={}", directory.display()));
        settings.push(format!("hba_file={}", path("pg_hba.conf")));
        if has_tls {
            settings.push("ssl=on".to_owned());
            settings.push(format!("ssl_cert_file={}", path("server.crt")));
            settings.push(format!("ssl_key_file={}", path("server.key")));
            settings.push(format!("ssl_ca_file={}", path("root.crt")));
        }
        let mut cluster =
            Self { programs, directory, user, settings, port: free_port(), certificates, keeper: None };
        cluster.start();
        Some(cluster)
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    pub(super) fn pid(&self) -> u32 {
        self.keeper.as_ref().unwrap().server
    }

    pub(super) fn log(&self) -> String {
        self.keeper.as_ref().unwrap().log.lock().unwrap().clone()
    }

    /// Starts the server, which must not run.
    pub(super) fn start(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.leave();
        }
        self.keeper = Some(Keeper::start(self.command()));
    }

    /// Returns when no process of the server is left.
    pub(super) fn kill(&mut self) {
        let keeper = self.keeper.as_mut().unwrap();
        let server = Pid::from_raw(keeper.server.try_into().unwrap()).unwrap();
        kill_process(server, Signal::KILL).unwrap();
        if let Some(reader) = keeper.reader.take() {
            reader.join().unwrap();
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("keeper.sh"), "keeper.sh"]).arg(&self.programs).arg(&self.directory);
        command.args(["-p", &self.port.to_string()]);
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        // In a group of its own, Ctrl-C is for the tests alone and the keeper ends in order.
        command.current_dir(&self.directory).process_group(0);
        command.env("LC_ALL", "C").env("PGTZ", "UTC").stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(user) = self.user {
            command.uid(user.id).gid(user.group);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.finish();
        }
    }
}

impl Keeper {
    fn start(mut command: Command) -> Self {
        let mut shell = command.spawn().unwrap();
        let output = shell.stdout.take().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, receiver) = channel();
        let reader = std::thread::spawn({
            let log = Arc::clone(&log);
            move || read_log(output, &log, &sender)
        });
        match wait_until_ready(&receiver) {
            Some(server) => Self { shell, server, log, reader: Some(reader) },
            None => {
                drop(shell.stdin.take());
                panic!("Postgres does not start:\n{}", log.lock().unwrap());
            }
        }
    }

    /// Ends the keeper alone; the directory stays. The server has been killed.
    fn leave(mut self) {
        self.shell.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        self.shell.wait().unwrap();
    }

    /// Stops the server, and returns when its files are gone.
    fn finish(mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// What the log says of a start.
enum Start {
    Process(u32),
    Ready,
}

/// Keeps what the server logs until its last process is gone.
fn read_log(output: ChildStdout, log: &Mutex<String>, sender: &Sender<Start>) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        log.lock().unwrap().extend([&line, "\n"]);
        // Nobody listens after the start.
        if let Some(pid) = line.strip_prefix("keeper: server ") {
            let _ = sender.send(Start::Process(pid.parse().unwrap()));
        } else if line.contains("database system is ready to accept connections") {
            let _ = sender.send(Start::Ready);
        }
    }
}

/// The process id of the server; `None` if it ended, or was not ready in time.
fn wait_until_ready(receiver: &Receiver<Start>) -> Option<u32> {
    let mut server = None;
    loop {
        match receiver.recv_timeout(PATIENCE).ok()? {
            Start::Process(pid) => server = Some(pid),
            Start::Ready => return server,
        }
    }
}

/// `pg_hba.conf`: the first rule that fits counts.
fn rules(access: Access) -> String {
    let roles = match access {
        Access::Trust => "host all all 127.0.0.1/32 trust".to_owned(),
        Access::Password => "host all all 127.0.0.1/32 scram-sha-256".to_owned(),
        Access::Tls => {
            format!("hostssl all {CERTIFIED} 127.0.0.1/32 cert\nhostssl all all 127.0.0.1/32 scram-sha-256")
        }
    };
    format!("local all all trust\nhost all postgres 127.0.0.1/32 trust\n{roles}\n")
}

fn free_port() -> u16 {
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| fastrand::u16(PORTS)).take(1000).find(is_free).expect("a port is free")
}

impl User {
    /// The one that packages of Postgres make, else the one that owns nothing.
    fn find() -> Self {
        let number = |option: &str, name: &str| {
            let output = Command::new("id").args([option, name]).output().unwrap();
            // Signed on macOS: `nobody` is -2.
            let number: i64 = String::from_utf8_lossy(&output.stdout).trim().parse().ok()?;
            Some(number as u32)
        };
        let user = |name| Some(Self { id: number("-u", name)?, group: number("-g", name)? });
        user("postgres").or_else(|| user("nobody")).expect("there is a user `postgres` or `nobody`")
    }

    /// The programs as they are, or linked into `directory`: the cache of root is nothing for others.
    fn within_reach(self, programs: PathBuf, directory: &Path) -> PathBuf {
        let mut version = Command::new(programs.join("postgres"));
        version.arg("--version").current_dir("/").uid(self.id).gid(self.group);
        if version.output().is_ok_and(|output| output.status.success()) {
            return programs;
        }
        let installation = directory.join("installation");
        self.link(programs.parent().unwrap(), &installation);
        installation.join("bin")
    }

    /// Makes the same files in another place, without taking space if it is on the same disk.
    fn link(self, from: &Path, to: &Path) {
        fs::create_dir(to).unwrap();
        self.give(to);
        for entry in fs::read_dir(from).unwrap() {
            let (entry, from, to) =
                entry.map(|it| (it.file_type().unwrap(), it.path(), to.join(it.file_name()))).unwrap();
            if entry.is_dir() {
                self.link(&from, &to);
            } else if entry.is_symlink() {
                std::os::unix::fs::symlink(fs::read_link(&from).unwrap(), &to).unwrap();
            } else if fs::hard_link(&from, &to).is_err() {
                fs::copy(&from, &to).unwrap();
            }
        }
    }

    /// Makes it the owner of a directory and of the files right in it.
    fn give(self, directory: &Path) {
        chown(directory, Some(self.id), Some(self.group)).unwrap();
        for entry in fs::read_dir(directory).unwrap() {
            chown(entry.unwrap().path(), Some(self.id), Some(self.group)).unwrap();
        }
    }
}
