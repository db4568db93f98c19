//! Random documents, within what dlt gets through.
//!
//! Each case keeps to a dialect that leaves out what dlt fails on: a column of numbers whose misfits are now an
//! instant, now other text; a table that hangs below two others; integers beyond 64 bits.

use fastrand::Rng;
use forebay::schema::normalize_path;
use serde_json::{Value, json};

use super::documents::{Case, Pages};

/// Rows of a case, on average.
const ROWS: usize = 40;

#[rustfmt::skip]
const KEYS: &[&str] = &[
    "id", "ID", "userID", "userIDs", "HTTPServer", "getHTTPResponseCode", "OAuth2Token", "A1b2", "a1B2",
    "SHA256Hash", "IPv4Address", "aBCd", "_private", "___x", "__dunder", "a__b", "a___b", "trail_", "trail__", "_",
    "#id", "$ref", "@type", "+1", "-1", "2ndName", "100%", "naïve", "é", "a b", "a.b", "a:b", "foo(bar)", "Größe",
    "ключ", "日本", "a٣b", "m²", "😀", "ǅ", "value", "select", "a", "b", "A", "B", "fooBar", "foo_bar",
    "FooBar", "a\\u0000b", "\\\"q\\\"", "a__b__c", "", " ", " x ", "a__list", "x|y*z",
    "\u{a0}n", "İ", "ﬁ", "x́",
];

/// Keys of lists, which no other key is normalized to: a name for both would make tables that hang below two others.
const LISTS: &[&str] = &["tags", "planConnections", "Plan-Tags", "itéms_", "list"];

#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", " ", "x", "abc", "é", "日本語", "😀", "\\ud83d\\ude00", "\\u2028", "\\\"", "\\\\", "\\/", "\\n\\t\\r\\b\\f",
    "\\u0001", "\\u007f", "'; DROP TABLE x; --", "%s {} $1", "NULL", "None", "{}", "[1, 2]", "{\\\"a\\\": [1.50]}",
    "[", "yes", "No", "T", "f", "TRUE", "maybe", "0x", "0xg", "1_", "1__0", "--1", "1.2.3", "e5", "¼", "−1", "½",
    "IV",
];

#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "0", "1", "-1", "+6", "007", " 8 ", "0x1f", "0X1F", "0x1F", "1.0", "1.5", ".5", "5.", "1e5", "-5e-3", "1E-7",
    "1_000", "1_0.5", "٣", "１２", "\\u00a07", "\\t9\\n", "0b1", "0o7", "1700000000", "99999999999",
];

/// As seconds since 1970 dlt fails on some of these.
const LONG: &[&str] =
    &["9223372036854775807", "-9223372036854775808", "123456789012345678", "-9007199254740993"];

#[rustfmt::skip]
const INTEGERS: &[&str] = &[
    "0", "1", "-1", "-0", "7", "255", "65536", "2147483648", "1700000000", "253402300799", "253402300800",
    "-62135596800", "-62135596801",
];

#[rustfmt::skip]
const FLOATS: &[&str] = &[
    "0.0", "1.0", "1.5", "-2.50", "1e5", "1E5", "1e+3", "1e-7", "5e-324", "2.2250738585072014e-308", "0.1",
    "0.30000000000000004", "1e16", "123456789012.5", "9007199254740993.0", "1700000000.123456", "0.0000001", "4.35",
    "2.675",
];

const HUGE: &[&str] = &["1e300", "-1.7976931348623157e308", "1e19", "18446744073709551616.0", "1e22", "1e23"];

/// Adds a name unless it would share a column with another one, where forebay keeps both and dlt the later one.
fn add_name(names: &mut Vec<String>, name: String) {
    let path = |name: &str| format!("{}__", normalize_path(&name.replace("\\u0000", "\0"), usize::MAX));
    let collides = |other: &String| {
        *other != name && (path(other).starts_with(&path(&name)) || path(&name).starts_with(&path(other)))
    };
    if !names.iter().any(collides) {
        names.push(name);
    }
}

/// What the values of a case are made of.
#[derive(Debug, Clone, Copy)]
enum Texts {
    /// All text that is an instant; any scalars.
    Instants,
    /// Any text but instants; any scalars.
    Words,
    /// Any text; no other scalars.
    All,
}

pub(super) struct Generator {
    rng: Rng,
    /// Whether columns of JSON take JSON alone, and dlt fails on text there that reads as a number.
    has_strict_json: bool,
}

/// What the documents of a case have in common.
struct Dialect {
    texts: Texts,
    /// Integers; otherwise floats that are too large for them.
    has_integers: bool,
    names: Vec<String>,
    /// How many of the names may hold objects; the others may hold lists.
    objects: usize,
    /// How deep objects and lists nest.
    depth: usize,
    /// Whether objects and lists may be kept whole.
    keeps_json: bool,
    /// Whether there is text that reads as a number.
    has_number_texts: bool,
}

impl Generator {
    /// Documents for an engine, by dlt's name.
    pub(super) fn new(seed: u64, engine: &str) -> Self {
        Self { rng: Rng::with_seed(seed), has_strict_json: engine == "postgres" }
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.rng.usize(..from.len())]
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.rng.usize(..count) == 0
    }

    /// A table, written in up to three runs of up to three pages.
    pub(super) fn case(&mut self, name: String) -> Case {
        let dialect = self.dialect();
        let mut settings = Vec::new();
        let disposition = self.pick(&["append", "append", "replace", "primary_key", "merge_key", "scd2"]);
        let has_key = !matches!(disposition, "append" | "replace");
        if disposition.ends_with("_key") {
            settings.push((disposition.to_owned(), json!("key")));
        }
        // What is kept whole is no text: misfits would be. A replaced table with this setting keeps its rows in dlt
        // when there are no new ones.
        if self.one_in(3) && dialect.keeps_json && disposition != "replace" {
            settings.push(("max_table_nesting".to_owned(), json!(self.rng.u32(..4))));
        }
        if self.one_in(2) {
            settings.push(("columns".to_owned(), self.columns(&dialect, has_key)));
        }
        if self.one_in(3) {
            // A table that is new to a contract for columns loses `max_table_nesting` for its first load in dlt.
            let is_nested = settings.iter().any(|(name, _)| name == "max_table_nesting");
            settings.push(("schema_contract".to_owned(), self.contract(!is_nested)));
        }
        let write_disposition = match disposition {
            "primary_key" => match self.pick(&["delete-insert", "upsert", "insert-only"]) {
                "delete-insert" => json!("merge"),
                strategy => json!({ "disposition": "merge", "strategy": strategy }),
            },
            "merge_key" => json!("merge"),
            "scd2" => json!({ "disposition": "merge", "strategy": "scd2" }),
            disposition => json!(disposition),
        };
        let runs = self.rng.usize(1..=3);
        let mut runs: Vec<_> = (0..runs)
            .map(|_| {
                self.one_in(8).then(Pages::new).unwrap_or_else(|| self.pages(&dialect, ROWS / runs, has_key))
            })
            .collect();
        if has_key {
            self.repeat(&mut runs);
        }
        Case { name, write_disposition, engine: None, settings, runs }
    }

    /// Puts some rows of a run into the one after it, too, in the place of others: no key comes twice in a run.
    fn repeat(&mut self, runs: &mut [Pages]) {
        for number in 1..runs.len() {
            let before = runs[number - 1].concat();
            let rows = runs[number].iter_mut().flatten();
            rows.zip(before).filter(|_| self.one_in(3)).for_each(|(row, earlier)| *row = earlier);
        }
    }

    /// Types of columns at the root, some of which no row ever has.
    fn columns(&mut self, dialect: &Dialect, has_key: bool) -> Value {
        let types: &[&str] = match dialect.texts {
            // No decimals: dlt takes some digits of large floats for others.
            Texts::Instants => &["text", "bigint", "double", "bool", "timestamp", "date", "json"],
            Texts::Words if dialect.has_integers => &["text", "bigint", "double", "bool", "json"],
            // The others are too large for integers.
            Texts::Words => &["text", "double", "bool", "json"],
            // Misfits would be instants and other text.
            Texts::All => &["text", "timestamp", "date"],
        };
        let mut columns = json!({});
        for _ in 0..self.rng.usize(1..4) {
            let path: Vec<_> = (0..self.rng.usize(1..3))
                .map(|_| self.rng.choice(&dialect.names).unwrap().as_str())
                .collect();
            let name: String = serde_json::from_str(&format!("\"{}\"", path.join("__"))).unwrap();
            // A hint for no name is refused.
            let data_type = self.pick(types);
            if !name.trim_matches([' ', '_', '\u{a0}']).is_empty()
                && (dialect.keeps_json || data_type != "json")
            {
                columns[name] = json!({ "data_type": data_type });
            }
        }
        if has_key && self.one_in(2) {
            columns["key"] = json!({ "data_type": self.pick(&["bigint", "text"]), "nullable": false });
        }
        columns
    }

    /// What becomes of columns or of values that a table has no place for.
    fn contract(&mut self, has_columns: bool) -> Value {
        let modes = ["evolve", "discard_row", "discard_value"];
        let columns = if has_columns { self.pick(&modes) } else { modes[0] };
        json!({ "columns": columns, "data_type": self.pick(&modes) })
    }

    fn dialect(&mut self) -> Dialect {
        let texts = [Texts::Instants, Texts::Words, Texts::All][self.rng.usize(..3)];
        let has_number_texts = !self.has_strict_json || !matches!(texts, Texts::Words) || self.one_in(2);
        let keeps_json = match texts {
            Texts::Instants => true,
            Texts::Words => !(self.has_strict_json && has_number_texts),
            Texts::All => false,
        };
        let count = self.rng.usize(1..5);
        let mut names = Vec::new();
        for _ in 0..count {
            let key = self.key();
            // JSON with NUL in it is something else that dlt fails on.
            if !(self.has_strict_json && keeps_json && key.contains("\\u0000")) {
                add_name(&mut names, key);
            }
        }
        if names.is_empty() {
            names.push("k".to_owned());
        }
        let objects = names.len();
        (0..self.rng.usize(..4)).for_each(|_| add_name(&mut names, self.pick(LISTS).to_owned()));
        let (has_integers, depth) = (self.one_in(2), self.rng.usize(1..4));
        Dialect { texts, has_integers, names, objects, depth, keeps_json, has_number_texts }
    }

    fn key(&mut self) -> String {
        if !self.one_in(4) {
            return self.pick(KEYS).to_owned();
        }
        let symbols: Vec<char> = "aabBcCD12_- .éß日٣😀²ǅ".chars().collect();
        let length = self.rng.usize(1..10);
        let key: String = (0..length).map(|_| symbols[self.rng.usize(..symbols.len())]).collect();
        // Nothing is left of a key of underscores, and dlt fails on it.
        if key.trim_matches(['_', ' ']).is_empty() { "k".to_owned() } else { key }
    }

    fn pages(&mut self, dialect: &Dialect, row_count: usize, has_key: bool) -> Pages {
        let mut pages = vec![Vec::new()];
        for number in 0..self.rng.usize(..=2 * row_count) {
            if self.one_in(15) && pages.len() < 3 {
                pages.push(Vec::new());
            }
            let mut row = self.object(dialect, dialect.depth);
            if has_key {
                let key = format!(
                    "{}\"key\":{}",
                    if row == "{}" { "" } else { "," },
                    number * 2 + self.rng.usize(..2)
                );
                row.insert_str(row.len() - 1, &key);
            } else if self.one_in(30) {
                row = self.scalar(dialect);
            }
            if let Some(page) = pages.last_mut() {
                page.push(row);
            }
        }
        pages
    }

    fn object(&mut self, dialect: &Dialect, depth: usize) -> String {
        let mut names: Vec<_> = dialect.names.iter().enumerate().collect();
        if self.one_in(3) {
            self.rng.shuffle(&mut names);
        }
        let mut fields = Vec::new();
        for (number, name) in names {
            if self.one_in(4) {
                continue;
            }
            let value = match self.rng.u32(..10) {
                0..3 if depth > 0 && number < dialect.objects => self.object(dialect, depth - 1),
                0..3 if depth > 0 => self.list(dialect, depth - 1),
                _ => self.scalar(dialect),
            };
            fields.push(format!("\"{name}\":{value}"));
        }
        format!("{{{}}}", fields.join(","))
    }

    fn list(&mut self, dialect: &Dialect, depth: usize) -> String {
        let elements = (0..self.rng.usize(..4)).map(|_| match self.rng.u32(..10) {
            0..4 if depth > 0 => self.object(dialect, depth - 1),
            4..6 if depth > 0 => self.list(dialect, depth - 1),
            _ => self.scalar(dialect),
        });
        format!("[{}]", elements.collect::<Vec<_>>().join(","))
    }

    fn scalar(&mut self, dialect: &Dialect) -> String {
        match (self.rng.u32(..10), dialect.texts) {
            (0, _) => "null".to_owned(),
            (1..5, Texts::Instants) => format!("\"{}\"", self.instant()),
            (1, Texts::Words) if dialect.has_number_texts => format!("\"{}\"", self.pick(NUMBERS)),
            (2, Texts::Words) if dialect.has_number_texts => format!("\"{}\"", self.pick(LONG)),
            (1..5, Texts::Words) => format!("\"{}\"", self.pick(TEXTS)),
            (1..4, Texts::All) => format!("\"{}\"", self.instant()),
            (4..=6, Texts::All) => format!("\"{}\"", self.no_instant()),
            (7 | 8, Texts::All) => format!("\"{}\"", self.pick(NUMBERS)),
            (_, Texts::All) => format!("\"{}\"", self.pick(TEXTS)),
            (5, _) => self.rng.bool().to_string(),
            (6 | 7, Texts::Words) if dialect.has_integers => match self.rng.u32(..3) {
                0 => self.pick(LONG).to_owned(),
                1 => self.rng.i64(..).to_string(),
                _ => self.pick(INTEGERS).to_owned(),
            },
            (6 | 7, _) if dialect.has_integers => match self.rng.bool() {
                true => self.rng.i32(..).to_string(),
                false => self.pick(INTEGERS).to_owned(),
            },
            (6, Texts::Words) => self.pick(HUGE).to_owned(),
            (8, Texts::Words) => self.any_float(),
            _ if self.rng.bool() => self.pick(FLOATS).to_owned(),
            // With a point in it at any rate: without one it would be an integer.
            _ => format!("{:?}", f64::from(self.rng.i32(1..)) / 1000.0),
        }
    }

    fn any_float(&mut self) -> String {
        // The sign of -0.0 is lost on dlt's way; integers take numbers up to 2^63.
        match f64::from_bits(self.rng.u64(..)) {
            number if !number.is_finite() || number == 0.0 || number.abs() > 9e18 => "0.5".to_owned(),
            number if self.rng.bool() => format!("{number:e}"),
            number => format!("{number:?}"),
        }
    }

    fn instant(&mut self) -> String {
        let rng = &mut self.rng;
        let (year, month, day) = (rng.u32(1000..9000), rng.u32(1..=12), rng.u32(1..=28));
        let (hour, minute, second) = (rng.u32(..24), rng.u32(..60), rng.u32(..60));
        let (dash, colon) = if rng.u32(..4) == 0 { ("", "") } else { ("-", ":") };
        let date = match rng.u32(..8) {
            0 => format!("{year}{dash}W{:02}{dash}{}", rng.u32(1..=52), rng.u32(1..=7)),
            1 => format!("{year}{dash}{:03}", rng.u32(1..=365)),
            _ => format!("{year}{dash}{month:02}{dash}{day:02}"),
        };
        let fraction: String = (0..rng.usize(1..10)).map(|_| rng.digit(10)).collect();
        let time = match rng.u32(..6) {
            0 => format!("{hour:02}"),
            1 => format!("{hour:02}{colon}{minute:02}"),
            2 => format!("{hour:02}{colon}{minute:02}{colon}{second:02}"),
            3 => format!("{hour:02}{colon}{minute:02}{colon}{second:02},{fraction}"),
            _ => format!("{hour:02}{colon}{minute:02}{colon}{second:02}.{fraction}"),
        };
        let zone = match rng.u32(..6) {
            0 => String::new(),
            1 => format!("+{:02}", rng.u32(..24)),
            2 => format!("-{:02}{:02}", rng.u32(..24), rng.u32(..60)),
            3 => format!("+{:02}:{:02}", rng.u32(..24), rng.u32(..60)),
            _ => "Z".to_owned(),
        };
        format!("{date}{}{time}{zone}", if rng.u32(..4) == 0 { ' ' } else { 'T' })
    }

    /// An instant with a symbol changed, which may be one still.
    fn no_instant(&mut self) -> String {
        let mut text: Vec<char> = self.instant().chars().collect();
        let symbols: Vec<char> = "0123456789TZtz:-+./,W |".chars().collect();
        for _ in 0..self.rng.usize(1..3) {
            let at = self.rng.usize(..text.len());
            let symbol = symbols[self.rng.usize(..symbols.len())];
            match self.rng.u32(..3) {
                0 => text[at] = symbol,
                1 => text.insert(at, symbol),
                _ => drop(text.remove(at)),
            }
        }
        let text = String::from_iter(text);
        // dlt fails on zones of a day or more, and where the zone leads out of the years 1 to 9999.
        let zone = text.rfind(['+', '-']).map_or("", |at| &text[at + 1..]);
        let is_wide = zone.get(..2).is_some_and(|hours| hours >= "23");
        // In a column of dates it takes ten digits for a day and two more, not for seconds.
        let is_ten_digits = text.len() == 10 && text.parse::<u64>().is_ok();
        if is_wide || is_ten_digits || text.starts_with(['0', '9']) { "soon".to_owned() } else { text }
    }
}
