//! The functions that expressions can call, and the counting that stops an expression without an end.

use jaq_core::box_iter::box_once;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::native::{self, Fun, v};
use jaq_core::path::Part;
use jaq_core::{Cv, Exn, ValXs};
use jaq_json::Val;

use super::json::{MAX_DEPTH, depth};
use super::stack::address;
use super::{Kind, MAX_STACK};

/// The expression itself.
pub(super) const MAIN: &str = "forebay_expression";
/// Gives its input, and counts.
const STEP: &str = "!step";
/// The same for a call that keeps all calls before it: a function that hands on a function of its caller. Letting
/// go of a long chain of these takes stack.
const LONG_STEP: &str = "!long_step";
/// Steps that such a call is worth.
const LONG: u32 = 100;
/// What `range` is in jaq: a loop that may have no end.
const RANGE: &str = "!range";
/// What `fromjson` is in jaq: a parser that calls itself for each level.
const FROM_JSON: &str = "!fromjson";
/// Gives its input, unless it is a text with more levels than a value may have.
const SHALLOW: &str = "!shallow";
/// jq's walk along a path: it may make as many levels as the path is long.
const GET_PATH: &str = "getpath";

/// Functions that can put a value into itself again and again, as folds and functions of the user's own can.
const NESTING: [&str; 10] =
    ["repeat", "while", "until", "recurse", "walk", "fromjson", "fromstream", "setpath", "getpath", "pick"];
/// The count's variable, which nobody reads.
const COUNTED: &str = "$!";

/// Exit codes by which a run says what stopped it: unlike errors, they cannot be caught by `try`.
pub(super) const TOO_MANY_STEPS: i32 = -1;
pub(super) const TOO_DEEP: i32 = -2;
pub(super) const TOO_DEEP_VALUE: i32 = -3;

/// What depends on the machine or reaches out of the expression: the environment, the time zone, standard error, the
/// end of the process.
const LEFT_OUT: [&str; 9] = [
    "env",
    "localtime",
    "strflocaltime",
    "debug",
    "debug_empty",
    "stderr",
    "stderr_empty",
    "halt",
    "halt_error",
];

/// Functions that are written in jq.
pub(super) fn definitions<'s>() -> Vec<Def<&'s str>> {
    // A definition sees those before it.
    let mut definitions: Vec<Def<&'s str>> = vec![range(), from_json()];
    for definition in jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()) {
        if !LEFT_OUT.contains(&definition.name) {
            definitions.push(definition);
        }
    }
    definitions
}

/// Functions that are written in Rust.
pub(super) fn functions() -> impl Iterator<Item = Fun<Kind>> {
    let all = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
    let renamed = all.map(|(name, args, function)| match name {
        "range" => (RANGE, args, function),
        "fromjson" => (FROM_JSON, args, function),
        _ => (name, args, function),
    });
    renamed.filter(|(name, ..)| !LEFT_OUT.contains(name)).chain([
        native::run::<Kind>((STEP, v(0), |cv| step(cv, 1))),
        native::run::<Kind>((LONG_STEP, v(0), |cv| step(cv, LONG))),
        native::run::<Kind>((SHALLOW, v(0), |cv| {
            let is_deep = matches!(&cv.1, Val::TStr(text) if depth(text) > MAX_DEPTH);
            box_once(if is_deep { Err(Exn::halt(TOO_DEEP_VALUE)) } else { Ok(cv.1) })
        })),
    ])
}

/// `def fromjson: !shallow | !fromjson;`
fn from_json<'s>() -> Def<&'s str> {
    let call = |name| Box::new(Term::Call(name, Vec::new()));
    let body = Term::BinOp(call(SHALLOW), BinaryOp::Pipe(None), call(FROM_JSON));
    Def { name: "fromjson", args: Vec::new(), body }
}

/// How many levels one step of an expression may add to a value, at most; 0 if none of its steps can add to what the
/// ones before it made.
pub(super) fn levels(term: &mut Term<&str>) -> u32 {
    if nests(term) { builders(term).max(1) } else { 0 }
}

fn nests(term: &mut Term<&str>) -> bool {
    matches!(term, Term::Fold(..) | Term::Def(..))
        || matches!(term, Term::Call(name, _) if NESTING.contains(name))
        || children(term).into_iter().any(nests)
}

/// Lists, objects and assignments in a term.
fn builders(term: &mut Term<&str>) -> u32 {
    let is_builder = matches!(
        term,
        Term::Arr(_)
            | Term::Obj(_)
            | Term::BinOp(_, BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_), _)
    );
    children(term).into_iter().map(builders).sum::<u32>() + u32::from(is_builder)
}

/// `def range($from; $to; $by): !range($from; $to; $by) | !step;`
fn range<'s>() -> Def<&'s str> {
    let args = ["$from", "$to", "$by"];
    let numbers = Term::Call(RANGE, args.map(Term::Var).to_vec());
    let counted = Term::BinOp(numbers.into(), BinaryOp::Pipe(None), Term::Call(STEP, Vec::new()).into());
    Def { name: "range", args: args.to_vec(), body: counted }
}

/// Counts steps, and stops the run if there were too many or the stack is getting short.
fn step(cv: Cv<'_, Kind>, count: u32) -> ValXs<'_, Val> {
    let limits = cv.0.data();
    let left = limits.steps_left.get().checked_sub(count.saturating_mul(limits.weight));
    limits.steps_left.set(left.unwrap_or(0));
    box_once(if left.is_none() {
        Err(Exn::halt(TOO_MANY_STEPS))
    } else if limits.stack_start.abs_diff(address()) > MAX_STACK {
        Err(Exn::halt(TOO_DEEP))
    } else {
        Ok(cv.1)
    })
}

/// Makes every function that calls itself count its calls: there is no other way in jq to go on for ever. Folds that
/// may build a value up are counted, too.
pub(super) fn counted(mut definition: Def<&str>) -> Def<&str> {
    if matches!(definition.name, MAIN | GET_PATH) {
        count_folds(&mut definition.body);
    }
    count_within(&mut definition.body);
    count(&mut definition);
    definition
}

/// `reduce .. as $x (init; update)` becomes `reduce .. as $x (init; !step as $! | update)`.
fn count_folds(term: &mut Term<&str>) {
    if let Term::Fold(_, _, _, args) = term
        && let Some(update) = args.get_mut(1)
    {
        *update = after_step(STEP, std::mem::take(update));
    }
    children(term).into_iter().for_each(count_folds);
}

/// `!step as $! | term`, which leaves paths and tail calls as they are.
fn after_step<'s>(step: &'static str, term: Term<&'s str>) -> Term<&'s str> {
    let step = Term::Call(step, Vec::new());
    Term::BinOp(step.into(), BinaryOp::Pipe(Some(Pattern::Var(COUNTED))), term.into())
}

fn count_within(term: &mut Term<&str>) {
    if let Term::Def(definitions, _) = term {
        definitions.iter_mut().for_each(count);
    }
    children(term).into_iter().for_each(count_within);
}

/// `def f: body;` becomes `def f: !step as $! | body;`.
fn count(definition: &mut Def<&str>) {
    if calls(&mut definition.body, definition.name) {
        let hands_on = definition.args.iter().any(|arg| !arg.starts_with('$'));
        let step = if hands_on { LONG_STEP } else { STEP };
        definition.body = after_step(step, std::mem::take(&mut definition.body));
    }
}

fn calls(term: &mut Term<&str>, function: &str) -> bool {
    matches!(term, Term::Call(name, _) if *name == function)
        || children(term).into_iter().any(|child| calls(child, function))
}

/// The terms directly within a term.
fn children<'t, 's>(term: &'t mut Term<&'s str>) -> Vec<&'t mut Term<&'s str>> {
    match term {
        Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Var(_) | Term::Arr(None) => {
            Vec::new()
        }
        Term::Str(_, parts) => {
            let terms = parts.iter_mut().filter_map(|part| match part {
                StrPart::Term(term) => Some(term),
                StrPart::Str(_) | StrPart::Char(_) => None,
            });
            terms.collect()
        }
        Term::Arr(Some(term)) | Term::Neg(term) | Term::Label(_, term) => vec![term],
        Term::Obj(fields) => {
            fields.iter_mut().flat_map(|(key, value)| [key].into_iter().chain(value)).collect()
        }
        Term::BinOp(left, op, right) => {
            let mut terms = vec![&mut **left, &mut **right];
            if let BinaryOp::Pipe(Some(pattern)) = op {
                pattern_terms(pattern, &mut terms);
            }
            terms
        }
        Term::Fold(_, source, pattern, args) => {
            let mut terms = vec![&mut **source];
            terms.extend(args);
            pattern_terms(pattern, &mut terms);
            terms
        }
        Term::TryCatch(term, catch) => [term].into_iter().chain(catch).map(|term| &mut **term).collect(),
        Term::IfThenElse(branches, otherwise) => {
            let branches = branches.iter_mut().flat_map(|(condition, then)| [condition, then]);
            branches.chain(otherwise.as_deref_mut()).collect()
        }
        Term::Def(definitions, term) => {
            definitions.iter_mut().map(|definition| &mut definition.body).chain([&mut **term]).collect()
        }
        Term::Call(_, args) => args.iter_mut().collect(),
        Term::Path(term, path) => {
            let mut terms = vec![&mut **term];
            for (part, _) in &mut path.0 {
                match part {
                    Part::Index(index) => terms.push(index),
                    Part::Range(from, to) => terms.extend(from.iter_mut().chain(to)),
                }
            }
            terms
        }
    }
}

fn pattern_terms<'t, 's>(pattern: &'t mut Pattern<&'s str>, terms: &mut Vec<&'t mut Term<&'s str>>) {
    match pattern {
        Pattern::Var(_) => {}
        Pattern::Arr(patterns) => patterns.iter_mut().for_each(|pattern| pattern_terms(pattern, terms)),
        Pattern::Obj(fields) => {
            for (key, pattern) in fields {
                terms.push(key);
                pattern_terms(pattern, terms);
            }
        }
    }
}
