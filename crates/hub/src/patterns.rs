//! The subscribed patterns, and a tree that finds those that match a name.

use std::collections::HashMap;
use std::rc::Rc;

use crate::members::{Member, Members};

/// All subscribed patterns. The subscribers of a pattern share its record.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    records: Vec<Option<Record>>,
    free: Vec<u32>,
    by_text: HashMap<Rc<str>, u32>,
    tree: Tree,
    /// Changes with the set of patterns. A channel's cached matches are valid for one version.
    version: u64,
}

#[derive(Debug)]
struct Record {
    text: Rc<str>,
    members: Members,
}

impl Patterns {
    pub(crate) fn len(&self) -> usize {
        self.by_text.len()
    }

    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.by_text.get(text).copied()
    }

    pub(crate) fn text(&self, index: u32) -> &Rc<str> {
        &self.record(index).text
    }

    pub(crate) fn members(&self, index: u32) -> &Members {
        &self.record(index).members
    }

    /// The same of a pattern that may be gone.
    pub(crate) fn find_members(&self, index: u32) -> &[Member] {
        let record = self.records.get(index as usize).and_then(Option::as_ref);
        record.map_or(&[], |record| record.members.as_slice())
    }

    pub(crate) fn members_mut(&mut self, index: u32) -> &mut Members {
        let record = self.records[index as usize].as_mut();
        &mut record.expect("subscriptions hold indices of records").members
    }

    /// The index of a pattern's record, created if there is none.
    pub(crate) fn find_or_add(&mut self, text: &str) -> u32 {
        if let Some(index) = self.find(text) {
            return index;
        }
        let text: Rc<str> = text.into();
        let record = Some(Record { text: Rc::clone(&text), members: Members::default() });
        let index = match self.free.pop() {
            Some(index) => {
                self.records[index as usize] = record;
                index
            }
            None => {
                self.records.push(record);
                u32::try_from(self.records.len() - 1).expect("patterns are bounded")
            }
        };
        self.tree.insert(&text, index);
        self.by_text.insert(text, index);
        self.version += 1;
        index
    }

    /// Removes a pattern that has no subscribers.
    pub(crate) fn settle(&mut self, index: u32) {
        if !self.members(index).is_empty() {
            return;
        }
        let record = self.records[index as usize].take();
        let text = record.expect("subscriptions hold indices of records").text;
        self.free.push(index);
        self.by_text.remove(&text);
        self.tree.remove(&text);
        self.version += 1;
    }

    /// Appends the patterns that match a name.
    pub(crate) fn matching(&self, name: &str, out: &mut Vec<u32>) {
        self.tree.matching(name, out);
    }

    fn record(&self, index: u32) -> &Record {
        let record = self.records[index as usize].as_ref();
        record.expect("subscriptions hold indices of records")
    }
}

/// Numbered patterns, in a tree of their segments.
#[derive(Debug, Default)]
pub(crate) struct Tree(Node);

impl Tree {
    pub(crate) fn insert(&mut self, text: &str, index: u32) {
        self.0.insert(text.split(':'), index);
    }

    fn remove(&mut self, text: &str) {
        self.0.remove(text.split(':'));
    }

    /// Appends the numbers of the patterns that match a name, and returns how many nodes it visited
    /// below the root. A path replaces at most three segments of the name by `*`, so a name of 16
    /// segments visits at most 3,212 nodes, whatever the patterns are.
    pub(crate) fn matching(&self, name: &str, out: &mut Vec<u32>) -> usize {
        // [hub:reserved-names]
        if name.starts_with('$') { 0 } else { self.0.matching(name, out) }
    }
}

/// A node of the tree: the continuations of patterns that begin with the same segments.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Self>,
    /// The patterns that continue with a `*`.
    any: Option<Box<Self>>,
    /// The pattern that ends here.
    here: Option<u32>,
    /// The pattern that ends in a `>` here.
    rest: Option<u32>,
}

impl Node {
    fn insert<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>, index: u32) {
        let mut node = self;
        loop {
            node = match segments.next() {
                None => {
                    node.here = Some(index);
                    return;
                }
                Some(">") => {
                    node.rest = Some(index);
                    return;
                }
                Some("*") => node.any.get_or_insert_default(),
                Some(segment) => node.literals.entry(segment.into()).or_default(),
            };
        }
    }

    fn remove<'a>(&mut self, mut segments: impl Iterator<Item = &'a str>) {
        match segments.next() {
            None => self.here = None,
            Some(">") => self.rest = None,
            Some("*") => {
                if let Some(node) = &mut self.any {
                    node.remove(segments);
                }
                self.any.take_if(|node| node.is_empty());
            }
            Some(segment) => {
                if let Some(node) = self.literals.get_mut(segment) {
                    node.remove(segments);
                    if node.is_empty() {
                        self.literals.remove(segment);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.literals.is_empty() && self.any.is_none() && self.here.is_none() && self.rest.is_none()
    }

    /// Matches the rest of a name, which is never empty. Returns the number of nodes visited below
    /// this one.
    fn matching(&self, name: &str, out: &mut Vec<u32>) -> usize {
        out.extend(self.rest);
        let (segment, left) = match name.split_once(':') {
            Some((segment, left)) => (segment, Some(left)),
            None => (name, None),
        };
        let mut looked_at = 0;
        for node in self.literals.get(segment).into_iter().chain(self.any.as_deref()) {
            looked_at += 1;
            match left {
                Some(left) => looked_at += node.matching(left, out),
                None => out.extend(node.here),
            }
        }
        looked_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pattern;
    use crate::name::{PATTERN_SEGMENTS_MAX, matches};

    /// [hub:reserved-names]
    #[test]
    fn the_tree_agrees_with_matching_one_by_one() {
        let texts = [">", "*", "a:*", "a:>", "*:b", "*:*", "a:*:c", "a:b:>", "*:b:*", "b:*:>"];
        let names = ["a", "b", "a:b", "a:c", "b:b", "a:b:c", "b:b:b", "b:a:c:d", "$a", "$a:b"];
        for chosen in 0_u32..1 << texts.len() {
            let mut patterns = Patterns::default();
            for text in texts {
                patterns.find_or_add(text);
            }
            let keep = |bit: usize| chosen >> bit & 1 == 1;
            for (bit, text) in texts.iter().enumerate() {
                let index = patterns.find(text).expect("added");
                assert_eq!(&**patterns.text(index), *text);
                if !keep(bit) {
                    patterns.settle(index);
                }
            }
            for name in names {
                let mut found = Vec::new();
                patterns.matching(name, &mut found);
                let mut found: Vec<&str> = found.iter().map(|it| &**patterns.text(*it)).collect();
                let all = texts.iter().enumerate().filter(|(bit, _)| keep(*bit));
                let mut wanted: Vec<&str> =
                    all.map(|(_, text)| *text).filter(|text| matches(text, name)).collect();
                found.sort_unstable();
                wanted.sort_unstable();
                assert_eq!(found, wanted, "{name}");
            }
            if chosen == 0 {
                assert!(patterns.tree.0.is_empty() && patterns.len() == 0);
            }
        }
    }

    /// [hub:pattern-shape] All ways to put the most `*` that there may be into the most segments.
    #[test]
    fn no_set_of_patterns_makes_a_name_visit_more_than_3212_nodes() {
        let segments = PATTERN_SEGMENTS_MAX;
        let name = vec!["a"; segments + 4].join(":");
        let mut tree = Tree::default();
        let mut count = 0;
        for stars in 0_u32..1 << segments {
            let is_star = |at: usize| stars >> at & 1 == 1;
            let text: Vec<_> =
                (0..segments).map(|at| if is_star(at) { "*" } else { "a" }).collect();
            for text in [text.join(":"), format!("{}:>", text.join(":"))] {
                if Pattern::new(&text).is_ok() {
                    count += 1;
                    tree.insert(&text, count);
                }
            }
        }
        assert_eq!(count, 2 * (560 + 120 + 16) + 1, "each that is a pattern");
        let mut found = Vec::new();
        assert_eq!(tree.matching(&name, &mut found), 3_212);
        assert_eq!(found.len(), 560 + 120 + 16 + 1, "those that end in >");
    }
}
