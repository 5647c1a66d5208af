//! Joining a log whose beginning was trimmed.
//!
//! A verdict follows from what was said before, so a node cannot decide the first entries that are left. Horizons tell
//! how all others have decided them. A node begins at a horizon when it knows the verdicts of everything that
//! this horizon does not forget:
//!
//! ```text
//!  trimmed │ base ──────── forgotten through ── told ─────────► horizon ───► last
//!          │ first horizon                                        the others decide by what is between
//! ```
//!
//! The first horizon that is left may be one that came too late, so it only proves the next one: a horizon counts if
//! its number follows, if it tells from where the one before ends, and if both witnesses fit to the entries between. One that
//! came too late, as behind the end of an epoch, has no successor: the next one follows the one before it, too.

use std::sync::Arc;

use super::chain::{Chain, Follows};
use super::replica::{Effect, Replica, Told};
use crate::engine::Position;
use crate::entry::{Body, Entry, Horizon, Spans, Witness};
use sockeye_service::wire::Level;

/// Numbers in a horizon are below this one: no log comes so far, and they can be counted on from.
const NUMBER_MAX: u64 = 1 << 62;

/// The entries that were read, and the horizons among them.
#[derive(Debug, Default)]
pub(super) struct Behind {
    entries: Vec<Unplaced>,
    /// All horizons.
    marks: Vec<Mark>,
    /// Those of the chain that ends with the newest one.
    horizons: Vec<usize>,
}

/// An entry whose place in the order of the log is not known.
#[derive(Debug)]
struct Unplaced {
    position: Position,
    bytes: Arc<[u8]>,
}

/// A horizon that was read.
#[derive(Clone, Debug)]
struct Mark {
    /// Its index, and that of the newest entry that its writer had read.
    at: usize,
    witnessed: usize,
    witness: Witness,
    count: u64,
    through: u64,
    told_after: u64,
    told_through: u64,
    refused: Vec<u64>,
    passed: Vec<u64>,
    /// The horizon that proves it.
    before: Option<usize>,
}

/// A node's knowledge at a horizon, and what happened from there.
pub(super) struct Begun {
    pub(super) chain: Chain,
    pub(super) replica: Replica,
    /// The effects behind what is forgotten, and the chain there if it is known.
    pub(super) effects: Vec<(Position, u64, Option<u64>, Effect)>,
    /// Hubs of the epoch begin behind this place: an epoch may have ended here.
    pub(super) after: u64,
    /// The entries behind the horizon.
    pub(super) rest: Vec<(Position, Arc<[u8]>)>,
}

impl Behind {
    /// The newest entry that was read.
    pub(super) fn last(&self) -> Option<Position> {
        self.entries.last().map(|entry| entry.position)
    }

    /// How an entry follows the last one.
    pub(super) fn follows(&self, position: Position, bytes: &[u8]) -> Follows {
        let Some(last) = self.entries.last() else { return Follows::Next };
        Follows::find(last.position, position, || *last.bytes == *bytes)
    }

    /// Takes an entry. True if the node can begin now.
    pub(super) fn push(&mut self, position: Position, bytes: &Arc<[u8]>) -> bool {
        let at = self.entries.len();
        self.entries.push(Unplaced { position, bytes: Arc::clone(bytes) });
        let Ok(Entry { witness: Some(witness), body: Body::Horizon(horizon) }) =
            Entry::decode(bytes)
        else {
            return false;
        };
        let Some(mut mark) = self.mark(at, witness, &horizon) else { return false };
        // Of two that were set at the same place, the first one counts.
        mark.before = self.marks.iter().position(|before| self.proves(before, &mark));
        self.marks.push(mark);
        self.horizons = self.chain_of(self.marks.len() - 1);
        self.start().is_some()
    }

    /// The horizons of which each proves the next one, up to this one.
    fn chain_of(&self, last: usize) -> Vec<usize> {
        let mut chain: Vec<usize> =
            core::iter::successors(Some(last), |at| self.marks[*at].before).collect();
        chain.reverse();
        chain
    }

    fn horizons(&self) -> impl DoubleEndedIterator<Item = &Mark> {
        self.horizons.iter().map(|at| &self.marks[*at])
    }

    fn mark(&self, at: usize, witness: Witness, horizon: &Horizon<'_>) -> Option<Mark> {
        let witnessed = self.entries.partition_point(|it| it.position < witness.position());
        let it = self.entries.get(witnessed).filter(|it| it.position == witness.position());
        it?;
        let numbers = [witness.seq, horizon.count, horizon.through, horizon.told_through];
        if numbers.iter().any(|number| *number >= NUMBER_MAX) {
            return None;
        }
        let (after, through) = (horizon.told_after, horizon.told_through);
        Some(Mark {
            at,
            witnessed,
            witness,
            count: horizon.count,
            through: horizon.through,
            told_after: after,
            told_through: through,
            refused: Spans::read(horizon.refused, after, through)?,
            passed: Spans::read(horizon.passed, after, through)?,
            before: None,
        })
    }

    /// Whether the second horizon is the next one, and both writers have read these entries.
    fn proves(&self, one: &Mark, next: &Mark) -> bool {
        if next.count != one.count + 1
            || next.told_after != one.told_through
            || next.witness.nonce != one.witness.nonce
            || next.witnessed < one.witnessed
        {
            return false;
        }
        let mut chain = self.chain_at(one);
        for entry in &self.entries[one.witnessed + 1..=next.witnessed] {
            chain.push(entry.position, &entry.bytes);
        }
        let last = chain.last();
        (last.seq, last.chain) == (next.witness.seq, next.witness.chain)
    }

    fn chain_at(&self, mark: &Mark) -> Chain {
        let entry = &self.entries[mark.witnessed];
        Chain::resume(&mark.witness, &entry.bytes)
    }

    /// The horizon to begin with.
    fn start(&self) -> Option<&Mark> {
        let (base, last) = (self.horizons().next()?, self.horizons().next_back()?);
        let first = self.seq_of(base, 0)?;
        self.horizons().skip(1).find(|mark| {
            let is_left = mark.through + 1 >= first && mark.through >= base.told_through;
            let at = self.seq_of(base, mark.at);
            is_left && at.is_some_and(|at| last.told_through >= at)
        })
    }

    /// The place of an entry in the order of the log.
    fn seq_of(&self, base: &Mark, at: usize) -> Option<u64> {
        (base.witness.seq + at as u64).checked_sub(base.witnessed as u64)
    }

    /// Begins at the horizon that was found.
    pub(super) fn begin(&self, level: Level) -> Option<Begun> {
        let (base, mark) = (self.horizons().next()?, self.start()?);
        let before = self.horizons().rev().find(|it| it.count < mark.count)?;
        let first = self.seq_of(base, 0)?;
        let bytes = Arc::clone(&self.entries[mark.at].bytes);
        let Ok(Entry { body: Body::Horizon(horizon), .. }) = Entry::decode(&bytes) else {
            return None;
        };
        let mut replica = Replica::behind(&horizon, level);
        let mut chain = self.chain_at(base);
        let (mut effects, mut after) = (Vec::new(), horizon.through);
        let begin = usize::try_from(horizon.through + 1 - first).ok()?;
        for (index, entry) in self.entries[..=mark.at].iter().enumerate() {
            if index > base.witnessed {
                chain.push(entry.position, &entry.bytes);
            }
            if index < begin {
                continue;
            }
            let seq = first + index as u64;
            let decoded = Entry::decode(&entry.bytes).ok();
            let effect = replica.take_told(
                seq,
                decoded.as_ref(),
                (self.told(seq), horizon.at, before.through),
            );
            if matches!(decoded, Some(Entry { body: Body::Epoch(_), .. })) {
                after = seq;
            }
            effects.push((entry.position, seq, chain.chain_at(seq), effect));
        }
        replica.end_restore();
        let rest = self.entries[mark.at + 1..].iter();
        let rest = rest.map(|entry| (entry.position, Arc::clone(&entry.bytes))).collect();
        Some(Begun { chain, replica, effects, after, rest })
    }

    fn told(&self, seq: u64) -> Told {
        let is_in = |places: fn(&Mark) -> &Vec<u64>| {
            self.horizons().any(|mark| places(mark).binary_search(&seq).is_ok())
        };
        match (is_in(|mark| &mark.refused), is_in(|mark| &mark.passed)) {
            (true, _) => Told::Refused,
            (false, true) => Told::Passed,
            (false, false) => Told::Taken,
        }
    }
}
