//! An API of all shapes. What it answers follows from the request alone: its path begins with the program that asks,
//! the case and the number of the run, so that both programs can load at once and the log tells who asked for what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::data;
use crate::rest::api::{Call, Reply};

/// Rows of a page where the request does not say.
const SIZE: usize = 3;

/// A request without what its path begins with.
struct Ask<'a> {
    call: &'a Call,
    /// `http://HOST/PROGRAM/CASE/RUN`.
    base: String,
    /// From 1.
    run: usize,
    /// The rest of the path.
    path: Vec<&'a str>,
}

/// Some rows of all, and where they stand.
struct Slice {
    rows: Vec<Value>,
    /// What the next page begins with; `None` on the last one.
    next: Option<usize>,
    total: usize,
}

pub(super) fn answer(call: &Call) -> Reply {
    let path: Vec<&str> = call.path.trim_start_matches('/').split('/').collect();
    let [program, case, run, rest @ ..] = &path[..] else { return Reply::empty(404) };
    let host = call.header("host").unwrap_or_default();
    let ask = Ask {
        call,
        base: format!("http://{host}/{program}/{case}/{run}"),
        run: run.parse().unwrap_or(0),
        path: rest.to_vec(),
    };
    ask.reply()
}

impl Ask<'_> {
    fn reply(&self) -> Reply {
        let people = data::people(self.run);
        match (self.call.method.as_str(), &self.path[..]) {
            ("GET", ["list"]) => Reply::json(&json!(people)),
            ("GET", ["nothing"]) => Reply::json(&json!([])),
            ("GET", ["shrinking"]) if self.run > 1 => Reply::json(&json!([])),
            ("GET", ["shrinking"]) => Reply::json(&json!(people)),
            ("GET", ["documents", name]) => Reply::json(&data::document(name, self.run)),
            ("GET", ["people", id] | ["people", id, ""]) => {
                found(&people, id).map_or_else(not_found, |row| Reply::json(&row))
            }
            (_, ["cursor", ..] | ["header_cursor"] | ["offset", ..] | ["numbered", ..]) => self.paged(),
            ("GET", ["links", ..]) => self.linked(),
            ("GET", ["auto", ..]) => self.auto(),
            ("GET", ["teams", ..]) => self.teams(),
            ("POST", ["lookup"]) => self.lookup(),
            (_, ["echo", ..]) => self.echo(),
            ("GET", ["events"]) => self.events("since", "until"),
            (_, ["secret", kind]) => self.secret(kind),
            ("POST", ["token"]) => self.token(),
            ("GET", ["moody", mood]) => self.moody(mood),
            _ => not_found(),
        }
    }

    fn number(&self, name: &str) -> Option<usize> {
        self.call.number_param(name)
    }

    /// A number of the JSON body.
    fn body_number(&self, pointer: &str) -> Option<usize> {
        Some(usize::try_from(self.call.json().pointer(pointer)?.as_u64()?).unwrap())
    }

    fn slice(&self, from: usize, size: Option<usize>) -> Slice {
        let all = data::people(self.run);
        let size = size.unwrap_or(SIZE);
        let rows: Vec<Value> = all.iter().skip(from).take(size).cloned().collect();
        Slice { next: (from + size < all.len()).then_some(from + size), rows, total: all.len() }
    }

    /// Pages that the request has to name.
    fn paged(&self) -> Reply {
        let body = |pointer| self.body_number(pointer);
        match self.path[..] {
            ["cursor"] => {
                let page = self.slice(self.number("after").unwrap_or(0), self.number("limit"));
                let paging = json!({ "next": page.next, "more": page.next.is_some() });
                Reply::json(&json!({ "data": page.rows, "paging": paging }))
            }
            // The last page has a cursor, too, and leads to an empty one.
            ["cursor", "endless"] => {
                let from = self.number("cursor").unwrap_or(0);
                let page = self.slice(from, None);
                Reply::json(&json!({ "items": page.rows, "cursors": { "next": from + page.rows.len() } }))
            }
            // As Stripe does: the cursor is the last row's id.
            ["cursor", "last_row"] => {
                let after = self.number("starting_after").unwrap_or(0);
                let page = self.slice(after, None);
                Reply::json(&json!({ "object": "list", "data": page.rows, "has_more": page.next.is_some() }))
            }
            // What an end looks like: "", 0 or false in place of null.
            ["cursor", "ends_with", end] => {
                let page = self.slice(self.number("cursor").unwrap_or(0), None);
                let end: Value = serde_json::from_str(end).unwrap_or_else(|_| json!(""));
                let next = page.next.map_or(end, |next| json!(next.to_string()));
                let more = if page.next.is_some() { "Yes" } else { "n" };
                Reply::json(&json!({ "items": page.rows, "cursors": { "next": next }, "more": more }))
            }
            ["cursor", "body"] => {
                let page = self.slice(body("/query/page/after").unwrap_or(0), body("/query/page/size"));
                Reply::json(&json!({ "result": { "rows": page.rows, "next": page.next } }))
            }
            ["header_cursor"] => {
                let page = self.slice(self.number("token").unwrap_or(0), None);
                let reply = Reply::json(&json!(page.rows));
                page.next.into_iter().fold(reply, |reply, next| reply.with("x-next-token", &next.to_string()))
            }
            ["offset"] => offset_page(&self.slice(self.number("offset").unwrap_or(0), self.number("limit"))),
            ["offset", "dollar"] => {
                offset_page(&self.slice(self.number("$skip").unwrap_or(0), self.number("$top")))
            }
            ["offset", "body"] => {
                offset_page(&self.slice(body("/range/from").unwrap_or(0), body("/range/count")))
            }
            ["numbered", first] => {
                let first: usize = first.parse().unwrap();
                let page = self
                    .number("page")
                    .or_else(|| self.number("p"))
                    .or_else(|| body("/page"))
                    .unwrap_or(first);
                let size = self.number("per_page").unwrap_or(SIZE);
                let page = self.slice(page.saturating_sub(first) * size, Some(size));
                let pages = page.total.div_ceil(size);
                Reply::json(&json!({
                    "data": page.rows, "total": pages, "info": { "pages": pages, "more": page.next.is_some() },
                }))
            }
            _ => not_found(),
        }
    }

    /// Pages of which each has the address of the next.
    fn linked(&self) -> Reply {
        let page = self.slice(self.number("from").unwrap_or(0), self.number("limit"));
        let path = self.path.join("/");
        let query = page.next.map(|next| match self.number("limit") {
            Some(limit) => format!("from={next}&limit={limit}"),
            None => format!("from={next}"),
        });
        let full = query.as_ref().map(|query| format!("{}/{path}?{query}", self.base));
        match self.path[1..] {
            ["absolute"] => Reply::json(&json!({ "value": page.rows, "links": { "next": full } })),
            ["odata"] => match full {
                Some(full) => Reply::json(&json!({ "value": page.rows, "@odata.nextLink": full })),
                None => Reply::json(&json!({ "value": page.rows })),
            },
            ["query_alone"] => {
                let next = query.map(|query| format!("?{query}"));
                Reply::json(&json!({ "data": page.rows, "next": next }))
            }
            ["relative"] => {
                let next = query.map(|query| format!("relative?{query}"));
                Reply::json(&json!({ "data": page.rows, "next": next }))
            }
            ["path_alone"] => {
                let next = full.and_then(|full| Some(format!("/{}", full.splitn(4, '/').nth(3)?)));
                Reply::json(&json!({ "data": page.rows, "next": next }))
            }
            ["header"] => {
                let reply = Reply::json(&json!(page.rows));
                let first = format!("<{}/{path}>; rel=\"first\"", self.base);
                let next = full.map(|full| format!(", <{full}>; rel=\"next\"")).unwrap_or_default();
                reply.with("link", &(first + &next))
            }
            _ => not_found(),
        }
    }

    /// Pages that tell what kind they are.
    fn auto(&self) -> Reply {
        match self.path[1..] {
            ["cursor"] => {
                let page = self.slice(self.number("cursor").unwrap_or(0), None);
                Reply::json(&json!({ "results": page.rows, "meta": { "next_cursor": page.next } }))
            }
            ["pages"] => {
                let page = self.slice(self.number("page").unwrap_or(0) * SIZE, None);
                Reply::json(&json!({ "results": page.rows, "total_pages": page.total.div_ceil(SIZE) }))
            }
            ["link"] => {
                let page = self.slice(self.number("from").unwrap_or(0), None);
                let next = page.next.map(|next| format!("{}/auto/link?from={next}", self.base));
                Reply::json(
                    &json!({ "meta": { "_links": { "next": { "href": next } } }, "results": page.rows }),
                )
            }
            ["header"] => {
                let page = self.slice(self.number("from").unwrap_or(0), None);
                let link = |next| format!("<{}/auto/header?from={next}>; rel=\"next\"", self.base);
                let reply = Reply::json(&json!(page.rows));
                page.next.map(link).into_iter().fold(reply, |reply, link| reply.with("link", &link))
            }
            ["single"] => Reply::json(&json!({ "results": data::people(self.run) })),
            _ => not_found(),
        }
    }

    /// Teams, their members, and the badges of those.
    fn teams(&self) -> Reply {
        match self.path[1..] {
            [] => Reply::json(&json!({ "teams": data::teams(), "page": 1 })),
            ["paged"] => {
                let after = self.number("after").unwrap_or(0);
                let teams = data::teams();
                let next = (after + 2 < teams.len()).then_some(after + 2);
                let rows: Vec<_> = teams.into_iter().skip(after).take(2).collect();
                Reply::json(&json!({ "teams": rows, "next": next }))
            }
            [team] => found(&data::teams(), team).map_or_else(not_found, |row| Reply::json(&row)),
            [team, "members"] => {
                let after = self.number("after").unwrap_or(0);
                let members = data::members(team);
                let next = (after + 2 < members.len()).then_some(after + 2);
                let rows: Vec<_> = members.into_iter().skip(after).take(2).collect();
                Reply::json(&json!({ "members": rows, "next": next }))
            }
            // One team has none, which is an error to this API.
            ["2", "budget"] => not_found(),
            [team, "budget"] => Reply::json(&json!({ "team": team, "amount": 100.5 })),
            [team, "members", member, "badges"] => Reply::json(&json!(data::badges(team, member))),
            _ => not_found(),
        }
    }

    /// Rows for the ids that the body asks for; an id has to be a number.
    fn lookup(&self) -> Reply {
        let body = self.call.json();
        match body["team"].as_u64() {
            Some(team) => Reply::json(&json!({ "rows": data::members(&team.to_string()), "asked": body })),
            None => Reply::text("text/plain", "`team` is no number").status(400),
        }
    }

    /// One row that says what was sent.
    fn echo(&self) -> Reply {
        let params: Vec<_> =
            self.call.params.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        let own = |(name, _): &(&String, &String)| name.starts_with("x-");
        let headers: serde_json::Map<_, _> =
            self.call.headers.iter().filter(own).map(|(name, value)| (name.clone(), json!(value))).collect();
        let content_type = self.call.header("content-type").filter(|_| !self.call.body.is_empty());
        Reply::json(&json!([{
            "id": 1, "method": self.call.method, "path": self.path.join("/"), "params": params, "headers": headers,
            "content_type": content_type, "body": self.call.body.as_str(),
        }]))
    }

    /// Events from a time or number on, and up to one, both included, whatever there is of them.
    fn events(&self, from: &str, until: &str) -> Reply {
        let mut events = data::events(self.run);
        for (name, keep) in [(from, i8::signum as fn(i8) -> i8), (until, |order: i8| -order)] {
            if let Some(bound) = self.call.param(name) {
                events.retain(|event| keep(compare(event, bound)) >= 0);
            }
        }
        if self.call.param("order") == Some("desc") {
            events.reverse();
        }
        let after = self.number("after").unwrap_or(0);
        let next = (after + SIZE < events.len()).then_some(after + SIZE);
        let rows: Vec<_> = events.into_iter().skip(after).take(SIZE).collect();
        Reply::json(&json!({ "data": rows, "next": next }))
    }

    /// People for those who say who they are.
    fn secret(&self, kind: &str) -> Reply {
        let sent = match kind {
            "query" => self.call.param("key").map(str::to_owned),
            "header" => self.call.header("x-api-key").map(str::to_owned),
            _ => self.call.header("authorization").map(str::to_owned),
        };
        let expected = match kind {
            "query" | "header" => "k-1".to_owned(),
            "basic" => format!("Basic {}", STANDARD.encode("jane:pä:ss")),
            _ => "Bearer t-1".to_owned(),
        };
        if sent != Some(expected) {
            return Reply::json(&json!({ "error": "who are you?" })).status(401);
        }
        Reply::json(&json!(data::people(self.run)))
    }

    /// OAuth2 for a program.
    fn token(&self) -> Reply {
        let form: Vec<(String, String)> =
            url::form_urlencoded::parse(self.call.body.as_bytes()).into_owned().collect();
        let has = |name: &str, value: &str| form.contains(&(name.to_owned(), value.to_owned()));
        if has("grant_type", "client_credentials") && has("client_id", "me") && has("client_secret", "s&cret")
        {
            return Reply::json(
                &json!({ "access_token": "t-1", "expires_in": 3600, "token_type": "bearer" }),
            );
        }
        Reply::json(&json!({ "error": "invalid_client" })).status(401)
    }

    /// Pages that end in something else than a page.
    fn moody(&self, mood: &str) -> Reply {
        let page = self.slice(self.number("after").unwrap_or(0), None);
        let is_first = self.number("after").is_none();
        match mood {
            "gone" => not_found(),
            "gone_later" if !is_first => not_found(),
            "says_no" => {
                Reply::json(&json!({ "error": "No data for this account", "items": [] })).status(422)
            }
            "says_no_in_passing" if !is_first => Reply::json(&json!({ "error": "No more data" })),
            _ => Reply::json(&json!({ "items": page.rows, "next": page.next })),
        }
    }
}

fn offset_page(page: &Slice) -> Reply {
    Reply::json(&json!({
        "data": page.rows, "total": page.total, "count": page.rows.len(), "more": page.next.is_some(),
    }))
}

fn found(rows: &[Value], id: &str) -> Option<Value> {
    rows.iter().find(|row| row["id"].as_u64() == id.parse().ok()).cloned()
}

fn not_found() -> Reply {
    Reply::json(&json!({ "error": "not found" })).status(404)
}

/// Where an event stands to a bound of the request: a number is one of `seq`, a text of `at`.
fn compare(event: &Value, bound: &str) -> i8 {
    let order = match bound.parse::<i64>() {
        Ok(bound) => event["seq"].as_i64().cmp(&Some(bound)),
        Err(_) => event["at"].as_str().cmp(&Some(bound)),
    };
    order as i8
}
