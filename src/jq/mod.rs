//! jq expressions: compiled once, run on many values.
//!
//! The language is jq as [jaq](https://gedenkt.at/jaq/manual/) has it, with its whole library but for what looks at
//! the world around the value: environment, time zone, input, log ([`library`]). An expression that does not come to
//! an end is stopped, and no message holds anything of the value it ran on.

mod error;
mod json;
mod library;
mod stack;

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;

use jaq_core::data::HasLut;
use jaq_core::load::lex::{Lexer, Token};
use jaq_core::load::parse::{Def, Parser};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, DataT, Lut, Vars};
use jaq_json::Val;
use serde_json::Value;

pub use error::{JqError, JqSyntaxError};
pub use json::Json;
pub use stack::on_deep_stack;

/// Most steps that one run may take: calls of functions that call themselves, and numbers that `range` gives. It is far
/// more than a row needs, and passed in a moment.
pub const MAX_STEPS: u32 = 100_000;

/// Most values that one run may give.
pub const MAX_OUTPUTS: usize = 100_000;

/// Stack that one run may take, in bytes. Threads have two megabytes at least.
const MAX_STACK: usize = 768 << 10;

/// Levels that a step may add to a value before it counts for more than one: with as many steps as there are, the
/// deepest value fits [`on_deep_stack`].
const LEVELS: u32 = 4;

/// A compiled expression. Clones share it.
#[derive(Clone)]
pub struct Filter(Arc<Compiled>);

struct Compiled {
    text: String,
    program: jaq_core::Filter<Kind>,
    /// Levels that one step may add to a value; 0: only as many as the expression has.
    levels: u32,
}

/// The kind of values that expressions work on, and what comes along with each run.
struct Kind;

impl DataT for Kind {
    type V<'a> = Val;
    type Data<'a> = Limits<'a>;
}

/// What one run may still take.
#[derive(Clone)]
struct Limits<'a> {
    lut: &'a Lut<Kind>,
    steps_left: &'a Cell<u32>,
    /// How many steps each step counts for.
    weight: u32,
    stack_start: usize,
}

impl<'a> HasLut<'a, Kind> for Limits<'a> {
    fn lut(&self) -> &'a Lut<Kind> {
        self.lut
    }
}

impl Filter {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is no expression, or names a function or a variable that does not exist.
    pub fn parse(text: &str) -> Result<Self, JqSyntaxError> {
        let tokens = Lexer::new(text).lex().map_err(|errors| JqSyntaxError::lexed(text, &errors))?;
        let mut term = Parser::new(&tokens).parse(Parser::term).map_err(|errors| {
            let found =
                |(expected, found): &(_, Option<&Token<_>>)| JqSyntaxError::expected(text, expected, *found);
            errors.first().map_or_else(JqSyntaxError::default, found)
        })?;
        let levels = library::levels(&mut term);
        // The expression is a function beside those of the library, since text is all that a main program can be.
        let main = Def { name: library::MAIN, args: Vec::new(), body: term };
        let definitions = library::definitions().into_iter().chain([main]).map(library::counted);
        let arena = Arena::default();
        let modules = Loader::new(definitions)
            .load(&arena, File { code: library::MAIN, path: () })
            .map_err(|_| JqSyntaxError::default())?;
        let program =
            Compiler::default().with_funs(library::functions()).compile(modules).map_err(|errors| {
                let first = errors.iter().flat_map(|(_, errors)| errors).next();
                first.map_or_else(JqSyntaxError::default, |error| JqSyntaxError::undefined(text, error))
            })?;
        Ok(Self(Arc::new(Compiled { text: text.to_owned(), program, levels })))
    }

    /// Everything that the expression makes of a value, in order. Numbers beyond 64 bits lose digits on the way through
    /// [`Value`]; [`Self::run_json`] keeps them.
    ///
    /// # Errors
    /// The expression fails, takes too long, or gives something that is not JSON.
    #[expect(clippy::needless_pass_by_value, reason = "as in jq, a value goes in and others come out")]
    pub fn run(&self, value: Value) -> Result<Vec<Value>, JqError> {
        let outputs = self.run_json(Json::parse(&value.to_string())?)?;
        let plain = |output: Json| serde_json::from_str(&output.to_text()?).map_err(|_| JqError::not_json());
        outputs.into_iter().map(plain).collect()
    }

    /// Everything that the expression makes of a value, in order, with all digits.
    ///
    /// # Errors
    /// The expression fails, or takes too long.
    pub fn run_json(&self, value: Json) -> Result<Vec<Json>, JqError> {
        if self.needs_deep_stack() { on_deep_stack(|| self.run_here(value))? } else { self.run_here(value) }
    }

    /// Whether it may build values of which it takes much stack to let go, as `reduce .[] as $x (.; [.])` does: then it
    /// runs [`on_deep_stack`]. Who runs it on many values spares time by going there once.
    pub fn needs_deep_stack(&self) -> bool {
        self.0.levels > 0
    }

    fn run_here(&self, value: Json) -> Result<Vec<Json>, JqError> {
        let steps_left = Cell::new(MAX_STEPS);
        let program = &self.0.program;
        let weight = self.0.levels.div_ceil(LEVELS).max(1);
        let limits =
            Limits { lut: &program.lut, steps_left: &steps_left, weight, stack_start: stack::address() };
        let context = Ctx::<Kind>::new(limits, Vars::new([]));
        let mut outputs = Vec::new();
        for output in program.id.run((context, value.0)) {
            if outputs.len() == MAX_OUTPUTS {
                return Err(JqError::too_many_outputs());
            }
            let output = Json(output.map_err(|exception| JqError::of(&self.0.text, exception))?);
            // Whoever lets go of it may have little stack.
            if self.needs_deep_stack() && !output.is_shallow() {
                return Err(JqError::too_deep_value());
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    /// The expression as it is written.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.0.text).finish()
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for Filter {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
