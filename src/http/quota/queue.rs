//! Whose turn it is: the highest priority first, and within it who asked first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Priority and number, in the order of turns.
type Place = (Reverse<i32>, u64);

/// Those who wait.
#[derive(Default)]
pub(super) struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    line: BTreeMap<Place, Arc<Notify>>,
    last: u64,
}

/// A place in the queue, given up when this is dropped.
pub(super) struct Ticket<'a> {
    queue: &'a Queue,
    place: Place,
    changed: Arc<Notify>,
}

impl Queue {
    /// Joins the queue. Who was first and no longer is, is told.
    pub(super) fn enter(&self, priority: i32) -> Ticket<'_> {
        let mut waiting = self.waiting();
        waiting.last += 1;
        let place = (Reverse(priority), waiting.last);
        if let Some((first, changed)) = waiting.line.first_key_value()
            && place < *first
        {
            changed.notify_one();
        }
        let changed = Arc::new(Notify::new());
        waiting.line.insert(place, Arc::clone(&changed));
        Ticket { queue: self, place, changed }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket<'_> {
    pub(super) fn is_first(&self) -> bool {
        self.queue.waiting().line.first_key_value().is_some_and(|(first, _)| *first == self.place)
    }

    /// Waits until there may be another first one.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut waiting = self.queue.waiting();
        waiting.line.remove(&self.place);
        if let Some((_, changed)) = waiting.line.first_key_value() {
            changed.notify_one();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_highest_priority_is_first_and_within_it_who_came_first() {
        let queue = Queue::default();
        let low = queue.enter(0);
        assert!(low.is_first());
        let (high, higher, same) = (queue.enter(5), queue.enter(10), queue.enter(5));
        // Told, although it was first.
        low.changed().await;
        assert!(higher.is_first());
        drop(higher);
        high.changed().await;
        assert!(high.is_first() && !same.is_first());
        drop(high);
        assert!(same.is_first());
        drop(same);
        assert!(low.is_first());
    }
}
