//! The three ways in which the API's lists end: page numbers in two dialects, a keyset cursor, and "the latest N".

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::call::Call;
use super::super::config::Dialect;

/// A page by its number. A size parameter of the other dialect is unknown, and so ignored.
pub(super) fn numbered(call: &Call, dialect: Dialect, rows: &[&Value]) -> Value {
    let (size_param, default_size) = match dialect {
        Dialect::Mcp => ("limit", 25),
        Dialect::Laravel => ("per_page", 15),
    };
    let size = call.number::<usize>(size_param).unwrap_or(default_size).clamp(1, 100);
    let page = page_number(call);
    let first = (page - 1).saturating_mul(size).min(rows.len());
    let data = &rows[first..(first + size).min(rows.len())];
    let total = rows.len();
    let last_page = total.div_ceil(size).max(1);
    match dialect {
        Dialect::Mcp => json!({
            "data": data,
            "meta": { "page": page, "limit": size, "total": total, "has_more": page < last_page },
        }),
        Dialect::Laravel => {
            let link = |number: usize| format!("{}?page={number}", call.path);
            let from = (!data.is_empty()).then_some(first + 1);
            json!({
                "data": data,
                "links": {
                    "first": link(1), "last": link(last_page),
                    "prev": (page > 1).then(|| link(page - 1)), "next": (page < last_page).then(|| link(page + 1)),
                },
                "meta": {
                    "current_page": page, "from": from, "last_page": last_page, "path": call.path,
                    "per_page": size, "to": from.map(|from| from + data.len() - 1), "total": total,
                },
            })
        }
    }
}

/// The `page` of the request, from 1.
pub(super) fn page_number(call: &Call) -> usize {
    call.number("page").unwrap_or(1).max(1)
}

/// A page after an opaque cursor: the id of the last row sent, in base64. `None` for a cursor that is not ours.
pub(super) fn keyset(call: &Call, rows: &[&Value]) -> Option<Value> {
    let limit = call.number::<usize>("limit").unwrap_or(50).clamp(1, 200);
    let first = match call.param("cursor") {
        None => 0,
        Some(cursor) => {
            let id = String::from_utf8(STANDARD.decode(cursor).ok()?).ok()?;
            rows.iter().position(|row| row["id"] == id)? + 1
        }
    };
    let data = &rows[first..(first + limit).min(rows.len())];
    let more = first + data.len() < rows.len();
    let next = data.last().filter(|_| more).and_then(|row| row["id"].as_str()).map(|id| STANDARD.encode(id));
    Some(json!({ "data": data, "meta": { "next_cursor": next, "limit": limit } }))
}

/// The newest rows, and no way to more.
pub(super) fn latest(call: &Call, rows: &[&Value]) -> Value {
    let limit = call.number::<usize>("limit").unwrap_or(50).clamp(1, 200);
    let data = &rows[..rows.len().min(limit)];
    json!({ "data": data, "meta": { "total": data.len(), "limit": limit } })
}
