//! Cursors that go round in a longer circle than one page.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::PageCursor;

/// Hashes of the tokens and addresses of one pagination, 8 bytes each: enough to notice that an API leads in a circle.
///
/// A run that goes on with a cut pagination feeds it the tokens of the pages it has.
#[derive(Debug, Default, Clone)]
pub struct CursorsSeen(HashSet<u64, FixedState>);

impl CursorsSeen {
    /// Notes a cursor. Only tokens and addresses can repeat: numbers only grow.
    pub fn insert(&mut self, cursor: &PageCursor) {
        self.0.extend(hash(cursor));
    }

    /// Whether a cursor was noted.
    pub fn contains(&self, cursor: &PageCursor) -> bool {
        hash(cursor).is_some_and(|hash| self.0.contains(&hash))
    }
}

fn hash(cursor: &PageCursor) -> Option<u64> {
    match cursor {
        PageCursor::Token(token) => Some(FixedState::default().hash_one(token.to_string())),
        PageCursor::Url(url) => Some(FixedState::default().hash_one(url)),
        PageCursor::Start | PageCursor::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_circle_is_noticed() {
        let mut seen = CursorsSeen::default();
        let url = PageCursor::Url("https://a.test/?page=2".to_owned());
        for cursor in [PageCursor::Token(json!("a")), PageCursor::Token(json!("1")), url] {
            assert!(!seen.contains(&cursor));
            seen.insert(&cursor);
            assert!(seen.contains(&cursor));
        }
        assert!(!seen.contains(&PageCursor::Token(json!(1))), "a number is not its text");
        for unrepeatable in [PageCursor::Start, PageCursor::Number(2)] {
            seen.insert(&unrepeatable);
            assert!(!seen.contains(&unrepeatable));
        }
    }
}
