//! Whose visible message is next.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use foldhash::HashMap;

/// The messages of one group.
#[derive(Default)]
struct Group {
    /// Visible ones, the one that has been so for longest first.
    waiting: VecDeque<u64>,
    /// How many are handed out.
    under_way: usize,
    /// When it was served last, counted in messages handed out.
    served: u64,
}

/// The groups that have messages which are visible or handed out.
#[derive(Default)]
pub(super) struct Groups {
    groups: HashMap<Arc<str>, Group>,
    /// Those with visible messages: by how many they have under way, then by when they were served last.
    order: BTreeSet<(usize, u64, Arc<str>)>,
    served: u64,
}

impl Groups {
    /// Whether a message is visible of a group that may have one.
    pub(super) fn has_any(&self, may: impl Fn(&str) -> bool) -> bool {
        self.order.iter().any(|(_, _, name)| may(name))
    }

    /// A message became visible.
    pub(super) fn add(&mut self, name: &Arc<str>, id: u64) {
        self.change(name, |group| group.waiting.push_back(id));
    }

    /// A visible message is gone.
    pub(super) fn withdraw(&mut self, name: &Arc<str>, id: u64) {
        self.change(name, |group| group.waiting.retain(|waiting| *waiting != id));
    }

    /// Takes out the message that is next, among those of groups that may have one. It counts as handed out.
    pub(super) fn next(&mut self, may: impl Fn(&str) -> bool) -> Option<(Arc<str>, u64)> {
        let (_, _, name) = self.order.iter().find(|(_, _, name)| may(name))?.clone();
        self.served += 1;
        let served = self.served;
        let mut next = None;
        self.change(&name, |group| {
            next = group.waiting.pop_front();
            group.under_way += 1;
            group.served = served;
        });
        next.map(|id| (name, id))
    }

    /// A message that was handed out is done with, or comes again.
    pub(super) fn returned(&mut self, name: &Arc<str>) {
        self.change(name, |group| group.under_way = group.under_way.saturating_sub(1));
    }

    fn change(&mut self, name: &Arc<str>, change: impl FnOnce(&mut Group)) {
        let group = self.groups.entry(Arc::clone(name)).or_default();
        if !group.waiting.is_empty() {
            self.order.remove(&(group.under_way, group.served, Arc::clone(name)));
        }
        change(group);
        if !group.waiting.is_empty() {
            self.order.insert((group.under_way, group.served, Arc::clone(name)));
        } else if group.under_way == 0 {
            self.groups.remove(name);
        }
    }
}
