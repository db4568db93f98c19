//! Whose turn it is: the highest priority first, and within it who asked first.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Priority and number, in the order of turns.
type Place = (Reverse<i32>, u64);

/// Those who wait.
#[derive(Default)]
pub(super) struct Queue(Mutex<Line>);

#[derive(Default)]
struct Line {
    waiting: BTreeMap<Place, Waiting>,
    last: u64,
}

/// One who waits.
struct Waiting {
    changed: Arc<Notify>,
    /// The buckets it needs room in.
    needs: Vec<usize>,
    /// The one of them that has no room for it.
    held_by: Option<usize>,
}

/// A place in the queue, given up when this is dropped.
pub(super) struct Ticket<'a> {
    queue: &'a Queue,
    place: Place,
    changed: Arc<Notify>,
}

impl Queue {
    /// Joins the queue, for a turn in these buckets.
    pub(super) fn enter(&self, priority: i32, needs: Vec<usize>) -> Ticket<'_> {
        let mut line = self.line();
        line.last += 1;
        let place = (Reverse(priority), line.last);
        let changed = Arc::new(Notify::new());
        line.waiting.insert(place, Waiting { changed: Arc::clone(&changed), needs, held_by: None });
        line.tell_those_after(place);
        Ticket { queue: self, place, changed }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Line {
    /// Wakes those who come later: whether it is their turn may be another matter now.
    fn tell_those_after(&self, place: Place) {
        let later = self.waiting.range((Bound::Excluded(place), Bound::Unbounded));
        later.for_each(|(_, waiting)| waiting.changed.notify_one());
    }
}

impl Ticket<'_> {
    /// Whether nobody before it waits for what it needs, too: one who waits for a bucket of its own holds up nobody
    /// else.
    pub(super) fn may_go(&self) -> bool {
        let line = self.queue.line();
        let Some(own) = line.waiting.get(&self.place) else { return true };
        let mut earlier = line.waiting.range(..self.place).map(|(_, waiting)| waiting.held_by);
        earlier.all(|held_by| held_by.is_some_and(|bucket| !own.needs.contains(&bucket)))
    }

    /// Notes what it waits for; `None`: its turn, or for something that holds everybody.
    pub(super) fn is_held_by(&self, bucket: Option<usize>) {
        let mut line = self.queue.line();
        let Some(own) = line.waiting.get_mut(&self.place) else { return };
        if std::mem::replace(&mut own.held_by, bucket) != bucket {
            line.tell_those_after(self.place);
        }
    }

    /// Waits until it may be its turn, or no longer.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        line.waiting.remove(&self.place);
        line.tell_those_after(self.place);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_highest_priority_is_first_and_within_it_who_came_first() {
        let queue = Queue::default();
        let low = queue.enter(0, vec![0]);
        assert!(low.may_go());
        let (high, higher, same) =
            (queue.enter(5, vec![0]), queue.enter(10, vec![0]), queue.enter(5, vec![0]));
        // Told, although it was first.
        low.changed().await;
        assert!(higher.may_go());
        drop(higher);
        high.changed().await;
        assert!(high.may_go() && !same.may_go());
        drop(high);
        assert!(same.may_go());
        drop(same);
        assert!(low.may_go());
    }

    #[test]
    fn who_waits_for_a_bucket_of_its_own_holds_up_nobody_else() {
        let queue = Queue::default();
        let slow = queue.enter(0, vec![0, 1]);
        let (other, same) = (queue.enter(0, vec![0]), queue.enter(0, vec![0, 1]));
        assert!(slow.may_go() && !other.may_go() && !same.may_go());
        slow.is_held_by(Some(1));
        assert!(other.may_go() && !same.may_go());
        // What they share holds both.
        slow.is_held_by(Some(0));
        assert!(!other.may_go());
        // A pause holds all.
        slow.is_held_by(None);
        assert!(!other.may_go());
        drop(slow);
        assert!(other.may_go() && !same.may_go());
    }
}
