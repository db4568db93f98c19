//! Members from a seed: equal seeds make equal members, each independent of how many there are.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::config::MockConfig;

/// SplitMix64: a few lines that give the same numbers for ever.
pub(crate) struct Draw(u64);

impl Draw {
    /// A sequence of its own for each pair of seed and index.
    pub(crate) fn new(seed: u64, index: usize) -> Self {
        let mut draw = Self(seed ^ (index as u64).wrapping_mul(0xd134_2543_de82_ef95));
        draw.next();
        draw
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; the bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True this often in a hundred.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Lower-case letters and digits, as in the API's ids.
    pub(crate) fn token(&mut self, length: usize) -> String {
        const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
        (0..length).map(|_| char::from(ALPHABET[self.below(36) as usize])).collect()
    }
}

/// The plans of the mock: id, name, type.
pub(super) const PLANS: [(&str, &str, &str); 4] = [
    ("pln_free-a1b2c3d4", "Free", "FREE"),
    ("pln_community-e5f6g7h8", "Community", "FREE"),
    ("pln_pro-abcd1234", "Pro", "SUBSCRIPTION"),
    ("pln_lifetime-wxyz9876", "Lifetime", "ONETIME"),
];

const FIRST_NAMES: [&str; 16] = [
    "Kari", "Ola", "Zoë", "Søren", "José", "Łukasz", "Mei", "Amélie", "Jürgen", "Noor", "Ivan", "Åsa",
    "Siobhán", "Hana", "明", "Chidi",
];
const LAST_NAMES: [&str; 12] = [
    "Nordmann",
    "Hansen",
    "García",
    "Żak",
    "O'Brien",
    "Müller",
    "Tanaka",
    "Okafor",
    "Lefèvre",
    "Novák",
    "Ødegård",
    "Smith",
];
const COMPANIES: [&str; 8] = [
    "Nord AS",
    "Fjord \"Fisk\" & Co",
    "Blue Ocean Ltd",
    "Café Ñandú",
    "Hügel GmbH",
    "Acme, Inc.",
    "Petit à Petit",
    "Sol/Luna",
];
const PERMISSIONS: [&str; 5] =
    ["view:courses", "edit:profile", "view:reports", "download:files", "moderate:community"];

/// 2024-01-01T00:00:00Z, when the first member was created, in milliseconds.
const FIRST_CREATED_MS: i64 = 1_704_067_200_000;

/// The instant at which member `index` was created, in milliseconds; later members are younger.
pub(super) fn created_ms(seed: u64, index: usize) -> i64 {
    let jitter = Draw::new(seed ^ 0x0c4e_a7ed, index).below(600_000) as i64;
    FIRST_CREATED_MS + index as i64 * 600_000 + jitter
}

/// The distance from the cursor of the member before, 1 to 9: the sequence is shared with other apps.
pub(super) fn cursor_step(seed: u64, index: usize) -> i64 {
    Draw::new(seed ^ 0xc0_50_12, index).below(9) as i64 + 1
}

/// An instant as the API writes it.
pub(crate) fn iso_ms(milliseconds: i64) -> String {
    let instant = Timestamp::from_millisecond(milliseconds).expect("a date of the mock is in range");
    instant.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// Member number `index`, from 0, as the list shows it, without `json`.
pub(super) fn member(config: &MockConfig, index: usize) -> Value {
    let mut draw = Draw::new(config.seed, index);
    let created = created_ms(config.seed, index);
    let first = draw.pick(&FIRST_NAMES);
    let last = draw.pick(&LAST_NAMES);
    let id = format!("mem_sb_{}", draw.token(24));
    let email = format!("member{index}.{}@example.test", draw.token(4));
    json!({
        "id": id,
        "auth": { "email": email },
        "verified": draw.percent(80),
        "createdAt": iso_ms(created),
        "lastLogin": optional(&mut draw, 85, |draw| iso_ms(created + draw.below(9_000_000_000) as i64)),
        "customFields": custom_fields(config, index, &mut draw, first, last),
        "metaData": meta_data(&mut draw),
        "loginRedirect": optional(&mut draw, 60, |draw| draw.pick(&["/dashboard", "/courses", "/"]).to_owned()),
        "profileImage": optional(&mut draw, 25, |draw| format!("https://img.example.test/{}.png", draw.token(12))),
        "stripeCustomerId": optional(&mut draw, 50, |draw| format!("cus_{}", draw.token(14))),
        "permissions": permissions(&mut draw),
        "planConnections": plan_connections(&mut draw, created),
    })
}

/// The `json` of member `index`: what an app keeps there, nested.
pub(super) fn member_json(seed: u64, index: usize) -> Value {
    let mut draw = Draw::new(seed ^ 0x0000_6a73_6f6e, index);
    if draw.percent(30) {
        return json!({});
    }
    let steps: Vec<u64> = (0..draw.below(4)).map(|_| draw.below(10)).collect();
    json!({ "onboarding": { "done": draw.percent(50), "steps": steps }, "theme": draw.pick(&["dark", "light"]) })
}

fn optional<T: Into<Value>>(draw: &mut Draw, percent: u64, value: impl FnOnce(&mut Draw) -> T) -> Value {
    if draw.percent(percent) { value(draw).into() } else { Value::Null }
}

fn custom_fields(config: &MockConfig, index: usize, draw: &mut Draw, first: &str, last: &str) -> Value {
    let mut fields = Map::new();
    fields.insert("first-name".to_owned(), first.into());
    fields.insert("last-name".to_owned(), last.into());
    if draw.percent(70) {
        fields.insert("company".to_owned(), draw.pick(&COMPANIES).into());
    }
    if draw.percent(40) {
        fields.insert("phone".to_owned(), format!("+47 {:08}", draw.below(100_000_000)).into());
    }
    if draw.percent(60) {
        let seats = draw.below(50);
        fields
            .insert("seats".to_owned(), if config.mixed_types { mixed(index, seats) } else { seats.into() });
    }
    if draw.percent(30) {
        fields.insert("newsletter".to_owned(), draw.percent(50).into());
    }
    if config.late_field_from.is_some_and(|from| index >= from) {
        fields.insert("referral-code".to_owned(), draw.token(8).into());
    }
    Value::Object(fields)
}

fn mixed(index: usize, seats: u64) -> Value {
    match index % 7 {
        3 => format!("{seats} seats").into(),
        4 => (seats > 25).into(),
        5 => (seats as f64 + 0.5).into(),
        _ => seats.into(),
    }
}

fn meta_data(draw: &mut Draw) -> Value {
    if draw.percent(40) {
        return json!({});
    }
    json!({ "source": draw.pick(&["import", "signup", "api"]), "score": draw.below(1000) })
}

fn permissions(draw: &mut Draw) -> Value {
    let first = draw.below(PERMISSIONS.len() as u64) as usize;
    let count = draw.below(4) as usize;
    PERMISSIONS.iter().cycle().skip(first).take(count).copied().collect()
}

fn plan_connections(draw: &mut Draw, created: i64) -> Value {
    let first = draw.below(PLANS.len() as u64) as usize;
    let count = [0, 0, 0, 0, 1, 1, 1, 1, 1, 2][draw.below(10) as usize];
    (0..count).map(|nth| plan_connection(draw, PLANS[(first + nth) % PLANS.len()], created)).collect()
}

/// A member's link to a plan; plans without a price have no payment.
pub(super) fn plan_connection(draw: &mut Draw, plan: (&str, &str, &str), created: i64) -> Value {
    let (plan_id, plan_name, plan_type) = plan;
    let active = plan_type == "FREE" || draw.percent(75);
    let ended = draw.pick(&["CANCELED", "REQUIRES_PAYMENT", "PAST_DUE"]);
    json!({
        "id": format!("con_{}", draw.token(16)),
        "active": active,
        "status": if active { "ACTIVE" } else { ended },
        "planId": plan_id,
        "planName": plan_name,
        "type": plan_type,
        "payment": if plan_type == "FREE" { Value::Null } else { payment(draw, plan_type, created) },
    })
}

fn payment(draw: &mut Draw, plan_type: &str, created: i64) -> Value {
    let billed = created / 1000 + draw.below(20_000_000) as i64;
    let next = if plan_type == "SUBSCRIPTION" { json!(billed + 2_592_000) } else { Value::Null };
    let amount = if draw.percent(20) { json!(29.5) } else { json!(29) };
    json!({
        "amount": amount,
        "currency": draw.pick(&["usd", "eur", "nok"]),
        "status": draw.pick(&["PAID", "PAID", "FAILED"]),
        "lastBillingDate": billed,
        "nextBillingDate": next,
        "cancelAtDate": null,
        "lastInvoice": null,
        "lastReceipt": null,
        "card": format!("card_{}", draw.token(10)),
    })
}
