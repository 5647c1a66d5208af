//! Requests that are put off: their peers have to take other answers first.
//!
//! They have places of their own, as many as the requests that wait for their turn. So clients that do not read take
//! no place of others.

use std::collections::BTreeMap;

use sockeye_hub::Holder;
use sockeye_server::{Context, StreamKey};

use super::too_many;
use crate::Service;
use crate::dialect::counters::count;
use crate::dialect::reply;
use crate::engine::{Limits, units};

/// The places of requests that are put off.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    by_holder: BTreeMap<Holder, usize>,
    all: usize,
}

impl PutOff {
    /// Takes a place, if there is one: each holder has its share, and a claim.
    fn enter(&mut self, holder: Holder, limits: &Limits) -> bool {
        let room = limits.archive_requests_max;
        let own_max = limits.archive_requests_per_holder_max;
        let own = self.by_holder.get(&holder).copied().unwrap_or_default();
        let is_own_free = holder == Holder::UNCOUNTED || own < own_max;
        let is_free = is_own_free && self.all < holder.claim(own, own_max, room).of(room);
        if is_free {
            self.by_holder.insert(holder, own + 1);
            self.all += 1;
        }
        is_free
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, holder: Holder) {
        let Some(own) = self.by_holder.get_mut(&holder) else { return };
        *own -= 1;
        self.all -= 1;
        if *own == 0 {
            self.by_holder.remove(&holder);
        }
    }
}

impl Service {
    /// Puts a request off if its peer has to take other answers first. If too many are put off, it is refused. Returns
    /// false if its answer may be built. [service:answers-wait]
    pub(super) fn puts_off_request(&mut self, id: u64, context: &mut Context<'_>) -> bool {
        let Some(request) = self.held.by_id.get_mut(&id) else { return false };
        if !request.stream.is_some_and(|stream| context.put_off(stream)) {
            return false;
        }
        context.spend(units::LOOK);
        let (holder, is_counted) = (request.holder, request.wanted.is_counted());
        // One that has asked the archive has given its place back.
        if request.asked.take().is_none() && is_counted {
            self.engine.reading.leave_unasked(holder);
        }
        request.is_put_off = true;
        if is_counted && !self.held.put_off.enter(holder, &self.engine.limits) {
            self.refuse_put_off(id, context);
        }
        true
    }

    /// Refuses a request that finds no place among those that are put off.
    fn refuse_put_off(&mut self, id: u64, context: &mut Context<'_>) {
        let Some(stream) = self.held.remove(id).and_then(|request| request.stream) else { return };
        let problem = too_many();
        count(&mut self.counters.requests_refused, problem.code.as_str());
        // A client that is gone is told nothing.
        let _ = context.respond(stream, reply::problem(&problem, self.engine.spread_ms()));
    }

    /// Lines up a request again whose peer has taken other answers.
    pub(crate) fn line_up_stream(&mut self, stream: StreamKey) {
        let Some(id) = self.held.by_stream.get(&stream).copied() else { return };
        let Some(request) = self.held.by_id.get_mut(&id) else { return };
        if !core::mem::take(&mut request.is_put_off) {
            return;
        }
        if request.wanted.is_counted() {
            self.held.put_off.leave(request.holder);
            self.engine.reading.enter_unasked(request.holder);
        }
        self.line_up_again(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_holder_has_its_share_of_the_places() {
        let mut limits = Limits::default();
        (limits.archive_requests_max, limits.archive_requests_per_holder_max) = (16, 8);
        let (one, other) = (Holder::stranger(1), Holder::stranger(2));
        let mut places = PutOff::default();
        let mut enter =
            |holder, count: usize| (0..count).filter(|_| places.enter(holder, &limits)).count();
        assert_eq!((enter(one, 20), enter(other, 20)), (8, 5), "a stranger leaves some to others");
        assert_eq!((enter(Holder::UNCOUNTED, 20), enter(Holder::stranger(3), 1)), (3, 0));
        for _ in 0..8 {
            places.leave(one);
        }
        assert_eq!((places.all, places.by_holder.len()), (8, 2));
        assert!(places.enter(one, &limits));
    }
}
