//! `sockeye events`: prints the events of any event stream, and resumes it at its place.

pub(crate) mod args;
mod place;
mod show;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use sockeye_client::{Driver, Entropy, Error, UsageError, sans_io};
use sockeye_terminal::{notice, plain::plain, span};

use self::args::EventsOptions;
use self::place::Place;
use self::show::{Show, Told};
use crate::endpoint::output::{End, Output, READER, SIGNALS, Stop};
use crate::endpoint::words::{Way, waiting};
use crate::endpoint::{GATHERED_BYTES_MAX, Problem, WORD, status, wait};

const SOURCE: Token = Token(0);

/// Prints events until the stream is over, the reader has left, or a signal comes.
pub fn run(options: &EventsOptions) -> ExitCode {
    status(tail(options))
}

fn tail(options: &EventsOptions) -> Result<(), Problem> {
    let place = Place::open(options)?;
    let asked = options.source(place.last_event_id())?;
    let network = options.endpoint.network()?;
    let system = |error: std::io::Error| Problem::failed("the system refuses", error);
    let entropy = Entropy::system().map_err(system)?;
    let way = options.endpoint.way(asked.url.clone());
    let machine = sans_io::EventSource::new(asked, network.limits, entropy);
    let machine = machine.map_err(usage)?;
    let poll = Poll::new().map_err(system)?;
    let output = Output::new(poll.registry())?;
    let driver = Driver::new(machine, network, poll.registry(), SOURCE).map_err(system)?;
    place.keep()?;
    let show = Show::new(options);
    let word_at = Some(Instant::now() + WORD);
    let mut tail = Tail { options, way, driver, output, show, place, word_at };
    match tail.follow(poll) {
        Ok(()) => Ok(()),
        Err(End::Problem(problem)) => Err(problem),
        Err(End::Stop(stop)) => tail.stopped(stop),
    }
}

/// Words a mistake in the options of the stream.
fn usage(error: UsageError) -> Problem {
    let hint = match error {
        UsageError::Header => " (Last-Event-ID: --last-event-id gives it)",
        UsageError::Scheme => " (http:// or https://)",
        _ => "",
    };
    Problem::usage(format_args!("{error}{hint}"))
}

/// A stream that is being read.
struct Tail<'o> {
    options: &'o EventsOptions,
    way: Way,
    driver: Driver<sans_io::EventSource>,
    output: Output,
    show: Show,
    place: Place,
    /// When to print a notice that the server has not answered yet.
    word_at: Option<Instant>,
}

impl Tail<'_> {
    fn follow(&mut self, mut poll: Poll) -> Result<(), End> {
        let mut events = Events::with_capacity(8);
        loop {
            let over = self.take_all();
            self.write()?;
            if over? {
                return Ok(());
            }
            if self.word_at.is_some_and(|at| at <= Instant::now()) {
                self.word_at = None;
                self.notice(waiting(self.driver.is_connected()));
            }
            let until = [self.driver.deadline(), self.word_at].into_iter().flatten().min();
            wait(&mut poll, &mut events, until)?;
            for event in &events {
                match event.token() {
                    SIGNALS | READER => self.output.on_event(event)?,
                    _ => self.driver.on_event(event),
                }
            }
        }
    }

    /// Takes all events that have come. Returns whether the run ends.
    fn take_all(&mut self) -> Result<bool, End> {
        loop {
            let (show, bytes) = (&mut self.show, &mut self.output.bytes);
            match self.driver.next(|event| show.event(event, bytes)) {
                Ok(Some(told)) => {
                    if self.heed(told)? {
                        return Ok(true);
                    }
                }
                Ok(None) => return Ok(self.driver.is_over()),
                Err(error) => return self.failed(&error),
            }
            if self.output.bytes.len() > GATHERED_BYTES_MAX {
                self.write()?;
            }
        }
    }

    /// Does what an event needs beside its output. Returns whether the run ends.
    fn heed(&mut self, told: Told) -> Result<bool, End> {
        match told {
            Told::Nothing => {}
            Told::Event => return Ok(self.show.is_enough()),
            Told::Open(from) => {
                if self.way.known {
                    self.notice("connected again");
                } else if from != self.way.url {
                    self.notice(&format!("redirected to {from:?}"));
                }
                (self.way.known, self.word_at) = (true, None);
            }
            Told::Lost { why, wait_ms } => {
                let words = self.way.explain(&why);
                if !self.way.known && !matches!(why, Error::Refused(_)) {
                    return Err(Problem::Failed(words).into());
                }
                // Earlier output comes before the notice.
                self.write()?;
                let wait = Duration::from_millis(wait_ms);
                self.notice(&format!("{words}; again in {}", span::words(wait_ms)));
                self.word_at = Some(Instant::now() + wait + WORD);
            }
        }
        Ok(false)
    }

    /// Handles the failure of the source.
    fn failed(&self, error: &Error) -> Result<bool, End> {
        let why = match error {
            Error::Refused(refusal) => match show::refused(refusal) {
                Some(why) => why,
                None => {
                    self.notice("the server has no more (204 No Content)");
                    return Ok(true);
                }
            },
            Error::Truncated => "the answer ended too early: not all of it is there".to_owned(),
            Error::EventTooLarge => {
                format!("an event is larger than {} bytes (--max-event)", self.options.max_event)
            }
            error => self.way.explain(error),
        };
        Err(Problem::Failed(why).into())
    }

    /// Writes what there is, and then keeps the place behind it.
    fn write(&mut self) -> Result<(), End> {
        let flushed = self.output.flush();
        if self.output.bytes.is_empty() {
            self.place.reach(self.driver.machine().last_event_id())?;
        }
        Ok(flushed?)
    }

    /// Ends the run with success if the reader has left or a signal came. After a signal it prints the last event ID.
    fn stopped(&self, stop: Stop) -> Result<(), Problem> {
        match stop {
            Stop::NoReader => Ok(()),
            Stop::Failed(error) => Err(Problem::failed("cannot write", error)),
            Stop::Signal => {
                let id = self.place.last_event_id();
                if !id.is_empty() && !self.place.is_kept() {
                    self.notice(&format!("last event ID: {}", plain(id)));
                }
                Ok(())
            }
        }
    }

    fn notice(&self, text: &str) {
        if !self.options.endpoint.quiet {
            notice(format_args!("{text}"));
        }
    }
}
