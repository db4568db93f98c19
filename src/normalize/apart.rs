//! Two values of a row under one name: the later one takes the place, as in dlt, and the earlier one gets another.

use super::error::{NormalizeError, WarningKind};
use super::row::{Rows, Scratch};
use super::shape::{List, ListId};
use super::store::Store;
use super::table::{ColumnId, Field};
use crate::schema::{SEPARATOR, Value, join};

/// Number of the first spare place for values whose own is taken. No key becomes a name that ends so: dlt puts `_`
/// before digits.
const SECOND: u32 = 2;

impl Rows {
    /// Notes a field's value.
    pub(super) fn set<'a>(
        &mut self,
        table: usize,
        field: usize,
        value: Value<'a>,
        scratch: &mut Scratch<'a>,
    ) {
        let builder = &mut self.store.tables[table];
        let row = builder.row_number();
        let seen = &mut builder.fields[field];
        if seen.seen_in == row {
            self.collide(table, field, value, scratch);
            return;
        }
        seen.seen_in = row;
        seen.seen_at = scratch.values.len();
        scratch.values.push((field, value));
    }

    /// A second value under the same name takes the place of the first, as in dlt; the first one goes to a column
    /// of its own.
    #[cold]
    fn collide<'a>(&mut self, table: usize, field: usize, value: Value<'a>, scratch: &mut Scratch<'a>) {
        let winner = &mut scratch.values[self.store.tables[table].fields[field].seen_at].1;
        let earlier = std::mem::replace(winner, value);
        if earlier == Value::Null || earlier == *winner {
            return;
        }
        if let Some(spare) = self.store.spare_field(table, field) {
            self.set(table, spare, earlier, scratch);
        }
    }

    /// Notes a list; of two of the same path both are kept, as in [`Rows::collide`].
    pub(super) fn set_list<'a>(&mut self, list: ListId, text: &'a str, scratch: &mut Scratch<'a>) {
        let seen = &mut self.lists[list];
        let row = self.store.tables[seen.parent].row_number();
        if seen.seen_in != row {
            seen.seen_in = row;
            seen.seen_at = scratch.lists.len();
            scratch.lists.push((list, text));
            return;
        }
        let earlier = std::mem::replace(&mut scratch.lists[seen.seen_at].1, text);
        let is_empty =
            |list: &str| list.bytes().all(|byte| matches!(byte, b'[' | b']') || byte.is_ascii_whitespace());
        if earlier == text || is_empty(earlier) {
            return;
        }
        if let Some(spare) = self.spare_list(list, row) {
            self.set_list(spare, earlier, scratch);
        }
    }

    /// The list that takes elements whose own list is taken in this row. `None`: the contract does not let a table
    /// be added.
    fn spare_list(&mut self, list: ListId, row: u64) -> Option<ListId> {
        let List { parent, level, ref path, rows, .. } = self.lists[list];
        let (path, source) = (path.clone(), self.shapes[rows].source.clone());
        for number in SECOND.. {
            let spare = [path.as_slice(), &[number.to_string()]].concat();
            let same = |list: &List| list.parent == parent && list.level == level && list.path == spare;
            let found = match self.lists.iter().position(same) {
                Some(list) if self.lists[list].seen_in == row => continue,
                Some(list) => list,
                None => self.add_list(parent, spare, &source, level),
            };
            let table = self.shapes[self.lists[found].rows].table;
            return self.store.keeps_apart(parent, &path.join(SEPARATOR), table).then_some(found);
        }
        None
    }
}

impl Store {
    /// Stores a value whose column the row has a value in already: a field of the row has the name of a variant.
    pub(super) fn keep_apart(
        &mut self,
        table: usize,
        field: usize,
        column: ColumnId,
        value: &Value<'_>,
    ) -> Result<(), NormalizeError> {
        let source = self.tables[table].fields[field].source.clone();
        let name = self.tables[table].columns[column].name.clone();
        let taken = self.field(table, &name, &source);
        self.put_beside(table, taken, value)
    }

    /// Stores a value whose field another value of the row takes: one that has the name of a variant, or dlt's own
    /// where the source has a field of dlt's name.
    pub(super) fn put_beside(
        &mut self,
        table: usize,
        field: usize,
        value: &Value<'_>,
    ) -> Result<(), NormalizeError> {
        if *value == Value::Null {
            return Ok(());
        }
        match self.spare_field(table, field) {
            Some(spare) => self.put(table, spare, value),
            None => Ok(()),
        }
    }

    /// The field for a value that another one of the row takes the place of. `None`: the contract does not let a
    /// column be added, and the value is lost as in dlt.
    fn spare_field(&mut self, table: usize, field: usize) -> Option<usize> {
        let Field { name, source, .. } = &self.tables[table].fields[field];
        let (name, source) = (name.clone(), source.clone());
        let row = self.tables[table].row_number();
        for number in SECOND.. {
            let spare_name = join([name.as_str(), &number.to_string()], self.max_length);
            let spare = self.field(table, &spare_name, &source);
            if self.tables[table].fields[spare].seen_in == row {
                continue;
            }
            if self.may_add_columns(table) || self.column_of(table, spare).is_some() {
                self.warn(WarningKind::KeptApart, table, &spare_name);
                return Some(spare);
            }
            break;
        }
        self.warn(WarningKind::Collision, table, &name);
        None
    }

    /// As [`Store::spare_field`], for the elements of a list, which would go to the table `spare`.
    fn keeps_apart(&mut self, table: usize, name: &str, spare: usize) -> bool {
        let is_kept = self.may_be_listed(spare);
        if is_kept {
            self.warn(WarningKind::KeptApart, spare, "");
        } else {
            self.warn(WarningKind::Collision, table, name);
        }
        is_kept
    }
}
