//! `forebay query`.

use std::sync::Arc;

use arrow::error::ArrowError;
use arrow::util::pretty::pretty_format_batches_with_options;

use super::args::{Format, QueryArgs};
use super::progress::Progress;
use super::{fail, load_plan, open_destination, print_err, print_out};
use crate::destination::QueryResult;
use crate::error::Error;
use crate::report::Reporter;

/// Rows that a terminal is still good for; `--format csv` and `json` print all.
const MAX_TEXT_ROWS: usize = 1000;

/// Runs the query and prints its rows.
pub(super) fn query(args: &QueryArgs) -> u8 {
    let plan = match load_plan(&args.config, &args.common) {
        Ok(plan) => plan,
        Err(error) => return fail(&Error::Config(error)),
    };
    let reporter: Arc<dyn Reporter> = Arc::new(Progress::new(false));
    let limit = (args.output.format == Format::Text).then_some(MAX_TEXT_ROWS);
    let result = open_destination(&plan, &args.common, &reporter).query(&args.sql, limit);
    let result = match result {
        Ok(result) => result,
        Err(source) => return fail(&Error::Query { destination: plan.destination.to_string(), source }),
    };
    match render(&result, args.output.format) {
        Ok(text) => print_out(&text),
        Err(error) => {
            print_err(&format!("error: could not print the rows: {error}\n"));
            return 1;
        }
    }
    if result.is_cut {
        print_err(&format!("only the first {MAX_TEXT_ROWS} rows are shown; `--format csv` prints all\n"));
    }
    0
}

fn render(result: &QueryResult, format: Format) -> Result<String, ArrowError> {
    let bytes = match format {
        Format::Text => {
            let options = arrow::util::display::FormatOptions::default().with_null("NULL");
            return Ok(format!("{}\n", pretty_format_batches_with_options(&result.batches, &options)?));
        }
        Format::Json => {
            let mut writer = arrow::json::WriterBuilder::new()
                .with_explicit_nulls(true)
                .build::<_, arrow::json::writer::JsonArray>(Vec::new());
            for batch in &result.batches {
                writer.write(batch)?;
            }
            writer.finish()?;
            let mut bytes = writer.into_inner();
            bytes.push(b'\n');
            bytes
        }
        Format::Csv => {
            let mut writer = arrow::csv::Writer::new(Vec::new());
            for batch in &result.batches {
                writer.write(batch)?;
            }
            writer.into_inner()
        }
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
