//! Values by keys, in the order of memory: going through all of them is quick, and so is finding one whose place is
//! remembered.

use std::{borrow::Borrow, collections::HashMap, hash::Hash};

/// Keys with their values. One that is taken out leaves its place to the last.
pub struct Indexed<K, V> {
    entries: Vec<(K, V)>,
    /// Where each is among them.
    index: HashMap<K, usize>,
}

impl<K, V> Default for Indexed<K, V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: HashMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, V> Indexed<K, V> {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// All, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &(K, V)> {
        self.entries.iter()
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// All, given up.
    pub fn into_entries(self) -> Vec<(K, V)> {
        self.entries
    }

    /// The place of a key.
    pub fn place<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        self.index.get(key).copied()
    }

    /// The key at a place, where there is one.
    pub fn key_at(&self, place: usize) -> Option<&K> {
        self.entries.get(place).map(|(key, _)| key)
    }

    /// The value at a place. Panics where there is none.
    pub fn at_mut(&mut self, place: usize) -> &mut V {
        &mut self.entries[place].1
    }

    /// Adds a key that is not there, and gives back its place.
    pub fn push(&mut self, key: K, value: V) -> usize {
        let place = self.entries.len();
        self.index.insert(key.clone(), place);
        self.entries.push((key, value));
        place
    }

    /// Takes out those that `is_gone` says yes to.
    pub fn take_out(&mut self, mut is_gone: impl FnMut(&V) -> bool) -> Vec<V> {
        let entries = self.entries.iter().enumerate();
        let gone = entries.filter(|(_, (_, value))| is_gone(value));
        let gone: Vec<usize> = gone.map(|(place, _)| place).collect();
        // From the end: what is moved to the place of another is not among them.
        let mut taken = Vec::with_capacity(gone.len());
        for place in gone.into_iter().rev() {
            let (key, value) = self.entries.swap_remove(place);
            self.index.remove(&key);
            if let Some((moved, _)) = self.entries.get(place) {
                self.index.insert(moved.clone(), place);
            }
            taken.push(value);
        }
        taken
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.index.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_found_whatever_was_taken_out() {
        let mut all = Indexed::default();
        for number in 0..8 {
            assert_eq!(all.push(number.to_string(), number), number);
        }
        let mut taken = all.take_out(|number| number % 3 == 1);
        taken.sort_unstable();
        assert_eq!(taken, [1, 4, 7]);
        assert_eq!((all.count(), all.place("4")), (5, None));
        for number in [0, 2, 3, 5, 6] {
            let place = all.place(number.to_string().as_str()).expect("it is there");
            assert_eq!(all.key_at(place), Some(&number.to_string()));
            assert_eq!(*all.at_mut(place), number);
        }
        all.clear();
        assert_eq!(
            (all.count(), all.place("0"), all.key_at(0)),
            (0, None, None)
        );
    }
}
