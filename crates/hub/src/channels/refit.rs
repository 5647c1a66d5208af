//! New settings for existing channels, in steps.

use std::rc::Rc;

use super::{Channels, count_mut};
use crate::name::namespace;
use crate::spaces::{SettingsId, Spaces};

/// A part of what new settings concern. The parts are walked one after the other.
#[derive(Debug)]
pub(super) enum Part {
    /// The records, from this one on: each is filed where it belongs, and trimmed to its bounds.
    Records(u32),
    /// The records of a list that belong to another one now, from its last on. The walk goes on where
    /// it has stopped, if it has begun.
    Idle(SettingsId, bool),
    /// The same for the records with history.
    Holding(SettingsId, bool),
    /// The tombstones of a namespace, after this one.
    Tombstones(String, Option<Rc<str>>),
}

impl<M> Channels<M> {
    /// Begins to fit everything to new settings. What former settings have left is done again.
    pub(crate) fn begin_refit(&mut self, config: &Spaces) {
        self.refit.clear();
        self.refit.push_back(Part::Records(0));
        let (came, went): (Vec<_>, Vec<_>) =
            config.moving().partition(|(id, _)| config.is_own(*id));
        self.is_moving = !came.is_empty() || !went.is_empty();
        // The records of a namespace with new settings are among the rest until now.
        let rest = (!came.is_empty()).then_some(SettingsId::REST);
        for id in rest.into_iter().chain(went.iter().map(|(id, _)| *id)) {
            self.refit.extend([Part::Idle(id, false), Part::Holding(id, false)]);
        }
        let names = came.into_iter().chain(went).map(|(_, name)| name.to_owned());
        self.refit.extend(names.map(|name| Part::Tombstones(name, None)));
        self.tombstones.begin_refile(config);
    }

    /// Whether something is still to be fitted to new settings.
    pub(crate) fn is_refitting(&self) -> bool {
        !self.refit.is_empty()
    }

    /// Goes on to fit everything to new settings, in at most `left` steps. True if that is done.
    pub(crate) fn refit(&mut self, config: &Spaces, left: &mut usize) -> bool {
        while *left > 0 {
            let Some(part) = self.refit.pop_front() else { break };
            let rest = match part {
                Part::Records(next) => self.refit_records(next, config, left),
                Part::Idle(id, begun) => self.refile_idle(id, begun, left),
                Part::Holding(id, begun) => self.refile_holding(id, begun, left),
                Part::Tombstones(name, after) => self.refile_tombstones(name, after, config, left),
            };
            if let Some(rest) = rest {
                self.refit.push_front(rest);
            }
        }
        let is_done = self.refit.is_empty();
        if is_done && std::mem::take(&mut self.is_moving) {
            let went = config.moving().filter(|(id, _)| !config.is_own(*id));
            went.for_each(|(id, _)| self.tombstones.clear(id));
        }
        is_done
    }

    /// Files records where they belong, and drops the oldest messages of each until it fits its
    /// namespace's bounds.
    fn refit_records(&mut self, next: u32, config: &Spaces, left: &mut usize) -> Option<Part> {
        let mut index = next;
        while *left > 0 {
            *left -= 1;
            let record = self.records.get(index as usize)?;
            if record.is_some() {
                self.file(index, config);
                if !self.trim(index, config, left) {
                    break;
                }
                // An alarm that comes too early is set again.
                let history_ms = self.settings(index, config).history_ms;
                let deadline = self.age_deadline(index, history_ms);
                if self
                    .record(index)
                    .alarm
                    .is_none_or(|alarm| deadline.is_some_and(|it| it < alarm))
                {
                    self.clear_alarm(index);
                    self.set_alarm(index, history_ms);
                }
                self.retire_if_bare(index, config);
            }
            index += 1;
        }
        Some(Part::Records(index))
    }

    /// Counts a record where it belongs.
    #[inline]
    pub(super) fn file(&mut self, index: u32, config: &Spaces) {
        if self.is_moving {
            self.move_to_its_namespace(index, config);
        }
    }

    #[cold]
    fn move_to_its_namespace(&mut self, index: u32, config: &Spaces) {
        let (is_bare, is_written) = (self.is_bare(index), self.written.has(index));
        let record = self.record_mut(index);
        let to = config.id_of(namespace(&record.name));
        let from = std::mem::replace(&mut record.settings, to);
        let bytes = usize::try_from(record.ring.bytes()).expect("history is in memory");
        // A record that was not written has a tombstone, which counts instead.
        let ends = record.ending || (record.past.ended && is_written);
        for (counts, items) in [
            (&mut self.held, 1),
            (&mut self.held_bytes, bytes),
            (&mut self.bare, usize::from(is_bare)),
            (&mut self.endings, usize::from(ends)),
        ] {
            *count_mut(counts, from.slot()) -= items;
            *count_mut(counts, to.slot()) += items;
        }
    }

    fn refile_idle(&mut self, id: SettingsId, begun: bool, left: &mut usize) -> Option<Part> {
        let Self { idle, records, .. } = self;
        let belongs = |index: u32| records[index as usize].as_ref().map(|it| it.settings.slot());
        let is_over = idle.sort_out(id.slot(), begun, belongs, left);
        (!is_over).then_some(Part::Idle(id, true))
    }

    fn refile_holding(&mut self, id: SettingsId, begun: bool, left: &mut usize) -> Option<Part> {
        let Self { holding, records, .. } = self;
        let belongs = |index: u32| records[index as usize].as_ref().map(|it| it.settings.slot());
        let is_over = holding.sort_out(id.slot(), begun, belongs, left);
        (!is_over).then_some(Part::Holding(id, true))
    }

    fn refile_tombstones(
        &mut self,
        name: String,
        mut after: Option<Rc<str>>,
        config: &Spaces,
        left: &mut usize,
    ) -> Option<Part> {
        while *left > 0 {
            *left -= 1;
            after = Some(self.tombstones.refile_next(&name, after.as_deref(), config)?);
        }
        Some(Part::Tombstones(name, after))
    }
}

#[cfg(test)]
mod tests;
