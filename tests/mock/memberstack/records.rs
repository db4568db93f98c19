//! Writing records of Data Tables. All three answers show `DECIMAL` values as text, where a query shows numbers.

use serde_json::{Value, json};

use super::super::call::Reply;
use super::errors;
use super::generate::{Draw, iso_ms};
use super::tables::{CREATED_MS, Table, find_mut};

/// One hour in milliseconds: the mock's time passes by that much from record to record.
const HOUR_MS: i64 = 3_600_000;

pub(super) fn create(tables: &mut [Table], key: &str, body: &Value) -> Reply {
    let Some(table) = find_mut(tables, key) else { return errors::generic(404, "Data table not found") };
    let data = match fields(body) {
        Ok(data) => data,
        Err(refusal) => return refusal,
    };
    let order = table.records.last().and_then(|record| record["internalOrder"].as_i64()).unwrap_or(0) + 2;
    let made = iso_ms(CREATED_MS + order * HOUR_MS);
    let record = json!({
        "id": format!("cm{}", Draw::new(0x4e77, order as usize).token(23)),
        "internalOrder": order, "createdAt": made, "updatedAt": made, "data": data,
    });
    table.records.push(record.clone());
    answer(table, record)
}

/// Only the fields that are sent change.
pub(super) fn update(tables: &mut [Table], key: &str, id: &str, body: &Value) -> Reply {
    let Some(table) = find_mut(tables, key) else { return errors::generic(404, "Data table not found") };
    let data = match fields(body) {
        Ok(data) => data,
        Err(refusal) => return refusal,
    };
    let Some(record) = table.records.iter_mut().find(|record| record["id"] == id) else {
        return errors::generic(404, "Data record not found");
    };
    for (key, value) in data.as_object().into_iter().flatten() {
        record["data"][key] = value.clone();
    }
    let record = record.clone();
    answer(table, record)
}

/// Answers the record as it was.
pub(super) fn delete(tables: &mut [Table], key: &str, id: &str) -> Reply {
    let Some(table) = find_mut(tables, key) else { return errors::generic(404, "Data table not found") };
    let Some(position) = table.records.iter().position(|record| record["id"] == id) else {
        return errors::generic(404, "Data record not found");
    };
    let record = table.records.remove(position);
    answer(table, record)
}

fn fields(body: &Value) -> Result<Value, Reply> {
    match body["data"].as_object() {
        None => Err(errors::generic(400, "data must be an object")),
        Some(data) if data.is_empty() => Err(errors::generic(400, "data cannot be empty")),
        Some(_) => Ok(body["data"].clone()),
    }
}

fn answer(table: &Table, mut record: Value) -> Reply {
    for field in table.description["fields"].as_array().into_iter().flatten() {
        let Some(key) = field["key"].as_str().filter(|_| field["type"] == "DECIMAL") else { continue };
        if let Some(number) = record["data"].get(key).and_then(Value::as_f64) {
            record["data"][key] = number.to_string().into();
        }
    }
    Reply::json(200, &json!({ "data": record }))
}
