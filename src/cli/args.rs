//! The arguments. Every flag can also be set as `FOREBAY_<FLAG>`.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::destination::LOCK_TIMEOUT;
use crate::pipeline::IfLocked;
use crate::state::Step;

/// Loads REST APIs into DuckDB and Postgres, exactly as fast as their quota allows.
#[derive(Debug, Parser)]
#[command(
    name = "forebay",
    version,
    about,
    after_help = "Start with:  forebay check config/memberstack.toml\n\
                  Then:        forebay run config/memberstack.toml\n\
                  Look at it:  forebay query config/memberstack.toml \"SELECT * FROM members LIMIT 10\""
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Read the API and load what it gives: rows, schema and state in one transaction.
    ///
    /// A run that was cut goes on where it stopped; a package that was received but not loaded is loaded first.
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Check config files, without touching the API unless --online asks for it.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show the first rows of a resource, and the tables they would become. Nothing is written.
    ///
    /// Asks for one page; of a resource that takes values from another one's rows, for the page of the first of these; of
    /// one with a `window`, for its newest windows until one has rows.
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview(PreviewArgs),
    /// Show the last runs, unfinished work, and where each resource stands.
    Status(StatusArgs),
    /// Show what the tables are made of: columns, types, keys, and which field of the API each column comes from.
    ///
    /// Reads the schema that the last load left in the database. dlt's own tables (_dlt_…) are shown with --all; the
    /// yaml is dlt's whole document, with them.
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Run a read-only SQL query on the destination.
    #[command(after_help = QUERY_EXAMPLES)]
    Query(QueryArgs),
}

impl Command {
    /// Only rows can be printed as CSV.
    pub(super) fn check_format(&self) -> Result<(), clap::Error> {
        let output = match self {
            Self::Run(args) => &args.output,
            Self::Check(args) => &args.output,
            Self::Preview(args) => &args.output,
            Self::Status(args) => &args.output,
            Self::Schema(_) | Self::Query(_) => return Ok(()),
        };
        if output.format == Format::Csv {
            let message = "`--format csv` is for `forebay query`; use `text` or `json`";
            return Err(Cli::command().error(ErrorKind::InvalidValue, message));
        }
        Ok(())
    }
}

const RUN_EXAMPLES: &str = "Examples:\n  \
    forebay run members.toml                                    what the config selects\n  \
    forebay run members.toml -r members -r plans                these resources only\n  \
    forebay run members.toml --full-refresh                     everything, whatever was loaded before\n  \
    forebay run shop.toml --from 2023-01-01 --window 1mo        a range, a month at a time\n\n\
    Exit codes:\n  \
    0         every resource is complete or unproven, or the run was skipped (--if-locked skip)\n  \
    1         failed, nothing of this run was committed\n  \
    2         usage or config\n  \
    3         partial: some resources failed, are short, or kept rows that `deletes` could not decide\n  \
    4         another run holds the pipeline\n  \
    130, 143  stopped by a signal; what was received is kept, the next run goes on";

const CHECK_EXAMPLES: &str = "Examples:\n  \
    forebay check members.toml             finds mistakes, sends nothing\n  \
    forebay check members.toml --online    is the key good, does paging work?\n\n\
    Exit codes:\n  \
    0         nothing is wrong\n  \
    1         failed: none of the resources could be read (--online)\n  \
    2         usage or config\n  \
    3         some resources could not be read (--online)\n  \
    130, 143  stopped by a signal";

const PREVIEW_EXAMPLES: &str = "Examples:\n  \
    forebay preview members.toml -r members                  three rows of each table\n  \
    forebay preview members.toml -r members --limit 10       ten\n  \
    forebay preview members.toml -r members --format json    for programs";

const QUERY_EXAMPLES: &str = "Examples:\n  \
    forebay query members.toml \"SELECT * FROM members LIMIT 10\"\n  \
    forebay query members.toml \"SELECT * FROM _dlt_loads\" --format csv > loads.csv\n\n\
    As text, the first 1,000 rows are printed; as csv or json, all.";

const SCHEMA_EXAMPLES: &str = "Examples:\n  \
    forebay schema members.toml                                 all tables, to read\n  \
    forebay schema members.toml --table members                 one table\n  \
    forebay schema members.toml --format mermaid > schema.mmd   a diagram\n  \
    forebay schema members.toml --format dbt > sources.yml      sources for dbt, with tests";

/// The value of a variable that stands for a flag.
fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("write 1 or 0"),
    }
}

/// What commands on a config file share.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// Override a value of the config file, like `client.base_url=http://127.0.0.1:8080`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE", env = "FOREBAY_SET", hide_env_values = true, global = true)]
    pub(super) set: Vec<String>,
    /// Load into this destination instead of the config's, like `duckdb:other.duckdb` or `postgres://user@host/db`.
    #[arg(long, value_name = "URL", env = "FOREBAY_DESTINATION", hide_env_values = true, global = true)]
    pub(super) destination: Option<String>,
    /// Use this dataset (schema of the database) instead of the config's.
    #[arg(long, value_name = "NAME", env = "FOREBAY_DATASET", global = true)]
    pub(super) dataset: Option<String>,
    /// Keep unfinished work here instead of `.forebay` beside the config file.
    #[arg(long, value_name = "DIR", env = "FOREBAY_WORK_DIR", global = true)]
    pub(super) work_dir: Option<PathBuf>,
    /// How many seconds to wait for another program to close the DuckDB file, or to let go of a Postgres table.
    #[arg(long, value_name = "SECONDS", env = "FOREBAY_LOCK_TIMEOUT", default_value_t = LOCK_TIMEOUT.as_secs(), global = true)]
    pub(super) lock_timeout: u64,
}

/// How commands print that have no formats of their own.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// What to print on stdout.
    #[arg(long, value_enum, env = "FOREBAY_FORMAT", default_value_t = Format::Text, global = true)]
    pub(super) format: Format,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
    /// Comma-separated values (`query` only).
    Csv,
}

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Config files; one pipeline each, run one after the other.
    #[arg(required = true, value_name = "CONFIG")]
    pub(super) configs: Vec<PathBuf>,
    /// Run only this resource, selected in the config or not; may be repeated.
    #[arg(
        short,
        long = "resource",
        value_name = "RESOURCE",
        env = "FOREBAY_RESOURCE",
        value_delimiter = ','
    )]
    pub(super) resources: Vec<String>,
    /// Read everything again, whatever was loaded before; rows of `append` tables are replaced.
    #[arg(long, env = "FOREBAY_FULL_REFRESH", value_parser = yes_or_no)]
    pub(super) full_refresh: bool,
    /// Drop an unfinished extraction and start anew.
    #[arg(long, env = "FOREBAY_RESTART", value_parser = yes_or_no)]
    pub(super) restart: bool,
    /// Read a range again, from here on: a day like 2024-01-31, an instant, or a number, as the cursor has.
    ///
    /// For resources whose `incremental` tells the API where to start and where to end. Rows are loaded as the config
    /// says (`merge` updates them, `append` adds them again), and where the next run starts stays as it is.
    #[arg(long, value_name = "START", env = "FOREBAY_FROM", conflicts_with = "full_refresh")]
    pub(super) from: Option<String>,
    /// End the range here; rows at the end itself are not in it. Default: now.
    #[arg(long, value_name = "END", env = "FOREBAY_TO", requires = "from")]
    pub(super) to: Option<String>,
    /// Ask for the range in pieces of this size: 6h, 1d, 2w, 1mo, 1y, or a number.
    ///
    /// A run that was cut goes on in the piece it was in, if it is started with the same options.
    #[arg(long, value_name = "SIZE", env = "FOREBAY_WINDOW", requires = "from")]
    pub(super) window: Option<Step>,
    /// What to do if another run holds the pipeline, here or on another machine.
    #[arg(long, value_name = "WHAT", value_enum, env = "FOREBAY_IF_LOCKED", default_value_t = IfLocked::Fail)]
    pub(super) if_locked: IfLocked,
    /// Print errors and the closing lines only.
    #[arg(short, long, env = "FOREBAY_QUIET", value_parser = yes_or_no)]
    pub(super) quiet: bool,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Config files.
    #[arg(required = true, value_name = "CONFIG")]
    pub(super) configs: Vec<PathBuf>,
    /// Also ask the API for up to two pages of each selected resource: is the key good, are there rows, does the
    /// paginator lead on? Nothing is loaded.
    #[arg(long, env = "FOREBAY_ONLINE", value_parser = yes_or_no)]
    pub(super) online: bool,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct PreviewArgs {
    /// Config file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,
    /// The resource, selected in the config or not.
    #[arg(short, long, value_name = "RESOURCE", env = "FOREBAY_RESOURCE")]
    pub(super) resource: String,
    /// How many rows of each table to show.
    #[arg(long, value_name = "N", env = "FOREBAY_LIMIT", default_value_t = 3)]
    pub(super) limit: usize,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Config file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,
    /// How many of the last loads to show.
    #[arg(long, value_name = "N", env = "FOREBAY_LIMIT", default_value_t = 10)]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct QueryArgs {
    /// Config file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,
    /// The query; tables of the dataset need no prefix.
    #[arg(value_name = "SQL")]
    pub(super) sql: String,
    #[command(flatten)]
    pub(super) common: Common,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Config file.
    #[arg(value_name = "CONFIG")]
    pub(super) config: PathBuf,
    /// Show only this table of the database; may be repeated.
    #[arg(short, long = "table", value_name = "NAME", env = "FOREBAY_TABLE", value_delimiter = ',')]
    pub(super) tables: Vec<String>,
    /// Show dlt's own tables, too.
    #[arg(long, env = "FOREBAY_ALL", value_parser = yes_or_no)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) common: Common,
    /// What to print on stdout.
    #[arg(long, value_enum, env = "FOREBAY_FORMAT", default_value_t = SchemaFormat::Text)]
    pub(super) format: SchemaFormat,
}

/// How a schema is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SchemaFormat {
    /// For people.
    Text,
    /// For programs: one JSON document.
    Json,
    /// dlt's schema document, as `dlt pipeline NAME schema` prints it.
    Yaml,
    /// A Mermaid entity-relationship diagram.
    Mermaid,
    /// DBML, for dbdiagram.io and others.
    Dbml,
    /// `sources.yml` for dbt, with tests.
    Dbt,
}
