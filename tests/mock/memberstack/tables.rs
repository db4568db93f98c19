//! Data Tables: two tables with records, read by a query in the body of a POST. `records` writes them.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::super::call::Reply;
use super::errors;
use super::generate::{Draw, iso_ms};

/// 2026-01-15T10:30:00Z in milliseconds, when the tables were made.
pub(super) const CREATED_MS: i64 = 1_768_473_000_000;
const MAX_TAKE: u64 = 100;
const ORDERS: usize = 130;
const CUSTOMERS: usize = 12;

/// A table: its description and its records, by `internalOrder`.
pub(super) struct Table {
    pub(super) description: Value,
    pub(super) records: Vec<Value>,
}

/// The tables `orders` and `customers`; an order refers to a customer.
pub(super) fn generate(seed: u64) -> Vec<Table> {
    let customers: Vec<Value> = (0..CUSTOMERS)
        .map(|index| {
            let mut draw = Draw::new(seed ^ 0xc057, index);
            let name = draw.pick(&["Nord AS", "Café Ñandú", "Hügel GmbH"]);
            record(&mut draw, index, 500, &json!({ "name": name, "vip": index % 3 == 0 }))
        })
        .collect();
    let orders = (0..ORDERS)
        .map(|index| {
            let mut draw = Draw::new(seed ^ 0x04de_4500, index);
            let total = draw.below(100_000) as f64 / 100.0;
            let customer = &customers[draw.below(CUSTOMERS as u64) as usize]["id"];
            let paid = draw.percent(70);
            record(&mut draw, index, 12_000, &json!({ "total": total, "paid": paid, "customer": customer }))
        })
        .collect();
    let fields = |fields: &[(&str, &str)]| -> Value {
        fields.iter().enumerate().map(|(order, (key, kind))| field(order, key, kind)).collect()
    };
    vec![
        Table {
            description: description(
                "tbl_sb_orders",
                "orders",
                "Orders",
                &fields(&[("total", "DECIMAL"), ("paid", "BOOLEAN"), ("customer", "REFERENCE")]),
            ),
            records: orders,
        },
        Table {
            description: description(
                "tbl_sb_customers",
                "customers",
                "Customers",
                &fields(&[("name", "TEXT"), ("vip", "BOOLEAN")]),
            ),
            records: customers,
        },
    ]
}

fn record(draw: &mut Draw, index: usize, first_order: i64, data: &Value) -> Value {
    let created = CREATED_MS + index as i64 * 3_600_000;
    json!({
        "id": format!("cm{}", draw.token(23)),
        // Steps of 1 to 3, so that positions cannot be taken for counts.
        "internalOrder": first_order + index as i64 * 3 + draw.below(3) as i64,
        "createdAt": iso_ms(created),
        "updatedAt": iso_ms(created + draw.below(86_400_000) as i64),
        "data": data,
    })
}

fn description(id: &str, key: &str, name: &str, fields: &Value) -> Value {
    json!({
        "id": id, "key": key, "name": name,
        "createRule": "AUTHENTICATED", "readRule": "PUBLIC", "updateRule": "AUTHENTICATED_OWN",
        "deleteRule": "ADMIN_ONLY", "createdAt": iso_ms(CREATED_MS), "updatedAt": null, "fields": fields,
    })
}

fn field(order: usize, key: &str, kind: &str) -> Value {
    let mut field = json!({
        "id": format!("fld_{key}"), "key": key, "name": key, "type": kind, "required": order == 0,
        "defaultValue": null, "tableOrder": order, "referencedTableId": null,
    });
    if kind == "REFERENCE" {
        field["referencedTableId"] = "tbl_sb_customers".into();
        field["referencedTable"] =
            json!({ "id": "tbl_sb_customers", "key": "customers", "name": "Customers" });
    }
    field
}

pub(super) fn list(tables: &[Table]) -> Reply {
    let tables: Value = tables.iter().map(|table| table.description.clone()).collect();
    Reply::json(200, &json!({ "data": { "tables": tables } }))
}

pub(super) fn retrieve(tables: &[Table], key_or_id: &str) -> Reply {
    match find(tables, key_or_id) {
        Some(table) => Reply::json(200, &json!({ "data": table.description })),
        None => errors::generic(404, "Data table not found"),
    }
}

impl Table {
    fn is(&self, key_or_id: &str) -> bool {
        self.description["key"] == key_or_id || self.description["id"] == key_or_id
    }
}

fn find<'a>(tables: &'a [Table], key_or_id: &str) -> Option<&'a Table> {
    tables.iter().find(|table| table.is(key_or_id))
}

pub(super) fn find_mut<'a>(tables: &'a mut [Table], key_or_id: &str) -> Option<&'a mut Table> {
    tables.iter_mut().find(|table| table.is(key_or_id))
}

/// The only way to read records: `{"query": {"findMany": …}}` or `{"query": {"findUnique": …}}`.
pub(super) fn query(tables: &[Table], key_or_id: &str, body: &Value) -> Reply {
    let Some(table) = find(tables, key_or_id) else { return errors::generic(404, "Data table not found") };
    let Some(query) = body.get("query").filter(|query| query.is_object()) else {
        return errors::generic(400, "Query parameter is required");
    };
    match (query.get("findMany"), query.get("findUnique")) {
        (Some(_), Some(_)) => errors::generic(400, "Cannot specify both query.findMany and query.findUnique"),
        (None, None) => {
            errors::generic(400, "Either query.findMany or query.findUnique parameter is required")
        }
        (Some(many), None) => find_many(&table.records, many),
        (None, Some(unique)) => find_unique(&table.records, unique),
    }
}

fn find_unique(records: &[Value], unique: &Value) -> Reply {
    let Some(id) = unique["where"]["id"].as_str() else {
        return errors::generic(400, "query.findUnique requires where.id");
    };
    match records.iter().find(|record| record["id"] == id) {
        Some(record) => Reply::json(200, &json!({ "data": { "record": record } })),
        None => errors::generic(404, "Record not found"),
    }
}

fn find_many(records: &[Value], many: &Value) -> Reply {
    if many.get("select").is_some() || many.get("include").is_some() {
        return errors::generic(400, "select and include are not part of this mock");
    }
    let take = many.get("take").map_or(Some(MAX_TAKE), Value::as_u64);
    let Some(take) = take.filter(|take| (1..=MAX_TAKE).contains(take)) else {
        return errors::generic(400, "take must be between 1 and 100");
    };
    if many.get("skip").is_some() && many.get("after").is_some() {
        return errors::generic(400, "Cannot specify both skip and after");
    }
    let mut found: Vec<&Value> =
        records.iter().filter(|record| matches(record, many.get("where").unwrap_or(&Value::Null))).collect();
    if many["_count"] == true {
        return Reply::json(200, &json!({ "data": { "_count": found.len() } }));
    }
    sort(&mut found, &many["orderBy"]);
    // The cursor compares `internalOrder`, whatever the order asked for: with any other order rows are skipped or
    // repeated, as in the real API.
    if let Some(after) = number(&many["after"]) {
        found.retain(|record| number(&record["internalOrder"]).is_some_and(|order| order > after));
    }
    let skip = many["skip"].as_u64().unwrap_or(0) as usize;
    let rest = found.get(skip..).unwrap_or_default();
    let page = &rest[..rest.len().min(take as usize)];
    let mut pagination = json!({ "hasMore": rest.len() > page.len() });
    if many.get("take").is_some() {
        pagination["limit"] = take.into();
    }
    if let Some(last) = page.last() {
        pagination["endCursor"] = last["internalOrder"].clone();
    }
    Reply::json(200, &json!({ "data": { "records": page, "pagination": pagination } }))
}

fn sort(records: &mut [&Value], order_by: &Value) {
    let orders: Vec<&Value> = match order_by {
        Value::Array(orders) => orders.iter().collect(),
        order => vec![order],
    };
    let keys: Vec<(&String, bool)> = orders
        .into_iter()
        .filter_map(Value::as_object)
        .flatten()
        .map(|(key, direction)| (key, direction == "desc"))
        .collect();
    records.sort_by(|left, right| {
        keys.iter()
            .map(|&(key, descending)| {
                let ordering = compare(column(left, key), column(right, key)).unwrap_or(Ordering::Equal);
                if descending { ordering.reverse() } else { ordering }
            })
            .find(|ordering| ordering.is_ne())
            .unwrap_or(Ordering::Equal)
    });
}

/// A system field of the record, or else a field of its data.
fn column<'a>(record: &'a Value, key: &str) -> &'a Value {
    record.get(key).filter(|_| key != "data").unwrap_or(&record["data"][key])
}

fn matches(record: &Value, condition: &Value) -> bool {
    let Some(condition) = condition.as_object() else { return true };
    condition.iter().all(|(key, wanted)| {
        let mut parts = match wanted {
            Value::Array(parts) => parts.iter(),
            part => std::slice::from_ref(part).iter(),
        };
        match key.as_str() {
            "AND" => parts.all(|part| matches(record, part)),
            "OR" => parts.any(|part| matches(record, part)),
            "NOT" => !parts.any(|part| matches(record, part)),
            key => satisfies(column(record, key), wanted),
        }
    })
}

fn satisfies(value: &Value, wanted: &Value) -> bool {
    let Some(operators) = wanted.as_object() else { return value == wanted };
    operators.iter().all(|(operator, operand)| {
        let among = || operand.as_array().is_some_and(|choices| choices.contains(value));
        let ordering = || compare(value, operand);
        let text = || value.as_str().zip(operand.as_str());
        match operator.as_str() {
            "equals" => value == operand,
            "not" => value != operand,
            "in" => among(),
            "notIn" => !among(),
            "lt" => ordering().is_some_and(Ordering::is_lt),
            "lte" => ordering().is_some_and(Ordering::is_le),
            "gt" => ordering().is_some_and(Ordering::is_gt),
            "gte" => ordering().is_some_and(Ordering::is_ge),
            "contains" => text().is_some_and(|(value, part)| value.contains(part)),
            "startsWith" => text().is_some_and(|(value, part)| value.starts_with(part)),
            "endsWith" => text().is_some_and(|(value, part)| value.ends_with(part)),
            _ => false,
        }
    })
}

/// Numbers by value, texts (dates among them, as they are written alike) by character.
fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
    }
}

/// A cursor may come as a number or as its text.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}
