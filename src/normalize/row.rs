//! One row at a time: objects flattened, lists followed into child tables.

use serde_json::value::RawValue;

use super::error::{NormalizeError, Warning, WarningKind};
use super::scan::{Token, Walk};
use super::shape::{List, ListId, Shape, ShapeId};
use super::store::{Link, Store};
use super::{NormalizeJob, Normalized};
use crate::schema::{SEPARATOR, Value, join, normalize_path};

/// dlt's limit where a resource gives none. It also bounds the recursion over lists.
const MAX_NESTING: i64 = 1000;

/// The field of a row that is no object.
const VALUE: &str = "value";
/// The field of a row that is a list in a list.
const LIST: &str = "list";

/// Shapes met so far, and the tables they fill.
#[derive(Debug)]
pub(super) struct Rows {
    shapes: Vec<Shape>,
    lists: Vec<List>,
    roots: Vec<ShapeId>,
    store: Store,
    max_length: usize,
    /// Objects so far.
    objects: u64,
}

/// What one root row needs while it is taken apart; child rows share it.
#[derive(Debug, Default)]
struct Scratch<'a> {
    /// Fields of the object at hand, by their place in its shape.
    members: Vec<(usize, Token<'a>)>,
    /// Fields of the row at hand.
    values: Vec<(usize, Value<'a>)>,
    /// Objects that wait for their turn.
    objects: Vec<(ShapeId, &'a str)>,
    /// Lists that wait for their turn, of the row at hand and those around it.
    lists: Vec<(ListId, &'a str)>,
}

/// Where the fields of a row come from.
enum Source<'a, 'e> {
    /// The object that begins at a place, which is passed, and fields that are not in it.
    Object(&'e mut Walk<'a>, &'e [(&'e str, &'a RawValue)]),
    /// A row of one field.
    Single(&'static str, Token<'a>),
}

impl Rows {
    pub(super) fn new(job: NormalizeJob) -> Self {
        let max_length = job.max_identifier_length;
        let mut shapes = Vec::new();
        let tables: Vec<_> = job
            .roots
            .iter()
            .map(|root| (normalize_path(&root.table, max_length), root.hints.max_table_nesting))
            .collect();
        let mut store = Store::new(job);
        for (name, nesting) in tables {
            let table = store.table(vec![name], None);
            let level = nesting.map_or(MAX_NESTING, |nesting| i64::from(nesting).min(MAX_NESTING));
            shapes.push(Shape::new(table, Vec::new(), level, level));
        }
        Self { roots: (0..shapes.len()).collect(), shapes, lists: Vec::new(), store, max_length, objects: 0 }
    }

    /// Takes in a root row. What is no object is a row with one field, `value`.
    pub(super) fn root(
        &mut self,
        root: usize,
        row: &str,
        extra: &[(&str, &RawValue)],
    ) -> Result<(), NormalizeError> {
        let mut scratch = Scratch::default();
        let mut walk = Walk::new(row);
        let source = if walk.at_object() {
            Source::Object(&mut walk, extra)
        } else {
            Source::Single(VALUE, walk.token())
        };
        let link = Link { parent: "", root: None, index: 0 };
        self.row(self.roots[root], source, link, &mut scratch)
    }

    pub(super) fn warnings(&self) -> &[Warning] {
        &self.store.warnings
    }

    pub(super) fn finish(self) -> Result<Normalized, NormalizeError> {
        self.store.finish()
    }

    /// Writes a row, then the rows of its lists.
    fn row<'a>(
        &mut self,
        shape: ShapeId,
        source: Source<'a, '_>,
        link: Link<'_>,
        scratch: &mut Scratch<'a>,
    ) -> Result<(), NormalizeError> {
        let first_list = scratch.lists.len();
        let table = self.shapes[shape].table;
        self.store.list_table(table);
        self.flatten(shape, source, scratch);
        let id = self.store.add_row(table, &mut scratch.values, link)?;
        let lists = first_list..scratch.lists.len();
        if lists.is_empty() {
            return Ok(());
        }
        let root = if self.store.tables[table].propagates_id { Some(id.as_str()) } else { link.root };
        for list in lists {
            let (list, text) = scratch.lists[list];
            self.list(list, text, Link { parent: id.as_str(), root, index: 0 }, scratch)?;
        }
        scratch.lists.truncate(first_list);
        Ok(())
    }

    /// Writes the elements of a list as rows.
    fn list<'a>(
        &mut self,
        list: ListId,
        text: &'a str,
        link: Link<'_>,
        scratch: &mut Scratch<'a>,
    ) -> Result<(), NormalizeError> {
        let List { rows, wrapped, .. } = self.lists[list];
        let mut walk = Walk::new(text);
        walk.enter();
        let mut link = link;
        while walk.has_element() {
            if walk.at_object() {
                self.row(rows, Source::Object(&mut walk, &[]), link, scratch)?;
            } else {
                match walk.token() {
                    list @ Token::Array(_) => self.row(wrapped, Source::Single(LIST, list), link, scratch)?,
                    scalar => self.row(rows, Source::Single(VALUE, scalar), link, scratch)?,
                }
            }
            link.index += 1;
        }
        Ok(())
    }

    /// Spreads a row over the fields of its table; lists are noted for later.
    fn flatten<'a>(&mut self, shape: ShapeId, source: Source<'a, '_>, scratch: &mut Scratch<'a>) {
        match source {
            Source::Object(walk, extra) => {
                self.object(shape, walk, scratch);
                for (name, value) in extra {
                    let position = self.position(shape, name, usize::MAX);
                    self.member(shape, position, Walk::new(value.get()).token(), scratch);
                }
            }
            Source::Single(name, token) => {
                let position = self.position(shape, name, 0);
                self.member(shape, position, token, scratch);
            }
        }
        while let Some((shape, object)) = scratch.objects.pop() {
            self.object(shape, &mut Walk::new(object), scratch);
        }
    }

    fn object<'a>(&mut self, shape: ShapeId, walk: &mut Walk<'a>, scratch: &mut Scratch<'a>) {
        let mut members = std::mem::take(&mut scratch.members);
        let mut expected = 0;
        self.objects += 1;
        walk.enter();
        while let Some((name, token)) = walk.member() {
            let position = self.position(shape, name, expected);
            let key = self.shapes[shape].key(position);
            if key.met_in == self.objects {
                // Of a key that comes twice the last value counts, at the place of the first.
                members[key.met_at].1 = token;
                let (field, table) = (key.field, self.shapes[shape].table);
                let name = self.store.tables[table].fields[field].name.clone();
                self.store.warn(WarningKind::Collision, table, &name);
            } else {
                (key.met_in, key.met_at) = (self.objects, members.len());
                members.push((position, token));
            }
            expected = position + 1;
        }
        for (position, token) in members.drain(..) {
            self.member(shape, position, token, scratch);
        }
        scratch.members = members;
    }

    /// Position of a key in its shape; `expected` is where it is looked for first.
    fn position(&mut self, shape: ShapeId, raw: &str, expected: usize) -> usize {
        match self.shapes[shape].find(raw, expected) {
            Some(position) => position,
            None => self.add_key(shape, raw),
        }
    }

    /// Sorts one field of an object in.
    fn member<'a>(&mut self, shape: ShapeId, position: usize, token: Token<'a>, scratch: &mut Scratch<'a>) {
        let Shape { table, level, .. } = self.shapes[shape];
        let field = self.shapes[shape].key(position).field;
        let value = match token {
            Token::Scalar(value) => value,
            Token::Object(text) | Token::Array(text)
                if level <= 0 || self.store.tables[table].keeps_whole(field) =>
            {
                Value::Json(text)
            }
            Token::Object(text) => {
                let nested = self.nested_shape(shape, position);
                scratch.objects.push((nested, text));
                return;
            }
            Token::Array(text) => {
                let list = self.nested_list(shape, position);
                self.set_list(table, list, text, scratch);
                return;
            }
        };
        self.set(table, field, value, scratch);
    }

    /// Notes a field's value; a second one under the same name takes the place of the first.
    fn set<'a>(&mut self, table: usize, field: usize, value: Value<'a>, scratch: &mut Scratch<'a>) {
        let builder = &mut self.store.tables[table];
        let row = builder.row_number();
        let seen = &mut builder.fields[field];
        if seen.seen_in == row {
            scratch.values[seen.seen_at].1 = value;
            let name = seen.name.clone();
            self.store.warn(WarningKind::Collision, table, &name);
        } else {
            seen.seen_in = row;
            seen.seen_at = scratch.values.len();
            scratch.values.push((field, value));
        }
    }

    /// Notes a list; a second one of the same path takes the place of the first.
    fn set_list<'a>(&mut self, table: usize, list: ListId, text: &'a str, scratch: &mut Scratch<'a>) {
        let row = self.store.tables[table].row_number();
        let seen = &mut self.lists[list];
        if seen.seen_in == row {
            scratch.lists[seen.seen_at].1 = text;
            let name = seen.path.join(SEPARATOR);
            self.store.warn(WarningKind::Collision, table, &name);
        } else {
            seen.seen_in = row;
            seen.seen_at = scratch.lists.len();
            scratch.lists.push((list, text));
        }
    }

    /// Names a key that was not met before at this place.
    fn add_key(&mut self, shape: ShapeId, raw: &str) -> usize {
        let decoded = crate::schema::decode(raw);
        if let Some(position) = self.shapes[shape].find_escaped(raw, &decoded) {
            return position;
        }
        let name = normalize_path(&decoded, self.max_length);
        let Shape { table, path, .. } = &self.shapes[shape];
        let parts = path.iter().map(String::as_str).chain([name.as_str()]);
        let field_name = join(parts, self.max_length);
        let field = self.store.field(*table, &field_name);
        self.shapes[shape].add(raw, &decoded, name, field)
    }

    fn nested_shape(&mut self, shape: ShapeId, position: usize) -> ShapeId {
        if let Some(nested) = self.shapes[shape].key(position).object {
            return nested;
        }
        let nested = self.shapes.len();
        let around = &mut self.shapes[shape];
        let mut path = around.path.clone();
        path.push(around.key(position).name.clone());
        around.key(position).object = Some(nested);
        let inner = Shape::new(around.table, path, around.level - 1, around.row_level);
        self.shapes.push(inner);
        nested
    }

    fn nested_list(&mut self, shape: ShapeId, position: usize) -> ListId {
        if let Some(list) = self.shapes[shape].key(position).list {
            return list;
        }
        let around = &mut self.shapes[shape];
        let (parent, level) = (around.table, around.row_level - 1);
        let mut path = around.path.clone();
        // As dlt does: blanks are no part of the name of a table, if there is another one.
        if path.is_empty() || !around.key(position).is_blank {
            path.push(around.key(position).name.clone());
        }
        let same = |list: &List| list.parent == parent && list.level == level && list.path == path;
        let list = match self.lists.iter().position(same) {
            Some(list) => list,
            None => self.add_list(parent, path, level),
        };
        self.shapes[shape].key(position).list = Some(list);
        list
    }

    fn add_list(&mut self, parent: usize, path: Vec<String>, level: i64) -> ListId {
        let table_path = self.store.tables[parent].path.iter().chain(&path).cloned().collect();
        let table = self.store.table(table_path, Some(parent));
        let rows = self.shapes.len();
        self.shapes.push(Shape::new(table, Vec::new(), level, level));
        self.shapes.push(Shape::new(table, Vec::new(), level - 1, level - 1));
        self.lists.push(List { parent, path, level, rows, wrapped: rows + 1, seen_in: 0, seen_at: 0 });
        self.lists.len() - 1
    }
}
