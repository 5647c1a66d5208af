//! The patterns that are subscribed, and which of them match a name.

use std::collections::HashMap;
use std::rc::Rc;

use crate::members::Members;

/// Subscribed patterns. All subscribers of one share a record.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    records: Vec<Option<Record>>,
    free: Vec<u32>,
    by_text: HashMap<Rc<str>, u32>,
    tree: Node,
    /// Changes with the set of patterns: what a channel has looked up is good for one version.
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

    pub(crate) fn version(&self) -> u64 {
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

    pub(crate) fn members_mut(&mut self, index: u32) -> &mut Members {
        let record = self.records[index as usize].as_mut();
        &mut record.expect("subscriptions hold indices of records").members
    }

    /// The record of the pattern, made if there is none.
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
        self.tree.insert(text.split(':'), index);
        self.by_text.insert(text, index);
        self.version += 1;
        index
    }

    /// Forgets the pattern if nobody is subscribed to it.
    pub(crate) fn settle(&mut self, index: u32) {
        if !self.members(index).is_empty() {
            return;
        }
        let record = self.records[index as usize].take();
        let text = record.expect("subscriptions hold indices of records").text;
        self.free.push(index);
        self.by_text.remove(&text);
        self.tree.remove(text.split(':'));
        self.version += 1;
    }

    /// Appends the patterns that match a name. It costs the segments of the name if no two
    /// patterns that match its beginning differ in where they have wildcards, and never more than
    /// the nodes of all patterns.
    pub(crate) fn matching(&self, name: &str, out: &mut Vec<u32>) {
        // [hub:reserved-names]
        if !self.by_text.is_empty() && !name.starts_with('$') {
            self.tree.matching(name, out);
        }
    }

    fn record(&self, index: u32) -> &Record {
        let record = self.records[index as usize].as_ref();
        record.expect("subscriptions hold indices of records")
    }
}

/// What patterns may go on with after the same segments. A path is at most 100 nodes long, since
/// a name has at most 200 bytes.
#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Self>,
    /// After a `*`.
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

    /// `name` is what is left of it, never empty.
    fn matching(&self, name: &str, out: &mut Vec<u32>) {
        out.extend(self.rest);
        let (segment, left) = match name.split_once(':') {
            Some((segment, left)) => (segment, Some(left)),
            None => (name, None),
        };
        for node in self.literals.get(segment).into_iter().chain(self.any.as_deref()) {
            match left {
                Some(left) => node.matching(left, out),
                None => out.extend(node.here),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::matches;

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
                assert!(patterns.tree.is_empty() && patterns.len() == 0);
            }
        }
    }
}
