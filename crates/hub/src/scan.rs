//! Catching up along the log: for patterns with more channels than a pull lists.
//!
//! The subscriber's position goes through the messages in history, those of other channels among
//! them. So the search needs no state: it goes on where the cursor is.

use std::collections::HashMap;
use std::rc::Rc;

use crate::patterns::Tree;
use crate::resume::{Plan, View};
use crate::subscribers::{Link, ReadPosition, State};
use crate::{Budget, Hub, Item, Seq};

/// The plans of the channels that a scan has met; `None` for a channel that is not subscribed.
struct Plans {
    /// The subscriber's patterns, by slot.
    tree: Tree,
    met: HashMap<u32, Option<Plan>>,
    /// Pattern nodes that were visited.
    nodes: usize,
}

impl Plans {
    fn new<M>(hub: &Hub<M>, state: &State) -> Self {
        let mut tree = Tree::default();
        for (slot, subscription) in (0..).zip(state.subscriptions.iter()) {
            if let Link::Pattern(pattern) = subscription.link {
                tree.insert(hub.patterns.text(pattern), slot);
            }
        }
        Self { tree, met: HashMap::new(), nodes: 0 }
    }

    fn is_owed<M>(&mut self, hub: &Hub<M>, state: &State, channel: u32, seq: Seq) -> bool {
        let Self { tree, met, nodes } = self;
        let plan = met.entry(channel).or_insert_with(|| {
            let record = hub.channels.record(channel);
            let mut covers = Vec::new();
            *nodes += tree.matching(&record.name, &mut covers);
            let named = state.slot_of(Link::Channel(channel));
            let by_pattern = named.is_none();
            covers.extend(named.and_then(|slot| u32::try_from(slot).ok()));
            if covers.is_empty() {
                return None;
            }
            covers.sort_unstable();
            let settings = hub.channels.settings_id(channel, &hub.config);
            let name = Rc::clone(&record.name);
            let (channel, past) = (Some(channel), record.past);
            Some(hub.plan(state, &View { name, channel, settings, past, by_pattern, covers }))
        });
        let Some(Plan { from, had, .. }) = plan else { return false };
        seq > *from && !had.iter().any(|span| span.contains(seq))
    }
}

impl<M> Hub<M> {
    /// Hands out the owed messages of all channels in the order of the log, as far as the budget and
    /// the steps reach. True if there may be more.
    ///
    /// All gaps have been declared: memory has every other message after the cursor.
    pub(crate) fn scan(&mut self, index: u32, budget: Budget, out: &mut Vec<Item<M>>) -> bool {
        let state = self.subscribers.at(index);
        let mut plans = Plans::new(self, state);
        let mut reached = state.cursor(self.head);
        let (mut messages, mut bytes, mut visited, mut more) = (0, 0, 0, false);
        for (seq, channel) in self.channels.timeline.after(reached) {
            // [hub:bound-search]
            if visited > 0 && visited + plans.nodes >= self.config.limits.pattern_steps_max {
                more = true;
                break;
            }
            visited += 1;
            if plans.is_owed(self, state, channel, seq) {
                let ring = &self.channels.record(channel).ring;
                let entry = ring.entry(ring.index_after(seq.previous()));
                let entry = entry.expect("the timeline has what history has");
                let spent = messages >= budget.messages || bytes + entry.bytes() > budget.bytes;
                if spent && messages > 0 {
                    more = true;
                    break;
                }
                (messages, bytes) = (messages + 1, bytes + entry.bytes());
                out.push(Item::Message(Rc::clone(entry)));
            }
            reached = seq;
        }
        self.stats.searched += (visited + plans.nodes) as u64;
        self.stats.replayed += messages as u64;
        let state = self.subscribers.at_mut(index);
        state.note_pulled(messages as u64);
        state.position = ReadPosition::behind(reached);
        if let Some(so_far) = state.catch_up() {
            so_far.declared.retain(|_, span| span.through > reached);
        }
        more
    }
}
