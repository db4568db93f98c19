//! Random documents in batches, and the smallest of those that make a difference.

use std::io::Write;

use super::documents::{self, Case};
use super::generator::Generator;
use super::scene::{Failure, Stage};
use super::shrink::shrink;

/// Rows that share a database: beginning one takes seconds.
const BATCH_ROWS: u64 = 2000;

/// What is told of a difference before there is a small case of it.
const FIRST_LINES: usize = 20;

/// A number from the environment.
pub(super) fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// Where the random documents begin: unchanged code passes or fails the same way each time, unless it is asked for
/// others.
fn seed() -> u64 {
    match std::env::var("FOREBAY_TEST_SEED") {
        Ok(seed) if seed == "random" => fastrand::u64(..),
        _ => setting("FOREBAY_TEST_SEED").unwrap_or(1),
    }
}

/// Compares `count` random rows, or some more, in batches; panics with the smallest case that it finds.
pub(super) fn compare(stage: Stage, count: u64) {
    let seed = seed();
    // Not `eprintln!`, which is not shown of a test that passes.
    let say = |text: &str| drop(writeln!(std::io::stderr(), "{text}"));
    let mut generator = Generator::new(seed, stage.engine());
    let (mut rows, mut tables) = (0, 0);
    while rows < count {
        let mut batch = Vec::new();
        let before = rows;
        while rows < count && rows - before < BATCH_ROWS {
            let case = generator.case(format!("random_{tables}"));
            rows += case.runs.iter().flatten().map(|page| page.len() as u64).sum::<u64>();
            tables += 1;
            batch.push(case);
        }
        if let Err(failure) = compare_beside_others(stage, &batch) {
            // Looking takes minutes, in which the test may be stopped.
            let first: Vec<_> = failure.0.lines().take(FIRST_LINES).collect();
            say(&format!(
                "seed {seed}: a difference, now looking for the smallest case of it\n{}",
                first.join("\n")
            ));
            let (cases, failure) = shrink(batch, failure, |cases| compare_beside_others(stage, cases));
            let cases: String = cases.iter().map(Case::to_string).collect();
            panic!("FOREBAY_TEST_SEED={seed}:\n{}\n{cases}", failure.0);
        }
        say(&format!("seed {seed}: {rows} random rows of {tables} tables, no difference"));
    }
}

/// Compares the cases beside one that has a row in each run: a first run without rows leaves no load in forebay.
fn compare_beside_others(stage: Stage, cases: &[Case]) -> Result<(), Failure> {
    let others = documents::parse("others append [1]\n    [2]\n    [3]");
    documents::compare(stage, &[cases, &others].concat())
}
