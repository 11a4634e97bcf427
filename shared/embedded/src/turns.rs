//! Who is next where one thread does everybody's work.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Work that waits, by groups that take turns: whoever has much waiting does not make the others wait for it.
pub(crate) struct Turns<T> {
    /// Groups that have something, in the order of their turns.
    order: VecDeque<Arc<str>>,
    /// What they have, the oldest first.
    waiting: HashMap<Arc<str>, VecDeque<T>>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), waiting: HashMap::new() }
    }
}

impl<T> Turns<T> {
    /// Adds something behind what its group has.
    pub(crate) fn push(&mut self, work: T, group_of: impl FnOnce(&T) -> &str) {
        let group = group_of(&work);
        if let Some(waiting) = self.waiting.get_mut(group) {
            waiting.push_back(work);
            return;
        }
        let group: Arc<str> = group.into();
        self.order.push_back(Arc::clone(&group));
        self.waiting.insert(group, VecDeque::from([work]));
    }

    /// Takes the oldest of the group whose turn it is.
    pub(crate) fn next(&mut self) -> Option<T> {
        let group = self.order.pop_front()?;
        let waiting = self.waiting.get_mut(&group)?;
        let work = waiting.pop_front();
        if waiting.is_empty() {
            self.waiting.remove(&group);
        } else {
            self.order.push_back(group);
        }
        work
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_take_turns_and_each_keeps_its_order() {
        let mut turns = Turns::default();
        for work in ["a1", "a2", "a3", "b4", "a5", "b6", "c7"] {
            turns.push(work, |work| &work[..1]);
        }
        let mut taken: Vec<_> = std::iter::from_fn(|| turns.next()).take(3).collect();
        assert_eq!(taken, ["a1", "b4", "c7"]);
        turns.push("c8", |work| &work[..1]);
        taken = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(taken, ["a2", "b6", "c8", "a3", "a5"]);
        assert!(turns.is_empty() && turns.waiting.is_empty());
    }
}
