//! The deliveries of one session, in their order. Pure state.
//!
//! JetStream numbers the deliveries of a consumer, whoever gets them. A number that is not the next one says that somebody
//! else was sent a message. At the beginning of a session all messages that were sent before come again; the newest of
//! them is the place from which on messages are new.

use std::collections::{BTreeMap, HashMap, VecDeque};

use async_nats::{HeaderMap, Subject};
use sockeye_source::{Id, Message, Room};

/// What the subject says to which a delivery is acknowledged.
///
/// ```text
///  $JS.ACK.STREAM.CONSUMER.TIMES.SEQUENCE.NUMBER.TIME.PENDING             before any domain was said
///  $JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER.TIMES.SEQUENCE.NUMBER.TIME.PENDING…
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The message in the stream.
    pub(super) sequence: u64,
    /// The delivery of the consumer.
    pub(super) number: u64,
}

impl Place {
    /// Reads such a subject; `None` if it is none.
    pub(super) fn read(subject: &str) -> Option<Self> {
        let words: Vec<&str> = subject.strip_prefix("$JS.ACK.")?.split('.').collect();
        let at = match words.len() {
            7 => 3,
            9.. => 5,
            _ => return None,
        };
        Some(Self { sequence: words[at].parse().ok()?, number: words[at + 1].parse().ok()? })
    }
}

/// Why a session has to begin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Break {
    /// Somebody else was sent messages of the consumer.
    Shared,
    /// A message comes again that the session does not have: it was acknowledged, or was never seen. Both would be
    /// guesses, and what is pending says it.
    Unknown,
}

/// What the consumer has sent in a session.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    /// The number of the newest delivery.
    number: u64,
    /// The newest message in the stream that was sent.
    newest: u64,
    /// The messages that were sent before the session, until all have come.
    again: Option<BTreeMap<u64, Message>>,
    /// The messages that were not taken, in order.
    waiting: VecDeque<Message>,
    /// Their bytes.
    bytes: usize,
    /// Where each message that is not acknowledged is acknowledged.
    replies: HashMap<Id, Subject>,
}

impl Deliveries {
    /// A session that begins behind the delivery with this number.
    pub(super) fn new(number: u64) -> Self {
        Self { number, again: Some(BTreeMap::new()), ..Self::default() }
    }

    /// Takes a delivery.
    pub(super) fn note(
        &mut self,
        place: Place,
        reply: Subject,
        message: Message,
    ) -> Result<(), Break> {
        if place.number != self.number + 1 {
            return Err(Break::Shared);
        }
        self.number = place.number;
        if let Some(again) = &mut self.again {
            self.replies.insert(message.id.clone(), reply);
            again.insert(place.sequence, message);
        } else if place.sequence > self.newest {
            self.newest = place.sequence;
            self.replies.insert(message.id.clone(), reply);
            self.bytes += message.cost();
            self.waiting.push_back(message);
        } else {
            // The server has waited for too long. The session has the message.
            *self.replies.get_mut(&message.id).ok_or(Break::Unknown)? = reply;
        }
        Ok(())
    }

    /// All messages that were sent before have come. `newest` is the newest one that was ever sent.
    pub(super) fn begin(&mut self, newest: u64) {
        let again = self.again.take().unwrap_or_default();
        let last = again.last_key_value().map_or(0, |(sequence, _)| *sequence);
        self.newest = newest.max(last);
        self.bytes = again.values().map(Message::cost).sum();
        self.waiting = again.into_values().collect();
    }

    /// The number of the newest delivery.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// How much may be asked for, if there is so much room for messages.
    pub(super) fn room(&self, room: Room) -> Room {
        Room {
            entries: room.entries.saturating_sub(self.waiting.len()),
            bytes: room.bytes.saturating_sub(self.bytes),
        }
    }

    /// Whether no message waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives the next messages, as many as there is room for.
    pub(super) fn take(&mut self, room: Room, into: &mut Vec<Message>) {
        let (mut entries, mut bytes) = (0, 0);
        while entries < room.entries && bytes < room.bytes {
            let Some(message) = self.waiting.pop_front() else { return };
            let cost = message.cost();
            (entries, bytes) = (entries + 1, bytes + cost);
            self.bytes -= cost;
            into.push(message);
        }
    }

    /// Where messages are acknowledged. Those that are acknowledged already have no place.
    pub(super) fn acknowledge(&mut self, ids: &[Id]) -> Vec<Subject> {
        let replies: Vec<Subject> = ids.iter().filter_map(|id| self.replies.remove(id)).collect();
        // One that was sent before the session may have been given to the owner before.
        if self.waiting.iter().any(|message| ids.contains(&message.id)) {
            self.waiting.retain(|message| !ids.contains(&message.id));
            self.bytes = self.waiting.iter().map(Message::cost).sum();
        }
        replies
    }
}

/// The message of a delivery. The stream's life and the sequence tell it from all others.
pub(super) fn message(life: &str, sequence: u64, delivery: &async_nats::Message) -> Message {
    let mut fields: Vec<(Box<str>, Box<str>)> = Vec::new();
    let subject = delivery.subject.as_str();
    fields.push(("subject".into(), subject.into()));
    let words = subject.split('.').zip(1..);
    fields.extend(words.map(|(word, number)| (format!("subject.{number}").into(), word.into())));
    fields.extend(delivery.headers.iter().flat_map(HeaderMap::iter).filter_map(
        |(name, values)| {
            let name: &str = name.as_ref();
            Some((name.into(), values.first()?.as_str().into()))
        },
    ));
    Message {
        id: format!("{life}-{sequence}").into(),
        body: delivery.payload.to_vec(),
        fields,
        ..Message::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Room = Room { entries: 100, bytes: 1 << 20 };

    fn note(it: &mut Deliveries, number: u64, sequence: u64) -> Result<(), Break> {
        let message = Message { id: format!("s-{sequence}").into(), ..Message::default() };
        it.note(Place { sequence, number }, Subject::from(format!("a.{number}")), message)
    }

    fn ids(it: &mut Deliveries, room: Room) -> Vec<String> {
        let mut taken = Vec::new();
        it.take(room, &mut taken);
        taken.into_iter().map(|it| it.id.into_string()).collect()
    }

    #[test]
    fn subjects_of_acknowledgements_say_the_place() {
        let place = Place { sequence: 7, number: 9 };
        assert_eq!(Place::read("$JS.ACK.O.s.2.7.9.1795644189666638875.0"), Some(place));
        assert_eq!(Place::read("$JS.ACK.d.hash.O.s.2.7.9.17956.0"), Some(place));
        assert_eq!(Place::read("$JS.ACK.d.hash.O.s.2.7.9.17956.0.random"), Some(place));
        for text in ["", "_INBOX.x", "$JS.ACK.O.s.2.7.9.1", "$JS.ACK.O.s.2.x.9.1.0"] {
            assert_eq!(Place::read(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_sent_before_comes_first_and_in_order() {
        let mut it = Deliveries::new(10);
        for (number, sequence) in [(11, 5), (12, 2), (13, 9)] {
            assert_eq!(note(&mut it, number, sequence), Ok(()));
        }
        assert!(it.is_empty(), "there may be more");
        it.begin(9);
        assert_eq!(note(&mut it, 14, 12), Ok(()));
        assert_eq!(it.room(ALL).entries, 96);
        assert_eq!(ids(&mut it, Room { entries: 3, ..ALL }), ["s-2", "s-5", "s-9"]);
        assert_eq!(ids(&mut it, ALL), ["s-12"]);
        assert_eq!(it.room(ALL), ALL);
    }

    #[test]
    fn a_delivery_to_somebody_else_is_seen() {
        let mut it = Deliveries::new(10);
        assert_eq!(note(&mut it, 12, 1), Err(Break::Shared), "also before the session has begun");
        let mut it = Deliveries::new(10);
        it.begin(0);
        assert_eq!(note(&mut it, 11, 1), Ok(()));
        assert_eq!(note(&mut it, 13, 3), Err(Break::Shared));
    }

    #[test]
    fn what_comes_again_in_a_session_is_not_given_again() {
        let mut it = Deliveries::new(0);
        it.begin(0);
        for number in 1..=3 {
            assert_eq!(note(&mut it, number, number), Ok(()));
        }
        assert_eq!(ids(&mut it, ALL).len(), 3);
        assert_eq!(it.acknowledge(&["s-2".into(), "s-2".into()]), [Subject::from("a.2")]);
        assert_eq!(note(&mut it, 4, 1), Ok(()), "the server has waited for too long");
        assert!(ids(&mut it, ALL).is_empty());
        assert_eq!(it.acknowledge(&["s-1".into()]), [Subject::from("a.4")], "the newest place");
        assert_eq!(note(&mut it, 5, 2), Err(Break::Unknown), "was it acknowledged?");
    }

    #[test]
    fn what_was_published_before_the_session_is_acknowledged_and_not_given() {
        let mut it = Deliveries::new(0);
        assert_eq!((note(&mut it, 1, 1), note(&mut it, 2, 2)), (Ok(()), Ok(())));
        it.begin(2);
        assert_eq!(it.acknowledge(&["s-1".into()]).len(), 1);
        assert_eq!(ids(&mut it, ALL), ["s-2"]);
        assert_eq!(it.acknowledge(&["s-9".into()]).len(), 0, "it is acknowledged already");
    }

    #[test]
    fn one_large_message_is_the_last_of_its_room() {
        let mut it = Deliveries::new(0);
        it.begin(0);
        for number in 1..=3 {
            assert_eq!(note(&mut it, number, number), Ok(()));
        }
        assert_eq!(ids(&mut it, Room { entries: 9, bytes: 1 }), ["s-1"]);
        assert_eq!(ids(&mut it, Room::NONE).len(), 0);
    }

    #[test]
    fn subjects_and_headers_are_fields() {
        let mut headers = HeaderMap::new();
        headers.insert("customer", "c7");
        headers.append("customer", "c8");
        headers.insert("subject", "no");
        let delivery = async_nats::Message {
            subject: "orders.7.paid".into(),
            reply: None,
            payload: "x".into(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        };
        let message = message("life", 3, &delivery);
        let field = |name: &str| message.field(name);
        assert_eq!((field("subject"), field("subject.2")), (Some("orders.7.paid"), Some("7")));
        assert_eq!((field("customer"), field("subject.4")), (Some("c7"), None));
        assert_eq!((&*message.id, &*message.body), ("life-3", &b"x"[..]));
    }
}
