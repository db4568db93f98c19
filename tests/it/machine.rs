//! What goes wrong on this machine (disk, permissions, a database in use) ends as what goes wrong at the API: with a
//! message, a code and a hint, before anything is asked of the API where it can be known then.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use duckdb::AccessMode;

use crate::mock::FaultKind;
use crate::scene::{Scene, assert_said, count};

/// Lets no file of the program grow beyond this many blocks of 512 bytes: to the program, a full disk.
fn full_disk(blocks: u64) -> String {
    format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")
}

#[test]
fn a_full_disk_stops_the_reading_and_what_came_is_kept() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let ran = scene.run_members().within(&["sh", "-c", &full_disk(24)]).ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);

    let asked = scene.mock.requests().len();
    scene.run_well();
    let again = scene.mock.requests().len() - asked;
    assert!((1..3).contains(&again), "{again} requests: the first page was there");
    scene.recovers();
}

#[test]
fn a_disk_too_full_for_the_database_keeps_the_package() {
    let scene = Scene::loaded();
    let before = scene.tables();
    for _ in 0..75 {
        scene.mock.create_member();
    }
    receive_only(&scene, AccessMode::ReadOnly);
    assert_eq!(scene.tables(), before);

    let largest = largest_file(&scene.path(".forebay/memberstack_pipeline/packages"), "normalized");
    // Not even room for what normalizing writes.
    assert_said!(scene.run_members().within(&["sh", "-c", &full_disk(1)]).ran().failed(1));
    assert_eq!(scene.tables(), before);

    // Room for that, and not for what the database writes.
    let blocks = largest.div_ceil(512) + 1;
    let ran = scene.run_members().within(&["sh", "-c", &full_disk(blocks)]).ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);
    scene.recovers();
    assert_eq!(count(&scene.tables(), "members"), 100);
}

/// A run that has to leave what it receives, since somebody opens the database between first and last request.
fn receive_only(scene: &Scene, mode: AccessMode) {
    scene.mock.fail_next(FaultKind::Hold, 1);
    let asked = scene.mock.requests().len();
    let mut forebay = scene.run_members();
    forebay.args(["--lock-timeout", "0"]);
    let run = forebay.command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(scene.mock.wait_for_requests(asked + 1, Duration::from_secs(60)));
    let config = duckdb::Config::default().access_mode(mode).unwrap();
    let holder = duckdb::Connection::open_with_flags(scene.path("memberstack.duckdb"), config).unwrap();
    scene.mock.release();
    let output = run.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("error: could not load package"), "{stderr}");
    assert!(stderr.contains("hint: close the program that has the database open"), "{stderr}");
    drop(holder);
}

/// Size of the largest file in a folder with this name somewhere below `dir`.
fn largest_file(dir: &Path, folder: &str) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let sizes = entries.map(|path| match fs::metadata(&path).unwrap() {
        it if it.is_dir() => largest_file(&path, folder),
        it if dir.ends_with(folder) => it.len(),
        _ => 0,
    });
    sizes.max().unwrap_or(0)
}

/// Words before a command that make permissions count for it: those of root count for nothing otherwise. `None` if
/// that cannot be had.
#[expect(clippy::print_stderr, reason = "tests that are left out say so")]
fn bound_by_permissions() -> Option<&'static [&'static str]> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("read-only");
    fs::write(&file, "").unwrap();
    read_only(&file);
    let wrappers: [&[&str]; 2] = [&["env"], &["setpriv", "--bounding-set=-dac_override,-dac_read_search"]];
    let refused = |wrapper: &&&[&str]| {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).args(["sh", "-c", ": >>\"$0\""]).arg(&file);
        command.stderr(Stdio::null()).status().is_ok_and(|status| !status.success())
    };
    let works = |wrapper: &&&[&str]| {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg("true").stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = wrappers.iter().filter(works).find(refused).copied();
    if found.is_none() {
        eprintln!("NOT TESTED: files without permission (runs as root, and setpriv does not help)");
    }
    found
}

fn read_only(path: &Path) {
    let mode = if path.is_dir() { 0o555 } else { 0o444 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn writable(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_database_is_told_before_anything_is_asked() {
    let Some(bound) = bound_by_permissions() else { return };
    let scene = Scene::loaded();
    let (before, file) = (scene.tables(), scene.path("memberstack.duckdb"));
    let asked = scene.mock.requests().len();
    read_only(&file);
    let ran = scene.run_members().within(bound).ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.mock.requests().len(), asked);
    assert_eq!(scene.tables(), before);
    writable(&file);
    scene.recovers();
}

#[test]
fn a_package_that_cannot_be_loaded_is_kept_for_the_next_run() {
    let scene = Scene::loaded();
    let before = scene.tables();
    scene.mock.create_member();
    receive_only(&scene, AccessMode::ReadWrite);
    assert_eq!(scene.tables(), before);
    let asked = scene.mock.requests().len();
    assert_said!(scene.run_well());
    assert_eq!(scene.mock.requests().len(), asked + 3, "the package was loaded as it was, then all read");
    scene.recovers();
}

#[test]
fn a_folder_without_permission_for_a_new_database_is_told() {
    let Some(bound) = bound_by_permissions() else { return };
    let scene = Scene::new(5);
    let folder = scene.path("read-only");
    fs::create_dir(&folder).unwrap();
    read_only(&folder);
    let mut forebay = scene.run_members();
    forebay.args(["--destination", "duckdb:read-only/members.duckdb"]);
    assert_said!(forebay.within(bound).ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
    writable(&folder);
    scene.recovers();
}

#[test]
fn a_folder_that_is_not_there_is_told_before_anything_is_asked() {
    let scene = Scene::new(5);
    let mut forebay = scene.run_members();
    forebay.args(["--destination", "duckdb:missing/members.duckdb"]);
    assert_said!(forebay.ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
    scene.recovers();
}

#[test]
fn a_folder_in_place_of_the_database_is_told_before_anything_is_asked() {
    let scene = Scene::new(5);
    fs::create_dir(scene.path("folder.duckdb")).unwrap();
    let mut forebay = scene.run_members();
    assert_said!(forebay.args(["--destination", "duckdb:folder.duckdb"]).ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let scene = Scene::new(5);
    let text = "id,name\n1,Ann\n".repeat(1000);
    fs::write(scene.path("members.csv"), &text).unwrap();
    let mut forebay = scene.run_members();
    assert_said!(forebay.args(["--destination", "duckdb:members.csv"]).ran().failed(1));
    assert_eq!(fs::read_to_string(scene.path("members.csv")).unwrap(), text);
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn a_database_in_use_is_told_with_the_process_that_has_it() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let reader = duckdb::Connection::open(scene.path("memberstack.duckdb")).unwrap();
    let ran = scene.run_members().args(["--lock-timeout", "0"]).ran().failed(1);
    assert!(ran.stderr.contains(&format!("(PID {})", std::process::id())), "{ran}");
    assert_said!(ran);
    drop(reader);
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

#[test]
fn a_work_dir_without_permission_is_told_before_anything_is_asked() {
    let Some(bound) = bound_by_permissions() else { return };
    let scene = Scene::loaded();
    let (before, asked) = (scene.tables(), scene.mock.requests().len());
    let folder = scene.path("read-only");
    fs::create_dir(&folder).unwrap();
    read_only(&folder);
    let mut forebay = scene.run_members();
    assert_said!(forebay.args(["--work-dir", "read-only/work"]).within(bound).ran().failed(1));
    writable(&folder);
    assert_eq!(scene.mock.requests().len(), asked);
    assert_eq!(scene.tables(), before);
}

#[test]
fn a_file_in_place_of_the_work_dir_is_told() {
    let scene = Scene::new(5);
    fs::write(scene.path("work"), "").unwrap();
    assert_said!(scene.run_members().args(["--work-dir", "work"]).ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn a_second_run_of_a_pipeline_is_turned_away() {
    let scene = Scene::loaded();
    scene.mock.fail_next(FaultKind::Hold, 1);
    let asked = scene.mock.requests().len();
    let mut first = scene.run_members();
    let first = first.command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(scene.mock.wait_for_requests(asked + 1, Duration::from_secs(60)));
    let ran = scene.run_members().ran().failed(4);
    scene.mock.release();
    assert!(first.wait_with_output().unwrap().status.success());
    assert_said!(ran);
    scene.recovers();
}
