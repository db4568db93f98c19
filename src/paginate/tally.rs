//! How many rows the pages of a pagination had.

/// How many rows the pages of a pagination had. Small, and made anew from a package's journal when a cut run goes on.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Rows in all.
    pub rows: u64,
    /// Pages without rows since the last one that had any.
    pub empty_run: u64,
    /// Rows of the last page that had any.
    last: Option<u64>,
    /// The fewest rows of a page before that one.
    smallest: Option<u64>,
}

impl Tally {
    /// Counts a page.
    pub fn add(&mut self, row_count: u64) {
        self.rows = self.rows.saturating_add(row_count);
        if row_count == 0 {
            self.empty_run += 1;
            return;
        }
        let passed = if self.empty_run > 0 { Some(0) } else { self.last };
        self.smallest = self.smallest.into_iter().chain(passed).min();
        self.empty_run = 0;
        self.last = Some(row_count);
    }

    /// The fewest rows of a page that others with rows followed.
    pub fn smallest_before_last(&self) -> Option<u64> {
        self.smallest
    }

    /// The rows of the only page that had any.
    pub fn only(&self) -> Option<u64> {
        if self.smallest.is_none() { self.last } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_page_with_rows_may_be_short() {
        let smallest = |pages: &[u64]| {
            let mut tally = Tally::default();
            pages.iter().for_each(|rows| tally.add(*rows));
            tally.smallest_before_last()
        };
        assert_eq!(smallest(&[]), None);
        assert_eq!(smallest(&[2]), None);
        assert_eq!(smallest(&[2, 0, 0]), None);
        assert_eq!(smallest(&[3, 3, 1]), Some(3));
        assert_eq!(smallest(&[3, 2, 3, 1, 0]), Some(2));
        assert_eq!(smallest(&[3, 0, 3]), Some(0));
        assert_eq!(smallest(&[0, 3]), Some(0));
    }
}
