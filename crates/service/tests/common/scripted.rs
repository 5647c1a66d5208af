//! A log that machines share: it does what the test says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use sockeye_service::sequencing::{
    Backbone, Batch, Figures, Full, LogClock, LogNode, Offer, Outcome, SharedLog, Statement,
    Ticket, Verdict,
};

use super::{PATIENCE, Running};

/// The part that answers statements about tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TicketsOf {
    /// The log takes each at once.
    Log,
    /// The test does.
    Test,
}

#[derive(Clone)]
pub struct Scripted {
    tickets: TicketsOf,
    outcomes: Arc<Mutex<VecDeque<Outcome>>>,
    declared: Arc<Mutex<VecDeque<(Ticket, Statement)>>>,
    streams: Arc<Mutex<VecDeque<Batch>>>,
    clock: Arc<LogClock>,
    nodes: Arc<Mutex<Arc<[LogNode]>>>,
}

impl Scripted {
    pub fn new(tickets: TicketsOf) -> Self {
        let clock = Arc::new(LogClock::new());
        clock.restore(1, 0);
        let (outcomes, declared, nodes) = (Arc::default(), Arc::default(), Arc::default());
        Self { tickets, outcomes, declared, streams: Arc::default(), clock, nodes }
    }

    /// The nodes of the log.
    pub fn show(&self, nodes: Vec<LogNode>) {
        *self.nodes.lock().expect("as above") = nodes.into();
    }

    /// Adds outcomes, and has the service follow them.
    pub fn say(&self, server: &Running, outcomes: impl IntoIterator<Item = Outcome>) {
        self.outcomes.lock().expect("no test has failed inside").extend(outcomes);
        server.run(|_| ());
    }

    /// The next statement, with its ticket. Those of nothing but the streams of users are answered.
    pub fn heard(&self) -> (Ticket, Statement) {
        next(&self.declared)
    }

    /// The next statement of nothing but the streams of users.
    pub fn heard_of_streams(&self) -> Batch {
        next(&self.streams)
    }

    /// Whether every statement was heard.
    pub fn is_silent(&self) -> bool {
        self.declared.lock().expect("as above").is_empty()
    }
}

fn next<T>(queue: &Mutex<VecDeque<T>>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(first) = queue.lock().expect("as above").pop_front() {
            return first;
        }
        assert!(start.elapsed() < PATIENCE, "nothing is declared");
        std::thread::yield_now();
    }
}

impl Backbone for Scripted {
    fn append(&mut self, _: Ticket, _: Offer) -> Result<(), Full> {
        Err(Full)
    }

    fn declare(&mut self, ticket: Ticket, statement: Statement) -> Result<(), Full> {
        let take = || {
            let taken = Outcome::Answer(ticket, Verdict::Taken);
            self.outcomes.lock().expect("as above").push_back(taken);
        };
        match (&statement, self.tickets) {
            (Statement::Issue(_) | Statement::Redeem(_), TicketsOf::Log) => take(),
            (Statement::Present(batch), _) if batch.rooms.iter().all(|it| it.room.is_empty()) => {
                self.streams.lock().expect("as above").push_back(batch.clone());
                take();
            }
            (Statement::Issue(_) | Statement::Redeem(_), TicketsOf::Test)
            | (Statement::Disconnect(_) | Statement::Present(_), _) => {
                self.declared.lock().expect("as above").push_back((ticket, statement));
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<Outcome> {
        self.outcomes.lock().expect("as above").pop_front()
    }

    fn clock(&self) -> &LogClock {
        &self.clock
    }

    fn figures(&self) -> Figures {
        let log = SharedLog { is_up: true, head: 77, lag_entries: 5, ..SharedLog::default() };
        Figures { durable: true, shared: Some(log), ..Figures::default() }
    }

    fn nodes(&self) -> Arc<[LogNode]> {
        Arc::clone(&self.nodes.lock().expect("as above"))
    }
}
