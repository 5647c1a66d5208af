//! The end of a pump in this program: publishes, counts and logs.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use sockeye_service::wire::{Code, Limits, Options, Problem, publish_raw, publish_value};
use sockeye_service::{InletAnswer, Publisher, SourceStanding};
use sockeye_source::{Format, Mapped, Note, OnBad, Outcome, Sink, Ticket};

/// The time between two lines about messages that cannot be published.
const BAD_EVERY: Duration = Duration::from_secs(10);

/// The publisher of one source.
pub(super) struct Outlet {
    publisher: Publisher,
    name: Box<str>,
    bad: BadLines,
}

/// The lines about messages that cannot be published: there may be many.
#[derive(Default)]
struct BadLines {
    told: Option<Instant>,
    others: u64,
}

impl Outlet {
    pub(super) fn new(publisher: Publisher, name: &str) -> Self {
        Self { publisher, name: name.into(), bad: BadLines::default() }
    }
}

impl Sink for Outlet {
    fn offer(&mut self, ticket: Ticket, publication: &Mapped) -> Result<(), String> {
        let Mapped { channel, data, format, event, key, ttl_ms } = publication;
        let options = Options {
            event: event.as_deref().map(Cow::Borrowed),
            key: Some(Cow::Borrowed(key)),
            expect: None,
            ttl_ms: *ttl_ms,
        };
        let (channel, limits) = (Cow::Borrowed(&**channel), Limits::DEFAULT);
        let publish = match format {
            Format::Json => publish_value(channel, data, options, &limits),
            Format::Text => publish_raw(channel, None, data.as_bytes(), options, &limits),
        };
        self.publisher.offer(ticket, publish.map_err(|problem| problem.to_string())?);
        Ok(())
    }

    fn answers(&mut self, wait: Duration, into: &mut Vec<(Ticket, Outcome)>) {
        let answers = self.publisher.answers(wait).into_iter();
        into.extend(answers.map(|InletAnswer { ticket, result }| match result {
            Ok(settled) if settled.duplicate => (ticket, Outcome::Repeat),
            Ok(_) => (ticket, Outcome::Published),
            Err(problem) if may_succeed(&problem) => (ticket, Outcome::Later),
            Err(problem) => (ticket, Outcome::Never(problem.to_string())),
        }));
    }

    fn note(&mut self, note: Note<'_>) {
        let (state, source) = (self.publisher.state(), &*self.name);
        match note {
            Note::Active => {
                log::info!(source; "a source takes messages");
                state.note_standing(SourceStanding::Active);
            }
            Note::Standby => {
                log::info!(source; "a source stands by: another process takes its messages");
                state.note_standing(SourceStanding::Standby);
            }
            Note::Away(trouble) => {
                log::warn!(source, trouble:%; "a source is away");
                state.note_standing(SourceStanding::Away);
            }
            Note::Stopped => state.note_standing(SourceStanding::Stopped),
            Note::Published => state.note_published(),
            Note::Repeat => state.note_repeat(),
            Note::Retry => state.note_retry(),
            Note::Load(in_flight, pending) => state.note_load(in_flight as u64, pending),
            Note::Gone(message) => {
                log::warn!(source, message; "a message was deleted at its bus before it was published");
            }
            Note::Bad { id, why, on_bad } => {
                state.note_refused();
                self.bad.tell(source, (id, why), on_bad);
            }
        }
    }
}

/// Whether the same publication may be taken later.
fn may_succeed(problem: &Problem) -> bool {
    problem.code.is_retryable() || problem.code == Code::Internal
}

impl BadLines {
    fn tell(&mut self, source: &str, (message, why): (&str, &str), on_bad: OnBad) {
        if self.told.is_some_and(|told| told.elapsed() < BAD_EVERY) {
            self.others += 1;
            return;
        }
        self.told = Some(Instant::now());
        let others = core::mem::take(&mut self.others);
        match on_bad {
            OnBad::Stop => {
                log::error!(source, message, why, others; "a message cannot be published: its source waits there");
            }
            OnBad::Skip => {
                log::error!(source, message, why, others; "a message cannot be published: it is passed over");
            }
        }
    }
}
