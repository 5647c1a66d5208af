//! `POST /v1/users/{user}/disconnect`: a back end ends the open streams of a user.

use std::collections::HashMap;
use std::fmt;

use sockeye_auth::Limits;
use sockeye_server::{Answer, Context, Hold, Reply, Status, StreamKey};

use crate::dialect::counters::count;
use crate::dialect::reply::{self, json};
use crate::dialect::requests::Cursors;
use crate::engine::work::Payer;
use crate::engine::{Answered, Placed, Principal, Settled};
use crate::sequencing::Ticket;
use crate::wire::{self, Code, Problem, Query, path_segment};
use crate::{Pending, Service};

/// The requests whose statements wait for the log.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    waiting: HashMap<Ticket, Waiting>,
    /// Their streams, each with the account to which visits to it are charged, unless that is its address.
    held: HashMap<StreamKey, Option<Payer>>,
}

#[derive(Debug)]
struct Waiting {
    stated: Stated,
    stream: Option<StreamKey>,
}

/// The statement for the log.
pub(crate) enum Stated {
    /// This user is disconnected.
    Disconnected(String),
    /// This ticket is issued.
    Issued(String),
}

/// Shows no ticket.
impl fmt::Debug for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Disconnected(_) => "Disconnected",
            Self::Issued(_) => "Issued",
        })
    }
}

impl Stated {
    /// The answer once the log has it.
    fn reply(&self, settled: &Settled) -> Reply {
        json(
            Status::OK,
            match self {
                Self::Disconnected(user) => wire::reply::disconnected(user, settled.level),
                Self::Issued(ticket) => wire::reply::issued(ticket),
            },
        )
    }
}

impl Statements {
    /// Whether a request is held by this stream.
    pub(crate) fn holds(&self, stream: StreamKey) -> bool {
        self.held.contains_key(&stream)
    }

    /// As for [`Jobs`](super::publishing::Jobs::payer_of_visits).
    pub(crate) fn payer_of_visits(&self, stream: StreamKey) -> Option<Payer> {
        self.held.get(&stream).copied().flatten()
    }

    /// The number of requests that are held, and of statements that wait.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.held.len(), self.waiting.len())
    }
}

impl Service {
    /// Disconnects a user: answers at once, or when the log has it.
    pub(crate) fn disconnect_user(
        &mut self,
        who: &Principal,
        (user, query): (&str, &Query<'_>),
        context: &mut Context<'_>,
    ) -> Result<Answer<Pending>, Problem> {
        self.known(query, &[], Cursors::Unknown)?;
        let user = &*path_segment(user)?;
        let bytes_max = Limits::default().user_bytes_max;
        if user.is_empty() || user.len() > bytes_max || user.chars().any(char::is_control) {
            let message = "invalid user name in the path: 1 to 200 bytes without control characters are \
                           allowed, percent-encoded";
            return Err(Problem::new(Code::BadRequest, message));
        }
        let placed = self.engine.disconnect_user(who, user, context);
        let placed = placed.map_err(|refusal| Problem::lacks_right(refusal, "disconnect"))?;
        Ok(self.answer_stated(who, placed, Stated::Disconnected(user.to_owned())))
    }

    /// Answers the request of a statement, or holds it until the log has it.
    pub(crate) fn answer_stated(
        &mut self,
        who: &Principal,
        placed: Placed,
        stated: Stated,
    ) -> Answer<Pending> {
        match placed {
            Placed::Settled(settled) => stated.reply(&settled).into(),
            Placed::Waiting(ticket) => {
                self.statements.waiting.insert(ticket, Waiting { stated, stream: None });
                let of_visits = self.engine.work.payer_of_visits(who);
                let hold = Hold::new(u64::MAX);
                Answer::Hold(hold, Pending::Statement(ticket, of_visits))
            }
        }
    }

    /// Notes the stream of a request that is held now.
    pub(crate) fn hold_statement(
        &mut self,
        ticket: Ticket,
        of_visits: Option<Payer>,
        stream: StreamKey,
    ) {
        if let Some(waiting) = self.statements.waiting.get_mut(&ticket) {
            waiting.stream = Some(stream);
            self.statements.held.insert(stream, of_visits);
        }
    }

    /// Answers the request of a statement; `None` if the outcome is that of something else.
    pub(crate) fn settle_statement(
        &mut self,
        answered: &Answered,
        context: &mut Context<'_>,
    ) -> Option<()> {
        let Waiting { stated, stream } = self.statements.waiting.remove(&answered.ticket)?;
        let reply = match answered.result {
            Ok(settled) => stated.reply(&settled),
            Err(refusal) => {
                let problem = Problem::from(refusal);
                count(&mut self.counters.requests_refused, problem.code.as_str());
                reply::problem(&problem, self.engine.spread_ms())
            }
        };
        if let Some(stream) = stream {
            self.statements.held.remove(&stream);
            // A client that is gone is told nothing; the statement is in the log.
            let _ = context.respond(stream, reply);
        }
        Some(())
    }
}
