//! The command line as people and scripts see it: what is said where, and with which exit code.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::mock::{Fault, FaultKind, MockConfig};
use crate::scene::{Forebay, Ran, Scene, assert_said};

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("stdout is no JSON: {error}\n{ran}"))
}

/// The program without a pipeline.
fn bare<const N: usize>(args: [&str; N]) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    Forebay::new(dir.path()).args(args).ran()
}

// ---- help and usage -----------------------------------------------------------------------------------------------

#[test]
fn help_names_the_commands() {
    assert_said!(bare(["--help"]).with_code(0));
}

#[test]
fn help_of_run_names_the_exit_codes() {
    assert_said!(bare(["run", "--help"]).with_code(0));
}

#[test]
fn help_of_the_other_commands() {
    for command in ["check", "status", "query", "schema", "preview"] {
        assert_said!(bare([command, "--help"]).with_code(0));
    }
}

#[test]
fn flags_may_be_variables_as_people_write_them() {
    let said = |value: &str| {
        let dir = tempfile::tempdir().unwrap();
        let ran = Forebay::new(dir.path()).args(["run", "a.toml"]).env("FOREBAY_QUIET", value).ran();
        ran.with_code(2).stderr
    };
    for value in ["1", "true", "YES", "", "0", "off"] {
        assert!(said(value).contains("cannot read config file"), "{value}: {}", said(value));
    }
    assert!(said("quite").contains("write 1 or 0"), "{}", said("quite"));
}

#[test]
fn usage_errors_end_with_2_and_leave_stdout_alone() {
    let cases: [&[&str]; 6] = [
        &[],
        &["run"],
        &["load", "a.toml"],
        &["run", "a.toml", "--full-refesh"],
        &["run", "a.toml", "--format", "csv"],
        &["query", "a.toml"],
    ];
    for args in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut forebay = Forebay::new(dir.path());
        forebay.command.args(args);
        let ran = forebay.ran().with_code(2);
        assert_eq!(ran.stdout, "", "{ran}");
        assert!(ran.stderr.contains("Usage: forebay"), "{ran}");
    }
    assert_said!(bare(["run", "a.toml", "--format", "csv"]));
}

#[test]
fn the_version_is_told() {
    assert_eq!(bare(["--version"]).stdout, concat!("forebay ", env!("CARGO_PKG_VERSION"), "\n"));
}

// ---- check --------------------------------------------------------------------------------------------------------

#[test]
fn check_of_a_good_file_tells_what_would_run() {
    let scene = Scene::new(1);
    assert_said!(scene.command("check").ran().with_code(0));
    assert_said!(scene.command("check").args(["--format", "json"]).ran().with_code(0));
    assert_eq!(scene.mock.requests().len(), 0);
    assert!(!scene.path(".forebay").exists(), "check wrote something");
}

#[test]
fn check_of_bad_files_tells_all_that_is_wrong_with_each() {
    let scene = Scene::new(1);
    fs::write(scene.path("syntax.toml"), "[pipeline\n").unwrap();
    fs::write(
        scene.path("sense.toml"),
        "[pipeline]\nname = \"p\"\n[client]\nbase_url = \"api.example.com\"\nrate_limit = [\"25/s\"]\n\
         [[resources]]\nname = \"a\"\nendpoint = { path = \"{resources.b.id}\" }\n",
    )
    .unwrap();
    let check = |format: &str| {
        let mut forebay = Forebay::new(scene.dir.path());
        forebay.args(["check", "memberstack.toml", "syntax.toml", "missing.toml", "sense.toml"]);
        forebay.args(["--format", format]).env("MEMBERSTACK_SECRET_KEY", crate::scene::KEY).ran().with_code(2)
    };
    assert_said!(check("text"));
    let answers = json(&check("json"));
    let oks: Vec<_> = answers.as_array().unwrap().iter().map(|answer| answer["ok"].as_bool()).collect();
    assert_eq!(oks, [Some(true), Some(false), Some(false), Some(false)], "{answers}");
    let problems = answers[3]["problems"].as_array().unwrap().iter();
    let places: Vec<_> = problems.map(|problem| problem["path"].as_str().unwrap()).collect();
    assert_eq!(places, ["client.rate_limit", "client.base_url", "resources[0].endpoint.path"]);
}

// ---- run ----------------------------------------------------------------------------------------------------------

#[test]
fn a_complete_run_closes_with_a_line_per_resource_and_load() {
    let scene = Scene::new(25);
    assert_said!(scene.command("run").ran().with_code(0));
    // All is read again, and merged.
    assert_said!(scene.command("run").ran().with_code(0));
}

#[test]
fn a_run_with_nothing_new_says_that_it_wrote_nothing() {
    let scene = Scene::new(25);
    let run = || {
        let mut forebay = scene.run_members();
        forebay.set("resources.members.endpoint.incremental={page_cursor=true}");
        forebay.ran().with_code(0)
    };
    run();
    let before = scene.tables();
    assert_said!(run());
    assert_eq!(scene.tables(), before);
}

#[test]
fn new_columns_are_counted() {
    let scene = Scene::with(MockConfig { late_field_from: Some(25), ..MockConfig::unlimited(25) });
    scene.run_well();
    scene.mock.create_member();
    let ran = scene.run_well();
    assert!(ran.stdout.contains("   +1 column\n"), "{ran}");
}

#[test]
fn values_of_another_type_are_told_with_the_column_they_came_for() {
    let scene = Scene::with(MockConfig { mixed_types: true, ..MockConfig::unlimited(25) });
    assert_said!(scene.run_well());
}

#[test]
fn refused_requests_are_counted_where_they_were_refused() {
    let scene = Scene::with(MockConfig { retry_after: false, ..MockConfig::unlimited(25) });
    scene.mock.set_faults(vec![Fault::at_page(2, FaultKind::TooManyRequests)]);
    let ran = scene.command("run").ran().with_code(0);
    let counts: Vec<_> =
        ran.stdout.lines().filter_map(|line| line.split_once("requests (")?.1.get(..1)).collect();
    assert_eq!(counts, ["1"], "{ran}");
    assert!(ran.stdout.contains("1 request (0 × 429)"), "{ran}");
}

#[test]
fn the_report_as_json_is_one_document_whatever_went_wrong() {
    let scene = Scene::new(25);
    let mut forebay = scene.command("run");
    let ran = forebay.args(["-r", "members", "-r", "plans", "--format", "json"]).ran().with_code(3);
    let report = json(&ran);
    assert_eq!((&report["status"], &report["resources"][0]["rows"]), (&"partial".into(), &25.into()));
    let causes = report["resources"][1]["causes"].as_array().unwrap();
    assert_eq!(causes[2], "HTTP 404 Not Found: Cannot GET /plans");
    assert_said!(ran);
}

#[test]
fn a_run_without_a_report_answers_with_json_too() {
    let scene = Scene::new(1);
    let refused = |args: [&str; 2], code: i32| {
        let mut forebay = scene.run_members();
        json(&forebay.args(["--format", "json"]).args(args).ran().with_code(code))
    };
    let answer = refused(["--set", "client.timeout=soon"], 2);
    assert_eq!((&answer["ok"], &answer["problems"][0]["path"]), (&false.into(), &"client.timeout".into()));
    let answer = refused(["--destination", "duckdb:missing/a.duckdb"], 1);
    assert_eq!(answer["causes"][0], "cannot load into duckdb:missing/a.duckdb");
    assert!(answer["hint"].is_string(), "{answer}");
}

#[test]
fn a_quiet_run_prints_errors_and_closing_lines_only() {
    let scene = Scene::new(25);
    scene.mock.set_faults(vec![Fault::at_page(2, FaultKind::BadGateway).times(2)]);
    let ran = scene.run_members().arg("--quiet").ran().with_code(0);
    assert_eq!(ran.stderr, "");
    assert_eq!(ran.stdout.lines().count(), 2, "{ran}");
}

#[test]
fn unknown_and_unselected_resources_are_told_with_those_there_are() {
    let scene = Scene::new(1);
    assert_said!(scene.command("run").args(["-r", "member_action"]).ran().failed(2));
    let mut forebay = scene.command("run");
    forebay.set("resources.members.selected=false").set("resources.data_tables.selected=false");
    assert_said!(forebay.ran().failed(2));
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn several_configs_run_one_after_the_other_whatever_happens_to_each() {
    let scene = Scene::new(25);
    let other = fs::read_to_string(scene.path("memberstack.toml")).unwrap();
    let other =
        other.replace("memberstack_pipeline", "other_pipeline").replace("memberstack.duckdb", "other.duckdb");
    fs::write(scene.path("other.toml"), other).unwrap();
    fs::write(scene.path("bad.toml"), "[pipeline]\n").unwrap();
    let run = |files: &[&str]| {
        let mut forebay = Forebay::new(scene.dir.path());
        forebay.arg("run").env("MEMBERSTACK_SECRET_KEY", crate::scene::KEY);
        forebay.env("MEMBERSTACK_BASE_URL", &scene.mock.url()).env("FOREBAY_RESOURCE", "members");
        forebay.command.args(files);
        forebay.ran()
    };
    assert_said!(run(&["memberstack.toml", "bad.toml", "other.toml"]).with_code(3));
    run(&["memberstack.toml", "other.toml"]).with_code(0);
    run(&["bad.toml", "missing.toml"]).with_code(2);
}

#[test]
fn a_run_finds_its_files_beside_the_config_from_any_folder() {
    let scene = Scene::new(5);
    let elsewhere = tempfile::tempdir().unwrap();
    let mut forebay = Forebay::new(elsewhere.path());
    forebay.arg("run").arg(scene.path("memberstack.toml")).env("MEMBERSTACK_SECRET_KEY", crate::scene::KEY);
    let ran = forebay.env("MEMBERSTACK_BASE_URL", &scene.mock.url()).ran();
    assert_eq!(ran.code, 0, "{ran}");
    assert!(scene.path("memberstack.duckdb").exists() && scene.path(".forebay").exists());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

// ---- status -------------------------------------------------------------------------------------------------------

#[test]
fn status_tells_loads_cursors_and_unfinished_work() {
    let scene = Scene::new(25);
    let status = |format: &str| scene.command("status").args(["--format", format]).ran().with_code(0);
    assert_said!(status("text"));

    let run = || {
        let mut forebay = scene.run_members();
        forebay.set("resources.members.endpoint.incremental={page_cursor=true}").ran()
    };
    run().with_code(0);
    (0..15).for_each(|_| scene.mock.create_member());
    scene.mock.set_faults(vec![Fault::at_page(5, FaultKind::Reset).times(1000)]);
    run().failed(1);
    assert_said!(status("text"));
    assert_said!(status("json"));
    assert_eq!(json(&status("json"))["pending"][0]["state"], "extracting");
}

// ---- query --------------------------------------------------------------------------------------------------------

const PLANS: &str = "SELECT p.status, count(DISTINCT m.id) AS members, NULL AS nothing, 'a,\"b\"' AS text \
                     FROM members m JOIN members__plan_connections p ON p._dlt_parent_id = m._dlt_id \
                     GROUP BY ALL ORDER BY ALL";

#[test]
fn query_prints_rows_in_three_formats() {
    let scene = Scene::loaded();
    let query =
        |format: &str| scene.command("query").arg(PLANS).args(["--format", format]).ran().with_code(0);
    let (text, json_rows, csv) = (query("text"), query("json"), query("csv"));
    for ran in [&text, &json_rows, &csv] {
        assert_eq!(ran.stderr, "");
    }
    let rows = json(&json_rows);
    assert_eq!(rows.as_array().unwrap().len() + 1, csv.stdout.lines().count(), "{csv}");
    assert!(rows[0]["nothing"].is_null());
    assert_said!(text);
    assert_said!(json_rows);
    assert_said!(csv);
}

#[test]
fn query_that_fails_says_why_and_prints_nothing() {
    let scene = Scene::loaded();
    for sql in ["SELECT nme FROM members", "SELECT FROM", "DELETE FROM members"] {
        let ran = scene.command("query").arg(sql).ran().with_code(1);
        assert_eq!(ran.stdout, "");
        assert_said!(ran);
    }
    assert_eq!(crate::scene::count(&scene.tables(), "members"), 25);
    let mut forebay = scene.command("query");
    assert_said!(forebay.arg("SELECT 1").args(["--destination", "duckdb:none.duckdb"]).ran().failed(1));
    assert!(!scene.path("none.duckdb").exists());
}

#[test]
fn long_answers_are_cut_on_a_screen_only_and_said_to_be() {
    let scene = Scene::loaded();
    let query = |format: &str| {
        scene.command("query").arg("SELECT * FROM range(1500)").args(["--format", format]).ran().with_code(0)
    };
    let text = query("text");
    assert_eq!(text.stderr, "only the first 1000 rows are shown; `--format csv` prints all\n");
    assert_eq!(query("csv").stdout.lines().count(), 1501);
    assert_eq!(json(&query("json")).as_array().unwrap().len(), 1500);
}

// ---- terminals ----------------------------------------------------------------------------------------------------

/// What a terminal shows of `output` once all is written: lines, as far as bars need it to be known.
fn screen(output: &str) -> Vec<String> {
    let (mut lines, mut row, mut column) = (vec![Vec::new()], 0_usize, 0_usize);
    let mut chars = output.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\x1b' => {
                chars.next_if_eq(&'[');
                let mut number = String::new();
                while let Some(digit) = chars.next_if(|char| char.is_ascii_digit() || *char == '?') {
                    number.push(digit);
                }
                let count = number.parse().unwrap_or(1);
                match chars.next() {
                    Some('A') => row = row.saturating_sub(count),
                    Some('B') => row = (row + count).min(lines.len() - 1),
                    Some('K') if number == "2" => lines[row].clear(),
                    Some('K') => lines[row].truncate(column),
                    _ => {}
                }
            }
            char => {
                let line: &mut Vec<char> = &mut lines[row];
                while line.len() <= column {
                    line.push(' ');
                }
                line[column] = char;
                column += 1;
            }
        }
    }
    lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn on_a_terminal_the_bars_are_gone_before_the_closing_lines() {
    let scene = Scene::new(25);
    scene.mock.set_faults(vec![Fault::at_page(2, FaultKind::BadGateway)]);
    let run = scene.run_members();
    let words: Vec<_> = std::iter::once(run.command.get_program()).chain(run.command.get_args()).collect();
    let quoted = words.iter().map(|word| format!("'{}'", word.to_str().unwrap()));
    let mut terminal = Command::new("script");
    terminal.args(["-qec", &quoted.collect::<Vec<_>>().join(" "), "/dev/null"]);
    terminal.env_clear().current_dir(scene.dir.path()).stdin(Stdio::null()).env("TERM", "xterm");
    for (name, value) in run.command.get_envs() {
        terminal.envs(value.map(|value| (name, value)));
    }
    let Ok(output) = terminal.output() else {
        eprintln!("NOT TESTED: progress bars on a terminal (needs `script`)");
        return;
    };
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("\x1b["), "no bars on a terminal:\n{output}");
    let lines: Vec<_> = screen(&output).into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].contains("502 Bad Gateway; attempt 2 of 3"), "{lines:#?}");
    assert!(lines[1].starts_with("members   complete   25/25 rows"), "{lines:#?}");
    assert!(lines[2].starts_with("loaded 25 rows into duckdb:memberstack.duckdb"), "{lines:#?}");
}
