//! Publications of sources: taken from the inlet, and published like those of a command.

use std::collections::HashMap;

use sockeye_server::Context;

use super::job::Asker;
use crate::Service;
use crate::engine::Principal;
use crate::inlet::{Inlet, Offered};

/// Offers that are taken in one turn.
const TURN_MAX: usize = 256;

/// Principals that are kept. Those of publishers that are gone are dropped above it.
const PRINCIPALS_MAX: usize = 256;

/// The inlet, and the principals that publish through it.
#[derive(Debug)]
pub(crate) struct Offers {
    pub(crate) inlet: Inlet,
    /// By the numbers of their publishers.
    principals: HashMap<u64, Principal>,
}

impl Offers {
    pub(crate) fn new(inlet: Inlet) -> Self {
        Self { inlet, principals: HashMap::new() }
    }

    fn principal(&mut self, offered: &Offered) -> Principal {
        let line = &offered.line;
        if let Some(who) = self.principals.get(&line.number) {
            return who.clone();
        }
        if self.principals.len() >= PRINCIPALS_MAX {
            self.principals.clear();
        }
        let who = Principal::of_source(line.number, line.state.name(), line.publish.clone());
        self.principals.insert(line.number, who.clone());
        who
    }
}

impl Service {
    /// Publishes what sources have offered: a bounded number in each turn. While a log that machines share is read for the
    /// first time, offers wait.
    pub(crate) fn take_offers(&mut self, context: &mut Context<'_>) {
        let is_filled = self.offers.as_ref().is_some_and(|it| it.inlet.is_filled());
        if !is_filled || self.engine.sequencing.is_restoring() {
            return;
        }
        for _ in 0..TURN_MAX {
            let Some(offers) = &mut self.offers else { return };
            let Some(offered) = offers.inlet.take() else { return };
            let who = offers.principal(&offered);
            let Offered { line, ticket, publish } = offered;
            // [service:source-order] An offer that has to wait does so behind those of its source before it.
            self.publish_one(Asker::Source { line, ticket }, &who, publish, context);
        }
        context.come_back();
    }
}
