//! The messages that the server has sent and that are not acknowledged.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use sockeye_source::{Id, Message, Room};

/// The names of acknowledged messages that are remembered: the server may send a message again whose acknowledgement it has
/// not got.
const ACKNOWLEDGED_MAX: usize = 16_384;

/// The messages of a session by their tags, which are in the order of the queue.
#[derive(Debug, Default)]
pub(super) struct Held {
    messages: BTreeMap<u64, Message>,
    /// The tags of each name: a publisher may have used it twice.
    tags: HashMap<Id, Vec<u64>>,
    /// The first tag that was not given to the owner.
    next: u64,
    acknowledged: Acknowledged,
}

/// The newest names that were acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    order: VecDeque<Id>,
    names: HashSet<Id>,
}

impl Held {
    /// Adds a message that has come. False if it was acknowledged before, and has to be acknowledged again.
    pub(super) fn push(&mut self, tag: u64, comes_again: bool, message: Message) -> bool {
        if comes_again && self.acknowledged.names.contains(&message.id) {
            return false;
        }
        self.tags.entry(message.id.clone()).or_default().push(tag);
        self.messages.insert(tag, message);
        true
    }

    /// Gives the next messages, as many as there is room for.
    pub(super) fn give(&mut self, mut room: Room, into: &mut Vec<Message>) {
        for (&tag, message) in self.messages.range(self.next..) {
            if room.is_none() {
                break;
            }
            room.entries -= 1;
            room.bytes = room.bytes.saturating_sub(message.cost());
            into.push(message.clone());
            self.next = tag + 1;
        }
    }

    /// Begins with the oldest message again.
    pub(super) fn give_again(&mut self) {
        self.next = 0;
    }

    /// Forgets messages. Their tags, which are to be acknowledged.
    pub(super) fn acknowledge(&mut self, ids: &[Id]) -> Vec<u64> {
        let mut acknowledged = Vec::new();
        for id in ids {
            for tag in self.tags.remove(id).unwrap_or_default() {
                self.messages.remove(&tag);
                acknowledged.push(tag);
            }
            self.acknowledged.note(id);
        }
        acknowledged
    }

    /// The session is over: the server sends all of them again, with other tags.
    pub(super) fn end_session(&mut self) {
        self.messages.clear();
        self.tags.clear();
        self.next = 0;
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }
}

impl Acknowledged {
    fn note(&mut self, id: &Id) {
        if !self.names.insert(id.clone()) {
            return;
        }
        self.order.push_back(id.clone());
        if self.order.len() > ACKNOWLEDGED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.names.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        Message { id: id.into(), body: vec![0; 100], ..Message::default() }
    }

    fn given(held: &mut Held, entries: usize, bytes: usize) -> Vec<Id> {
        let mut into = Vec::new();
        held.give(Room { entries, bytes }, &mut into);
        into.into_iter().map(|message| message.id).collect()
    }

    fn holding(ids: &[&str]) -> Held {
        let mut held = Held::default();
        for (tag, id) in (1..).zip(ids) {
            assert!(held.push(tag, false, message(id)));
        }
        held
    }

    #[test]
    fn messages_are_given_in_order_as_far_as_there_is_room() {
        let mut held = holding(&["a", "b", "c", "d"]);
        assert_eq!(given(&mut held, 1, 10_000), ["a".into()]);
        assert_eq!(given(&mut held, 9, 1), ["b".into()], "one may exceed the bytes");
        assert_eq!(given(&mut held, 0, 9), []);
        assert_eq!(given(&mut held, 9, 10_000), ["c".into(), "d".into()]);
        assert_eq!(held.acknowledge(&["b".into()]), [2]);
        held.give_again();
        assert_eq!(given(&mut held, 9, 10_000), ["a".into(), "c".into(), "d".into()]);
        assert_eq!(held.len(), 3);
    }

    #[test]
    fn all_messages_of_a_name_are_acknowledged_together() {
        let mut held = holding(&["a", "b", "a"]);
        assert_eq!(held.acknowledge(&["a".into(), "unknown".into()]), [1, 3]);
        assert_eq!(held.len(), 1);
    }

    #[test]
    fn an_acknowledged_message_that_comes_again_is_not_given() {
        let mut held = holding(&["a", "b"]);
        held.acknowledge(&["a".into()]);
        held.end_session();
        assert!(!held.push(1, true, message("a")), "its acknowledgement was lost");
        assert!(held.push(2, true, message("b")));
        assert!(held.push(3, false, message("a")), "somebody has published it anew");
        assert_eq!(given(&mut held, 9, 10_000), ["b".into(), "a".into()]);
    }

    #[test]
    fn old_names_are_forgotten() {
        let mut held = Held::default();
        for number in 0..=ACKNOWLEDGED_MAX {
            held.acknowledge(&[number.to_string().into()]);
        }
        assert!(held.push(1, true, message("0")));
        assert!(!held.push(2, true, message("1")));
        assert_eq!(held.acknowledged.names.len(), ACKNOWLEDGED_MAX);
    }
}
