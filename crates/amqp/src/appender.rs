//! Appends: messages one after the other without waiting, over one connection, each of which is confirmed.

use core::convert::Infallible;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use sockeye_backbone::driver::{Job as _, quoted};
use sockeye_backbone::{Position, Rejection, Trouble, TroubleKind};
use tokio::select;
use tokio::time::{Instant, sleep};

use crate::begin;
use crate::frame::Arrival;
use crate::link::Link;
use crate::method::{Answer, Closed, Request, code};
use crate::shared::{Job, Life, Shared};

/// Appends whose fate is not known, and their bytes. A larger entry goes alone.
const FLIGHT_ENTRIES_MAX: usize = 4_096;
const FLIGHT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The bytes that are sent together.
const SEND_BYTES: usize = 256 * 1024;

/// How often the connection is looked after.
const BEAT_EVERY: Duration = Duration::from_millis(500);

/// The place of a confirmed append: the server does not tell it, and it may be anywhere until it is read.
const SOMEWHERE: Position = Position::new(0, u64::MAX);

/// An append on its way.
struct Flight {
    tag: u64,
    bytes: usize,
    late: Instant,
}

/// The appends of one session.
pub(crate) struct Appender<'s, 'c> {
    shared: &'s Shared,
    link: Link<'c>,
    /// The channel on which appends are confirmed.
    channel: Option<u16>,
    /// The number of the newest message on it.
    tag: u64,
    flights: VecDeque<Flight>,
    bytes: usize,
    /// The first entry of a log is on its way.
    begins: bool,
}

impl<'s, 'c> Appender<'s, 'c> {
    pub(crate) fn new(shared: &'s Shared, link: Link<'c>) -> Self {
        let (flights, bytes) = (VecDeque::new(), 0);
        Self { shared, link, channel: None, tag: 0, flights, bytes, begins: false }
    }

    /// Appends until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            match self.link.blocked.is_some() {
                true => self.reject_blocked(),
                false => self.send().await?,
            }
            self.link.beat().await?;
            let is_late = self.flights.front().is_some_and(|flight| Instant::now() >= flight.late);
            if is_late {
                return Err(self.link.place.late());
            }
            let shared = self.shared;
            select! {
                biased;
                arrival = self.link.receive() => self.take_all(arrival?).await?,
                () = shared.tasks.has_appends.notified() => {}
                () = sleep(BEAT_EVERY) => {}
            }
        }
    }

    // --- Sending ---------------------------------------------------------------------------------

    /// Sends what waits, as far as there is room.
    async fn send(&mut self) -> Result<(), Trouble> {
        let mut sent = 0;
        while self.flights.len() < FLIGHT_ENTRIES_MAX {
            let (is_alone, room) = (self.flights.is_empty(), room(self.bytes));
            let fits = |job: &Job| match job {
                Job::Entry(..) => is_alone || job.bytes() <= room,
                // Its requests are answered in their order, too.
                Job::Begin(_) => is_alone,
            };
            match self.shared.tasks.queues.take_job_if(fits) {
                None => break,
                Some(Job::Begin(entry)) => self.begin(&entry).await?,
                Some(Job::Entry(Some(life), entry)) => {
                    sent += entry.len();
                    self.publish(&life, &entry).await?;
                }
                // The owner knows of no log. If there is one, it is not the one that this was meant for.
                Some(Job::Entry(None, _)) => self.reject(Rejection::Gone).await?,
            }
            if sent >= SEND_BYTES {
                sent = 0;
                self.link.flush().await?;
            }
        }
        self.link.flush().await
    }

    /// Begins the log, unless it has begun.
    async fn begin(&mut self, entry: &Arc<[u8]>) -> Result<(), Trouble> {
        match begin::begin(&mut self.link).await? {
            Some(life) => {
                self.begins = true;
                self.publish(&life, entry).await?;
            }
            None => self.settle(1),
        }
        self.shared.has_news.notify_one();
        Ok(())
    }

    async fn publish(&mut self, life: &Life, entry: &Arc<[u8]>) -> Result<(), Trouble> {
        let channel = match self.channel {
            Some(channel) => channel,
            None => self.open().await?,
        };
        let exchange = &*self.shared.config.stream;
        let request = Request::Publish { exchange, routing_key: &life.0 };
        self.link.push_message(channel, &request, entry);
        self.tag += 1;
        let late = Instant::now() + self.link.place.config.patience();
        self.bytes += entry.len();
        self.flights.push_back(Flight { tag: self.tag, bytes: entry.len(), late });
        Ok(())
    }

    async fn open(&mut self) -> Result<u16, Trouble> {
        let channel = self.link.open_channel().await?;
        let confirms = self.link.ask(channel, &Request::ConfirmSelect).await?;
        confirms.map_err(|closed| self.link.place.of_closed(&closed))?;
        (self.channel, self.tag) = (Some(channel), 0);
        Ok(channel)
    }

    // --- Answers ---------------------------------------------------------------------------------

    async fn take_all(&mut self, mut arrival: Arrival) -> Result<(), Trouble> {
        loop {
            if Some(arrival.channel) == self.channel {
                self.take(arrival).await?;
            }
            match self.link.receive_now()? {
                Some(next) => arrival = next,
                None => return Ok(()),
            }
        }
    }

    async fn take(&mut self, arrival: Arrival) -> Result<(), Trouble> {
        let place = self.link.place;
        match arrival.answer {
            Answer::Ack { tag, is_multiple } => self.land(tag, is_multiple),
            // No queue has this routing key: the stream is another one, or none.
            Answer::Return { code: code::NO_ROUTE } => self.reject(Rejection::Gone).await?,
            Answer::Return { .. } | Answer::Nack => {
                let what = "does not take an entry: the stream has no leader";
                return Err(place.trouble(TroubleKind::NoLeader, what));
            }
            Answer::Close(closed) => {
                self.channel = None;
                self.link.confirm_close(arrival.channel).await?;
                let rejection = rejection(&closed).ok_or_else(|| place.of_closed(&closed))?;
                self.reject(rejection).await?;
            }
            Answer::Flow { is_active } => {
                self.link.push(arrival.channel, &Request::FlowOk { is_active });
                self.link.flush().await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Takes a confirmation of one message, or of all up to it.
    fn land(&mut self, tag: u64, is_multiple: bool) {
        let behind = self.flights.partition_point(|flight| flight.tag <= tag);
        let begin = if is_multiple { 0 } else { behind.saturating_sub(1) };
        let landed = self.flights.drain(begin..behind).filter(|it| is_multiple || it.tag == tag);
        let sizes: Vec<usize> = landed.map(|flight| flight.bytes).collect();
        self.bytes -= sizes.iter().sum::<usize>();
        self.settle(sizes.len());
        // Each answer shows that the server works on the rest.
        let late = Instant::now() + self.link.place.config.patience();
        self.flights.front_mut().into_iter().for_each(|flight| flight.late = late);
        if core::mem::take(&mut self.begins) {
            self.shared.has_news.notify_one();
        }
    }

    fn settle(&self, jobs: usize) {
        if jobs > 0 {
            self.shared.tasks.queues.settle(jobs, Some(SOMEWHERE));
        }
    }

    /// Drops everything. What is on its way may be in the log all the same. Its answers come on a channel that is closed.
    async fn reject(&mut self, rejection: Rejection) -> Result<(), Trouble> {
        self.drop_all(rejection);
        match self.channel.take() {
            Some(channel) => self.link.close_channel(channel).await,
            None => Ok(()),
        }
    }

    fn drop_all(&mut self, rejection: Rejection) {
        self.flights.clear();
        (self.bytes, self.begins) = (0, false);
        self.shared.tasks.queues.reject(rejection);
    }

    /// Refuses what waits, because the server takes nothing now.
    fn reject_blocked(&mut self) {
        let mut has_more = !self.flights.is_empty();
        has_more |= self.shared.tasks.queues.take_job_if(|_| true).is_some();
        if let Some(reason) = self.link.blocked.clone().filter(|_| has_more) {
            let reason = quoted(&reason);
            let what = format!(
                "takes no entries until it has more memory, or room on its disk ({reason})"
            );
            let trouble = self.link.place.trouble(TroubleKind::Full, what);
            self.drop_all(Rejection::Full(trouble));
            // The server reads nothing, so it closes nothing.
            self.channel = None;
        }
    }
}

/// The bytes for which there is room beside those on their way. A large entry that goes alone has more than the bound.
const fn room(bytes: usize) -> usize {
    FLIGHT_BYTES_MAX.saturating_sub(bytes)
}

/// Why appends were dropped whose channel was closed; `None` if it is a reason to connect anew.
fn rejection(closed: &Closed) -> Option<Rejection> {
    match closed.code {
        // There is no exchange.
        code::NOT_FOUND => Some(Rejection::Gone),
        code::PRECONDITION_FAILED if closed.text.contains("message size") => {
            Some(Rejection::TooLarge)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_beside_a_large_entry() {
        assert_eq!(room(0), FLIGHT_BYTES_MAX);
        assert_eq!(room(FLIGHT_BYTES_MAX + 1), 0);
    }

    #[test]
    fn a_closed_channel_tells_why_an_append_was_dropped() {
        let closed = |code, text: &str| Closed { code, text: text.into() };
        let missing = closed(code::NOT_FOUND, "NOT_FOUND - no exchange 'sockeye' in vhost '/'");
        assert_eq!(rejection(&missing), Some(Rejection::Gone));
        let large = "PRECONDITION_FAILED - message size 9 is larger than configured max size 5";
        let large = closed(code::PRECONDITION_FAILED, large);
        assert_eq!(rejection(&large), Some(Rejection::TooLarge));
        assert_eq!(rejection(&closed(code::ACCESS_REFUSED, "ACCESS_REFUSED")), None);
    }
}
