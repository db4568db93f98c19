//! Raw → plan: credentials.

use super::client::{check_header_name, check_header_value};
use super::problem::{Report, at_key};
use super::raw::{RawAuth, RawLocation};
use super::{Auth, KeyLocation, Secret};

/// Credentials at `path`. Their values are never quoted.
pub(super) fn auth(raw: RawAuth, path: &str, report: &mut Report) -> Auth {
    let mut check = |key: &str, value: &str, header: bool| {
        let place = at_key(path, key);
        if value.is_empty() {
            report.add(&place, "is empty", None);
        } else if header {
            check_header_value(value, &place, report);
        }
    };
    match raw {
        RawAuth::Bearer { token } => {
            check("token", &token, true);
            Auth::Bearer { token: Secret::new(token) }
        }
        RawAuth::ApiKey { name, api_key, location } => {
            let location = match location {
                None | Some(RawLocation::Header) => KeyLocation::Header,
                Some(RawLocation::Query | RawLocation::Param) => KeyLocation::Query,
            };
            let name = name.unwrap_or_else(|| "Authorization".to_owned());
            check("api_key", &api_key, location == KeyLocation::Header);
            check("name", &name, false);
            if location == KeyLocation::Header {
                check_header_name(&name, &at_key(path, "name"), report);
            }
            Auth::ApiKey { name, api_key: Secret::new(api_key), location }
        }
    }
}
