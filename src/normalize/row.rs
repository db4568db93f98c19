//! One row at a time: objects flattened, lists followed into child tables.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::canonical;
use super::error::{NormalizeError, Warning, WarningKind};
use super::scan::{Token, Walk};
use super::shape::{Key, List, ListId, Place, Shape, ShapeId, member_path};
use super::store::{Link, Store};
use super::table::IdRule;
use super::{NormalizeJob, Normalized};
use crate::schema::{Table, Value, join, normalize_path};

/// dlt's limit where a resource gives none. It also bounds the recursion over lists.
const MAX_NESTING: i64 = 1000;

/// Path of a root row.
pub(super) const ROOT: &str = "$";

/// The field of a row that is no object.
const VALUE: &str = "value";
/// The field of a row that is a list in a list.
const LIST: &str = "list";

/// Shapes met so far, and the tables they fill.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) shapes: Vec<Shape>,
    pub(super) lists: Vec<List>,
    roots: Vec<ShapeId>,
    pub(super) store: Store,
    max_length: usize,
    /// Objects so far.
    object_count: u64,
}

/// What one root row needs while it is taken apart; child rows share it.
#[derive(Debug, Default)]
pub(super) struct Scratch<'a> {
    /// Fields of the object at hand, by their place in its shape.
    members: Vec<(usize, Token<'a>)>,
    /// Fields of the row at hand.
    pub(super) values: Vec<(usize, Value<'a>)>,
    /// Objects that wait for their turn.
    objects: Vec<(ShapeId, &'a str)>,
    /// Lists that wait for their turn, of the row at hand and those around it.
    pub(super) lists: Vec<(ListId, &'a str)>,
}

/// Where the fields of a row come from.
enum Source<'a, 'e> {
    /// The object that begins at a place, which is passed, and fields that are not in it.
    Object(&'e mut Walk<'a>, &'e [(&'e str, &'a RawValue)]),
    /// A row of one field.
    Single(&'static str, Token<'a>),
}

impl Source<'_, '_> {
    /// The row as the API gave it, in the form that dlt hashes.
    fn content(&self) -> String {
        match self {
            Self::Object(walk, extra) => {
                let extra = extra.iter().map(|(name, value)| (Cow::Borrowed(*name), value.get()));
                canonical::content(canonical::fields((*walk).clone()).chain(extra))
            }
            Self::Single(name, token) => {
                let value = match token {
                    Token::Scalar(value) => value,
                    Token::Object(text) | Token::Array(text) => &Value::Json(text),
                };
                canonical::key([(*name, value)].into_iter())
            }
        }
    }
}

impl Rows {
    pub(super) fn new(job: NormalizeJob) -> Self {
        let max_length = job.capabilities.max_identifier_length;
        let mut shapes = Vec::new();
        let tables: Vec<_> = job
            .roots
            .iter()
            .map(|root| {
                let name = normalize_path(&root.table, max_length);
                // What an earlier run was told counts until it is told something else, as in dlt.
                let known = job.schema.tables.get(&name).and_then(Table::max_nesting);
                (name, root.hints.max_table_nesting.or(known))
            })
            .collect();
        let mut store = Store::new(job);
        for (root, (name, nesting)) in tables.into_iter().enumerate() {
            let table = store.table(vec![name], None, ROOT);
            store.add_hinted(root, table);
            let level = nesting.map_or(MAX_NESTING, |nesting| i64::from(nesting).min(MAX_NESTING));
            shapes.push(Shape::of_rows(table, ROOT, level));
        }
        let roots = (0..shapes.len()).collect();
        Self { roots, shapes, lists: Vec::new(), store, max_length, object_count: 0 }
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
        let link = Link { parent: "", root: None, index: 0, rank: 0, turn: None };
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
        let is_admitted = self.store.list_table(table)?;
        let hands_down = self.store.tables[table].propagates_id;
        let is_hashed = self.store.tables[table].ids == IdRule::Content;
        let content = is_hashed.then(|| source.content());
        self.flatten(shape, source, scratch);
        if !(is_admitted && self.store.admit(table, &mut scratch.values)?) {
            self.store.tables[table].discarded += 1;
            scratch.values.clear();
            scratch.lists.truncate(first_list);
            return Ok(());
        }
        let link = Link { turn: self.store.turn(table, link), ..link };
        let id = self.store.add_row(table, &mut scratch.values, link, content.as_deref())?;
        let lists = first_list..scratch.lists.len();
        if lists.is_empty() {
            return Ok(());
        }
        let root = if hands_down { Some(id.as_str()) } else { link.root };
        for at in lists {
            let (list, text) = scratch.lists[at];
            let rank = self.rank(list, &scratch.lists[first_list..at]);
            let link = Link { parent: id.as_str(), root, index: 0, rank, turn: link.turn };
            self.list(list, text, link, scratch)?;
        }
        scratch.lists.truncate(first_list);
        Ok(())
    }

    /// How many of the lists before one in a row fill the same table, where that would give rows one id.
    fn rank(&self, list: ListId, before: &[(ListId, &str)]) -> usize {
        if !self.lists[list].shares_table || !self.store.capabilities.has_unique_ids {
            return 0;
        }
        let table = |list: ListId| self.shapes[self.lists[list].rows].table;
        before.iter().filter(|(other, _)| table(*other) == table(list)).count()
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
        self.store.tables[self.shapes[rows].table].was_met = true;
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
                    let position = self.position(shape, name, usize::MAX, Place::Parent);
                    self.value(shape, position, Walk::new(value.get()).token(), scratch);
                }
            }
            Source::Single(name, token) => {
                let position = self.position(shape, name, 0, Place::Whole);
                self.value(shape, position, token, scratch);
            }
        }
        while let Some((shape, object)) = scratch.objects.pop() {
            self.object(shape, &mut Walk::new(object), scratch);
        }
    }

    fn object<'a>(&mut self, shape: ShapeId, walk: &mut Walk<'a>, scratch: &mut Scratch<'a>) {
        let mut members = std::mem::take(&mut scratch.members);
        let mut expected = 0;
        self.object_count += 1;
        walk.enter();
        while let Some((name, token)) = walk.member() {
            let position = self.position(shape, name, expected, Place::Member);
            let key = self.shapes[shape].key(position);
            if key.met_in == self.object_count {
                // Of a key that comes twice the last value counts, at the place of the first.
                let (field, at) = (key.field, key.met_at);
                if members[at].1 != token {
                    let table = self.shapes[shape].table;
                    let name = self.store.tables[table].fields[field].name.clone();
                    self.store.warn(WarningKind::Collision, table, &name);
                }
                members[at].1 = token;
            } else {
                (key.met_in, key.met_at) = (self.object_count, members.len());
                members.push((position, token));
            }
            expected = position + 1;
        }
        for (position, token) in members.drain(..) {
            self.value(shape, position, token, scratch);
        }
        scratch.members = members;
    }

    /// The place of a key among those of the shape.
    fn position(&mut self, shape: ShapeId, raw: &str, expected: usize, place: Place) -> usize {
        match self.shapes[shape].find(raw, expected) {
            Some(position) => position,
            None => self.add_key(shape, raw, place),
        }
    }

    /// Sorts one field of an object in.
    fn value<'a>(&mut self, shape: ShapeId, position: usize, token: Token<'a>, scratch: &mut Scratch<'a>) {
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
                self.set_list(list, text, scratch);
                return;
            }
        };
        self.set(table, field, value, scratch);
    }

    /// Names a key that was not met before at this place.
    fn add_key(&mut self, shape: ShapeId, raw: &str, place: Place) -> usize {
        let key = crate::schema::decode(raw);
        if let Some(position) = self.shapes[shape].find_escaped(raw, &key) {
            return position;
        }
        let name = normalize_path(&key, self.max_length);
        let Shape { table, path, source, .. } = &self.shapes[shape];
        let parts = path.iter().map(String::as_str).chain([name.as_str()]);
        let field_name = join(parts, self.max_length);
        let source = match place {
            Place::Member => member_path(source, &key),
            Place::Whole => source.clone(),
            Place::Parent => self.parent_path(shape, &key),
        };
        let field = self.store.field(*table, &field_name, &source);
        self.shapes[shape].add(&key, Key::new(raw, name, source, field))
    }

    /// The path of a field `_<parent>_<field>` in the parent's row.
    fn parent_path(&self, shape: ShapeId, key: &str) -> String {
        let root = self.roots.iter().position(|root| *root == shape);
        let parent = root.and_then(|root| self.store.roots[root].parent.as_deref()).unwrap_or_default();
        let field = key.strip_prefix('_').and_then(|key| key.strip_prefix(parent)?.strip_prefix('_'));
        format!("parent:{parent}.{}", field.unwrap_or(key))
    }

    fn nested_shape(&mut self, shape: ShapeId, position: usize) -> ShapeId {
        if let Some(nested) = self.shapes[shape].key(position).object {
            return nested;
        }
        let nested = self.shapes.len();
        self.shapes.push(self.shapes[shape].inner(position));
        self.shapes[shape].key(position).object = Some(nested);
        nested
    }

    fn nested_list(&mut self, shape: ShapeId, position: usize) -> ListId {
        if let Some(list) = self.shapes[shape].key(position).list {
            return list;
        }
        let around = &mut self.shapes[shape];
        let (parent, level) = (around.table, around.row_level - 1);
        let path = around.list_path_of(position);
        let source = format!("{}[*]", around.key(position).source);
        let same = |list: &List| list.parent == parent && list.level == level && list.path == path;
        let list = match self.lists.iter().position(same) {
            Some(list) => list,
            None => self.add_list(parent, path, &source, level),
        };
        self.shapes[shape].key(position).list = Some(list);
        list
    }

    pub(super) fn add_list(&mut self, parent: usize, path: Vec<String>, source: &str, level: i64) -> ListId {
        let table_path = self.store.tables[parent].path.iter().chain(&path).cloned().collect();
        let table = self.store.table(table_path, Some(parent), source);
        let rows = self.shapes.len();
        self.shapes.push(Shape::of_rows(table, source, level));
        self.shapes.push(Shape::of_rows(table, source, level - 1));
        let wrapped = rows + 1;
        let mut shares_table = false;
        for list in self.lists.iter_mut().filter(|list| self.shapes[list.rows].table == table) {
            (list.shares_table, shares_table) = (true, true);
        }
        self.lists.push(List { parent, path, level, rows, wrapped, shares_table, seen_in: 0, seen_at: 0 });
        self.lists.len() - 1
    }
}
