//! What is known of a log: everything that anybody was ever told of it, each place once.

use std::collections::{BTreeMap, HashMap, HashSet};

/// Every channel; readers have some of them.
pub(crate) const CHANNELS: [&str; 3] = ["c:0", "c:1", "c:2"];

/// Messages that a channel of the program keeps by default.
const HISTORY_MAX: usize = 256;

/// A cursor's epoch and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) epoch: u64,
    pub(crate) seq: u64,
}

impl Cursor {
    pub(crate) fn parse(text: &str) -> Self {
        let parsed = text.strip_prefix('1').and_then(|text| text.split_once('-'));
        let (epoch, seq) = parsed.unwrap_or_else(|| panic!("no cursor: {text:?}"));
        // Each process gives its positions a check of its own.
        let seq = seq.split_once('.').map_or(seq, |(seq, _)| seq);
        let number = |text| u64::from_str_radix(text, 36).expect("base 36");
        Self { epoch: number(epoch), seq: number(seq) }
    }
}

/// A message says who it is: its channel, a name that no other in the channel has, and filling.
#[derive(Debug)]
struct Place {
    said: String,
    time: Option<u64>,
}

/// One life of the log.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) epoch: u64,
    places: BTreeMap<u64, Place>,
    by_said: HashMap<String, u64>,
    /// The places whose publisher has an answer.
    acknowledged: HashSet<u64>,
}

fn channel_of(said: &str) -> &str {
    said.split(' ').next().expect("one at least")
}

impl Life {
    pub(crate) fn new(epoch: u64) -> Self {
        let (places, by_said) = (BTreeMap::new(), HashMap::new());
        Self { epoch, places, by_said, acknowledged: HashSet::new() }
    }

    /// Somebody was told that this message is at this place.
    pub(crate) fn learn(&mut self, at: Cursor, channel: &str, said: &str, time: Option<u64>) {
        assert_eq!(at.epoch, self.epoch, "{said:?} is in a life that nobody has declared");
        assert_eq!(channel, channel_of(said), "{said:?} is in another channel");
        let known = self.by_said.entry(said.to_owned()).or_insert(at.seq);
        assert_eq!(*known, at.seq, "{said:?} is in the log twice, or has moved");
        let fresh = || Place { said: said.to_owned(), time };
        let place = self.places.entry(at.seq).or_insert_with(fresh);
        assert_eq!(place.said, said, "the place {} has changed hands", at.seq);
        if let Some(time) = time {
            let known = *place.time.get_or_insert(time);
            assert_eq!(known, time, "the time of {said:?} has changed");
        }
    }

    /// Its publisher was answered.
    pub(crate) fn acknowledge(&mut self, at: Cursor, channel: &str, said: &str) {
        self.learn(at, channel, said, None);
        self.acknowledged.insert(at.seq);
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    pub(crate) fn is_acknowledged(&self, said: &str) -> bool {
        self.by_said.get(said).is_some_and(|seq| self.acknowledged.contains(seq))
    }

    /// The places of these channels above `after` up to `through`.
    pub(crate) fn within(&self, channels: &[&str], after: u64, through: u64) -> Vec<u64> {
        let within = self.places.range(after + 1..=through.max(after + 1));
        let ours = within.filter(|(_, place)| channels.contains(&channel_of(&place.said)));
        ours.map(|(seq, _)| *seq).filter(|seq| *seq <= through).collect()
    }

    /// The last place in these channels.
    pub(crate) fn last_in(&self, channels: &[&str]) -> u64 {
        let mut newest = self.places.iter().rev();
        let last = newest.find(|(_, place)| channels.contains(&channel_of(&place.said)));
        last.map_or(0, |(seq, _)| *seq)
    }

    /// A channel's history has all that is known of it, and reaches as far back as it should.
    pub(crate) fn has_all(&self, channel: &str, history: &[u64]) {
        let known = self.within(&[channel], 0, u64::MAX - 1);
        let newest = &known[known.len().saturating_sub(HISTORY_MAX)..];
        assert_eq!(history, newest, "{channel}: lost from the log, or gained by it");
    }
}
