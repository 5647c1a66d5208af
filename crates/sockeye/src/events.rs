//! `sockeye events`: prints the events of anybody's event stream, and finds its place again.

pub(crate) mod args;
mod place;
mod show;

use std::process::ExitCode;
use std::time::Instant;

use mio::{Events, Poll, Token};
use sockeye_client::{Driver, Entropy, Error, sans_io};

use self::args::EventsOptions;
use self::place::Place;
use self::show::{Show, Told};
use crate::endpoint::output::{Output, READER, SIGNALS, Stop};
use crate::endpoint::words::explain;
use crate::endpoint::{GATHERED_BYTES_MAX, Problem, status};

const SOURCE: Token = Token(0);

/// Prints events until there are no more to come, or nobody wants them any more.
pub(crate) fn run(options: &EventsOptions) -> ExitCode {
    status(tail(options))
}

fn tail(options: &EventsOptions) -> Result<(), Problem> {
    let place = Place::open(options)?;
    let asked = options.source(place.last_event_id())?;
    let network = options.endpoint.network()?;
    let system = |error: std::io::Error| Problem::failed("the system refuses", error);
    let entropy = Entropy::system().map_err(system)?;
    let url = asked.url.clone();
    let machine = sans_io::EventSource::new(asked, network.limits, entropy);
    let machine = machine.map_err(Problem::usage)?;
    let poll = Poll::new().map_err(system)?;
    let output = Output::new(poll.registry())?;
    let driver = Driver::new(machine, network, poll.registry(), SOURCE).map_err(system)?;
    place.keep()?;
    let show = Show::new(options);
    let mut tail = Tail { options, url, driver, output, show, place, known: false };
    match tail.follow(poll) {
        Ok(()) => Ok(()),
        Err(End::Problem(problem)) => Err(problem),
        Err(End::Stop(stop)) => tail.stopped(stop),
    }
}

/// A stream that is being read.
struct Tail<'o> {
    options: &'o EventsOptions,
    url: sockeye_client::Url,
    driver: Driver<sans_io::EventSource>,
    output: Output,
    show: Show,
    place: Place,
    /// Whether the stream has ever been there.
    known: bool,
}

enum End {
    Problem(Problem),
    Stop(Stop),
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
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
            let until = self.driver.deadline();
            let timeout = until.map(|at| at.saturating_duration_since(Instant::now()));
            match poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(Problem::failed("cannot wait", error).into());
                }
                _ => {}
            }
            for event in &events {
                match event.token() {
                    SIGNALS | READER => self.output.on_event(event)?,
                    _ => self.driver.on_event(event),
                }
            }
        }
    }

    /// Takes all that is there; whether it was the end.
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

    /// What is to be done beside printing; whether it is the end.
    fn heed(&mut self, told: Told) -> Result<bool, End> {
        match told {
            Told::Nothing => {}
            Told::Event => return Ok(self.show.is_enough()),
            Told::Open(from) => {
                if self.known {
                    self.notice("connected again");
                } else if from != self.url {
                    self.notice(&format!("redirected to {from:?}"));
                }
                self.known = true;
            }
            Told::Lost { why, wait_ms } => {
                let words = explain(&why, &self.url);
                if !self.known && !matches!(why, Error::Refused(_)) {
                    return Err(Problem::Failed(words).into());
                }
                // What came before it stands before it.
                self.write()?;
                let seconds = std::time::Duration::from_millis(wait_ms).as_secs_f64();
                self.notice(&format!("{words}; again in {seconds:.1} s"));
            }
        }
        Ok(false)
    }

    /// What it means that the source has failed.
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
            error => explain(error, &self.url),
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

    /// A signal and a reader that has left are good ends.
    fn stopped(&self, stop: Stop) -> Result<(), Problem> {
        match stop {
            Stop::NoReader => Ok(()),
            Stop::Failed(error) => Err(Problem::failed("cannot write", error)),
            Stop::Signal => {
                let id = self.place.last_event_id();
                if !id.is_empty() && !self.place.is_kept() {
                    self.notice(&format!("last event ID: {}", crate::plain::plain(id)));
                }
                Ok(())
            }
        }
    }

    fn notice(&self, text: &str) {
        if !self.options.endpoint.quiet {
            crate::notice(format_args!("{text}"));
        }
    }
}
