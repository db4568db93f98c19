//! Ids of load packages: dlt's `str(time.time())`.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Unix seconds with up to six decimals, as text: `1795315797.071843`. dlt finds the newest state by comparing
/// these as text, so ours have the same form and grow strictly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoadId(String);

impl LoadId {
    /// The id for a package made now, after `last`.
    pub fn new(last: Option<&LoadId>) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros();
        let after = last.and_then(Self::micros).map_or(0, |micros| micros + 1);
        Self::from_micros(now.max(after))
    }

    fn from_micros(micros: u128) -> Self {
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let trimmed = text.trim_end_matches('0');
        // Python writes whole seconds as `1795315797.0`.
        Self(if trimmed.ends_with('.') { format!("{trimmed}0") } else { trimmed.to_owned() })
    }

    /// When the package was made, in Unix microseconds. `None` if the text is none of dlt's ids.
    pub(crate) fn micros(&self) -> Option<u128> {
        let (seconds, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        let seconds: u128 = seconds.parse().ok()?;
        let digits: String = fraction.chars().chain(std::iter::repeat('0')).take(6).collect();
        // A seventh decimal of dlt's is dropped; one more microsecond keeps the order.
        let beyond = u128::from(fraction.len() > 6);
        Some(seconds * 1_000_000 + digits.parse::<u128>().ok()? + beyond)
    }

    /// An id read from a database or a package.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LoadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_past_a_clock_that_went_back() {
        let future = LoadId::from_stored("1999999999.9999999");
        let next = LoadId::new(Some(&future));
        assert_eq!(next.as_str(), "2000000000.000001");
        assert!(LoadId::new(None) <= LoadId::new(Some(&LoadId::new(None))));
    }

    #[test]
    fn ids_look_like_pythons() {
        assert_eq!(LoadId::from_micros(1_795_315_797_071_840).as_str(), "1795315797.07184");
        assert_eq!(LoadId::from_micros(1_795_315_797_000_000).as_str(), "1795315797.0");
    }
}
