//! The members as rows of bytes in the order of their cursors, and the pages made of them.
//!
//! A member is rendered once; a page is a concatenation, so that serving costs next to nothing beside the client
//! that is being measured.

use std::collections::HashMap;

use axum::body::Bytes;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::call::Call;
use super::super::config::{DeletedCursor, EmptyCursor, MockConfig};
use super::generate;

/// Rows of a page that is asked for without a size.
const DEFAULT_LIMIT: usize = 50;
/// Larger sizes are cut down to this, silently.
const MAX_LIMIT: usize = 100;
const FIRST_CURSOR: i64 = 2_400_000;

/// One member.
#[derive(Debug, Clone)]
pub(super) struct Row {
    cursor: i64,
    created_ms: i64,
    pub(super) id: String,
    email: String,
    /// Without the field `json`.
    body: Bytes,
    json: Bytes,
}

impl Row {
    fn new(cursor: i64, created_ms: i64, member: &Value, json: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            cursor,
            created_ms,
            id: text(&member["id"]),
            email: text(&member["auth"]["email"]),
            body: member.to_string().into(),
            json: json.to_string().into(),
        }
    }

    /// The member as an object, without `json`.
    pub(super) fn member(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a row is JSON")
    }

    /// The content of the field `json`.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.json).expect("a row is JSON")
    }

    fn write(&self, page: &mut Vec<u8>, with_json: bool) {
        if with_json {
            page.extend_from_slice(&self.body[..self.body.len() - 1]);
            page.extend_from_slice(b",\"json\":");
            page.extend_from_slice(&self.json);
            page.push(b'}');
        } else {
            page.extend_from_slice(&self.body);
        }
    }
}

/// What a list request asks for, after caps and defaults.
struct Query {
    limit: usize,
    after: Option<i64>,
    descending: bool,
    with_json: bool,
    /// In milliseconds; not in the real API.
    created_since: Option<i64>,
}

/// All members, by cursor.
pub(super) struct Members {
    config: MockConfig,
    rows: Vec<Row>,
    /// Cursor by id and by e-mail address.
    cursors: HashMap<String, i64>,
    /// Members ever made, which numbers the next one.
    made: usize,
    last_cursor: i64,
}

impl Members {
    pub(super) fn new(config: MockConfig) -> Self {
        let count = config.members;
        let mut members =
            Self { config, rows: Vec::new(), cursors: HashMap::new(), made: 0, last_cursor: FIRST_CURSOR };
        for _ in 0..count {
            members.create_generated();
        }
        members
    }

    pub(super) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Adds the next member of the seed.
    pub(super) fn create_generated(&mut self) {
        let member = generate::member(&self.config, self.made);
        let json = generate::member_json(self.config.seed, self.made);
        self.append(&member, &json);
    }

    /// Adds a member with these contents; id and time of creation are the mock's.
    pub(super) fn create(&mut self, mut member: Map<String, Value>, json: &Value) -> &Row {
        let created = generate::created_ms(self.config.seed, self.made);
        let id = generate::member(&self.config, self.made)["id"].take();
        member.insert("id".to_owned(), id);
        member.insert("createdAt".to_owned(), generate::iso_ms(created).into());
        self.append(&Value::Object(member), json);
        self.rows.last().expect("a row was just added")
    }

    fn append(&mut self, member: &Value, json: &Value) {
        let created = generate::created_ms(self.config.seed, self.made);
        self.last_cursor += generate::cursor_step(self.config.seed, self.made);
        self.made += 1;
        let row = Row::new(self.last_cursor, created, member, json);
        self.cursors.insert(row.id.clone(), row.cursor);
        self.cursors.insert(row.email.clone(), row.cursor);
        self.rows.push(row);
    }

    /// The member with this id or e-mail address.
    pub(super) fn find(&self, id_or_email: &str) -> Option<&Row> {
        Some(&self.rows[self.position(id_or_email)?])
    }

    fn position(&self, id_or_email: &str) -> Option<usize> {
        let cursor = self.cursors.get(id_or_email)?;
        self.rows.binary_search_by_key(cursor, |row| row.cursor).ok()
    }

    /// Replaces what the member with this id holds; its place in the list stays.
    pub(super) fn update(&mut self, id: &str, member: &Value, json: &Value) -> Option<&Row> {
        let position = self.position(id)?;
        let old = &self.rows[position];
        let row = Row::new(old.cursor, old.created_ms, member, json);
        self.cursors.remove(&old.email);
        self.cursors.insert(row.email.clone(), row.cursor);
        self.rows[position] = row;
        Some(&self.rows[position])
    }

    /// Deletes by id; false when there is no such member.
    pub(super) fn delete(&mut self, id: &str) -> bool {
        let Some(position) = self.position(id) else { return false };
        let row = self.rows.remove(position);
        self.cursors.remove(&row.id);
        self.cursors.remove(&row.email);
        true
    }

    fn query(&self, call: &Call) -> Query {
        let limit = call.number("first").or_else(|| call.number("limit")).filter(|&limit| limit > 0);
        let since = self.config.created_after_param.as_deref().and_then(|name| call.param(name));
        Query {
            limit: limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT),
            after: call.number("after"),
            descending: call.param("order").as_deref() == Some("DESC"),
            with_json: call.param("includeJSON").as_deref() == Some("true"),
            created_since: since.and_then(|at| at.parse::<Timestamp>().ok()).map(Timestamp::as_millisecond),
        }
    }

    /// The rows of the first member the filter keeps and later, and how many of them come before the cursor.
    fn select(&self, query: &Query) -> (&[Row], usize) {
        // Time of creation and cursor grow together, so the filter is a lower bound.
        let since = query.created_since.unwrap_or(i64::MIN);
        let kept = &self.rows[self.rows.partition_point(|row| row.created_ms < since)..];
        let sent = match query.after {
            None => 0,
            Some(after) if query.descending => kept.len() - kept.partition_point(|row| row.cursor < after),
            Some(after) => kept.partition_point(|row| row.cursor <= after),
        };
        (kept, sent)
    }

    /// The number of the page that this request asks for, from 1.
    pub(super) fn page_number(&self, call: &Call) -> u64 {
        let query = self.query(call);
        let (_, sent) = self.select(&query);
        (sent.div_ceil(query.limit) + 1) as u64
    }

    /// The id of the next member that this request would send.
    pub(super) fn ahead(&self, call: &Call) -> Option<&str> {
        let query = self.query(call);
        let (kept, sent) = self.select(&query);
        let index = if query.descending { kept.len().checked_sub(sent + 1)? } else { sent };
        kept.get(index).map(|row| row.id.as_str())
    }

    /// The id of the member that the request's cursor names.
    pub(super) fn at_cursor(&self, call: &Call) -> Option<&str> {
        let cursor: i64 = call.number("after")?;
        let position = self.rows.binary_search_by_key(&cursor, |row| row.cursor).ok()?;
        Some(&self.rows[position].id)
    }

    /// The answer of the list, as text.
    pub(super) fn page(&self, call: &Call) -> Vec<u8> {
        let query = self.query(call);
        let (kept, sent) = self.select(&query);
        let gone = query.after.is_some() && self.at_cursor(call).is_none();
        let left = match self.config.deleted_cursor {
            DeletedCursor::EmptyPage if gone => 0,
            _ => kept.len() - sent,
        };
        let count = left.min(query.limit);
        let more = left > count;
        if query.descending {
            let end = kept.len() - sent;
            self.render(&query, kept.len(), more, kept[end - count..end].iter().rev())
        } else {
            self.render(&query, kept.len(), more, kept[sent..sent + count].iter())
        }
    }

    fn render<'a>(
        &self,
        query: &Query,
        total: usize,
        more: bool,
        rows: impl Iterator<Item = &'a Row> + Clone,
    ) -> Vec<u8> {
        let cursor = match rows.clone().last() {
            Some(row) => json!(row.cursor),
            None => match self.config.empty_cursor {
                EmptyCursor::After => json!(query.after.unwrap_or(0)),
                EmptyCursor::Zero => json!(0),
                EmptyCursor::Null => Value::Null,
            },
        };
        let head = format!(r#"{{"totalCount":{total},"endCursor":{cursor},"hasNextPage":{more},"data":["#);
        let size: usize = rows.clone().map(|row| row.body.len() + row.json.len() + 16).sum();
        let mut page = Vec::with_capacity(head.len() + size);
        page.extend_from_slice(head.as_bytes());
        for (nth, row) in rows.enumerate() {
            if nth > 0 {
                page.push(b',');
            }
            row.write(&mut page, query.with_json);
        }
        page.extend_from_slice(b"]}");
        page
    }
}
