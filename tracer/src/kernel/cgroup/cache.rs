//! A table with a bound: the oldest entry makes room.

use std::collections::{HashMap, VecDeque, hash_map::Entry};

/// Values by id, the oldest out first.
#[derive(Debug)]
pub(super) struct Cache<V> {
    values: HashMap<u64, V>,
    /// The ids, in the order in which they came.
    order: VecDeque<u64>,
    bound: usize,
}

impl<V> Cache<V> {
    /// An empty table for at most `bound` values.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
            bound,
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<&V> {
        self.values.get(&id)
    }

    /// Puts a value in, for the one that is there already if there is one.
    pub(super) fn insert(&mut self, id: u64, value: V) {
        match self.values.entry(id) {
            Entry::Occupied(mut held) => {
                held.insert(value);
            }
            Entry::Vacant(place) => {
                place.insert(value);
                self.order.push_back(id);
            }
        }
        if self.order.len() > self.bound
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room() {
        let mut cache = Cache::new(2);
        cache.insert(1, "a");
        cache.insert(2, "b");
        cache.insert(1, "c");
        assert_eq!((cache.get(1), cache.get(2)), (Some(&"c"), Some(&"b")));
        cache.insert(3, "d");
        assert_eq!(
            (cache.get(1), cache.get(2), cache.get(3)),
            (None, Some(&"b"), Some(&"d"))
        );
        assert_eq!((cache.values.len(), cache.order.len()), (2, 2));
    }
}
