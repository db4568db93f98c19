//! What the API has, which grows from run to run.

use serde_json::{Value, json};

/// Seven people in the first run; after that one of them has changed and three came.
pub(super) fn people(run: usize) -> Vec<Value> {
    let count = if run > 1 { 10 } else { 7 };
    (1..=count).map(|id| person(id, run)).collect()
}

/// Not two of them have the same form: there is what is missing, null, of two types, below others, or a list.
fn person(id: usize, run: usize) -> Value {
    let score = if id.is_multiple_of(3) { json!(id) } else { json!(id as f64 * 1.25) };
    let mut person = json!({
        "id": id,
        "fullName": format!("Person {id}"),
        "score": score,
        "active": !id.is_multiple_of(2),
        "createdAt": format!("2024-01-{id:02}T10:00:00Z"),
        "born": format!("19{:02}-05-06", 50 + id),
        "address": { "city": if id.is_multiple_of(2) { "Łódź" } else { "São Paulo" }, "geo": { "lat": id as f64 / 2.0, "lon": -1 } },
        "tags": &["a", "b", "c"][..id % 4],
        "orders": (0..id % 3).map(|at| json!({ "sku": format!("s{at}"), "lines": [{ "n": at }] })).collect::<Vec<_>>(),
        "note": if id == 4 { Value::Null } else { json!("ok") },
    });
    if id == 5 {
        person["note"] = json!(5);
    }
    if id == 6 {
        person["extra"] = json!({ "deep": { "deeper": [1, 2] } });
    }
    if id == 2 && run > 1 {
        person["fullName"] = json!("Person 2, later");
        person["tags"] = json!(["new"]);
        person["address"] = Value::Null;
    }
    person
}

/// Answers in one piece, of forms that rows have to be found in.
pub(super) fn document(name: &str, run: usize) -> Value {
    let people = people(run);
    match name {
        "data" => json!({ "meta": { "count": people.len() }, "data": people }),
        // The first list is not what is meant, and dlt takes the one whose name it knows.
        "named_later" => json!({ "errors": [], "page": { "records": people } }),
        "deep" => json!({ "response": { "body": { "list": people } }, "status": "ok" }),
        "first_list" => json!({ "status": "ok", "found": people, "more": [1] }),
        "one" => json!({ "data": people[0] }),
        "nothing" => json!({ "data": null }),
        "edges" => {
            json!({ "edges": people.into_iter().map(|node| json!({ "node": node, "cursor": "c" })).collect::<Vec<_>>() })
        }
        "scalars" => json!({ "data": [1, 2, "three"] }),
        "events" => json!(events(run)),
        _ => json!({ "people": people, "other": [{ "id": 77 }] }),
    }
}

/// Four teams.
pub(super) fn teams() -> Vec<Value> {
    (1..=4)
        .map(|id| json!({
            "id": id, "slug": format!("team-{id}"), "title": format!("Team {id} & co"), "owner": { "id": id * 10 },
            "open": id % 2 == 1,
        }))
        .collect()
}

/// As many as the team's number, but for the first, which has none.
pub(super) fn members(team: &str) -> Vec<Value> {
    let team: usize = team.trim_start_matches("team-").parse().unwrap_or(0);
    let count = if team == 1 { 0 } else { team };
    (1..=count)
        .map(|id| json!({ "id": team * 100 + id, "name": format!("M{id}"), "skills": [{ "of": id }] }))
        .collect()
}

/// One or two for each member.
pub(super) fn badges(team: &str, member: &str) -> Vec<Value> {
    let count = if member.ends_with('1') { 1 } else { 2 };
    (1..=count).map(|id| json!({ "badge": format!("{team}/{member}/{id}"), "level": id })).collect()
}

/// Five at first, the last two of the same time; then one more of that time, a change of an early one, and two later
/// ones; then nothing new.
pub(super) fn events(run: usize) -> Vec<Value> {
    let event = |id: usize, day: usize, what: &str| json!({ "id": id, "at": format!("2024-03-{day:02}T00:00:00Z"), "day": format!("2024-03-{day:02}"), "seq": day * 10, "what": what });
    let mut events =
        vec![event(1, 1, "a"), event(2, 2, "b"), event(3, 3, "c"), event(4, 4, "d"), event(5, 4, "e")];
    if run > 1 {
        events.extend([event(6, 4, "f"), event(7, 5, "g"), event(2, 6, "b2")]);
        events.remove(1);
    }
    events
}
