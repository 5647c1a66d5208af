//! Appends: messages one after the other without waiting, over one connection, each of which is confirmed.

use core::convert::Infallible;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::Poll;
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use sockeye_backbone::driver::{Job as _, quoted};
use sockeye_backbone::{Position, Rejection, Trouble, TroubleKind};
use tokio::select;
use tokio::time::{Instant, sleep};

use crate::begin;
use crate::link::Link;
use crate::next::poll_now;
use crate::shared::{Job, Life, Shared};
use crate::trouble::{Closed, code};

/// Appends whose fate is not known, and their bytes. A larger entry goes alone.
const FLIGHT_ENTRIES_MAX: usize = 4_096;
const FLIGHT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How often the connection is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The place of a confirmed append: the server does not tell it, and it may be anywhere until it is read.
const SOMEWHERE: Position = Position::new(0, u64::MAX);

/// The fate of an append: it was confirmed, or why not.
type Fate = lapin::Result<Confirmation>;

/// An append on its way.
struct Flight {
    fate: Pin<Box<dyn Future<Output = Fate>>>,
    bytes: usize,
    late: Instant,
}

/// The appends of one session.
pub(crate) struct Appender<'s, 'c> {
    shared: &'s Shared,
    link: Link<'c>,
    /// The channel on which appends are confirmed.
    channel: Option<Channel>,
    flights: VecDeque<Flight>,
    bytes: usize,
    /// The first entry of a log is on its way.
    begins: bool,
}

impl<'s, 'c> Appender<'s, 'c> {
    pub(crate) fn new(shared: &'s Shared, link: Link<'c>) -> Self {
        Self { shared, link, channel: None, flights: VecDeque::new(), bytes: 0, begins: false }
    }

    /// Appends until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            match self.link.line.blocked.is_some() {
                true => self.reject_blocked(),
                false => self.send().await?,
            }
            let is_late = self.flights.front().is_some_and(|flight| Instant::now() >= flight.late);
            if is_late {
                return Err(self.link.place.late());
            }
            let shared = self.shared;
            select! {
                biased;
                news = self.link.watch() => news?,
                fate = fate(&mut self.flights) => self.take_all(fate).await?,
                () = shared.tasks.has_appends.notified() => {}
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    // --- Sending ---------------------------------------------------------------------------------

    /// Sends what waits, as far as there is room.
    async fn send(&mut self) -> Result<(), Trouble> {
        while self.flights.len() < FLIGHT_ENTRIES_MAX {
            let (is_alone, room) = (self.flights.is_empty(), room(self.bytes));
            let fits = |job: &Job| match job {
                Job::Entry(..) => is_alone || job.bytes() <= room,
                // Its requests are answered in their order, too.
                Job::Begin(_) => is_alone,
            };
            match self.shared.tasks.queues.take_job_if(fits) {
                None => break,
                Some(Job::Begin(entry)) => self.begin(entry).await?,
                Some(Job::Entry(Some(life), entry)) => self.publish(&life, entry).await?,
                // The owner knows of no log. If there is one, it is not the one that this was meant for.
                Some(Job::Entry(None, _)) => self.reject(Rejection::Gone).await?,
            }
        }
        Ok(())
    }

    /// Begins the log, unless it has begun.
    async fn begin(&mut self, entry: Arc<[u8]>) -> Result<(), Trouble> {
        match begin::begin(&self.link).await? {
            Some(life) => {
                self.begins = true;
                self.publish(&life, entry).await?;
            }
            None => self.settle(1),
        }
        self.shared.has_news.notify_one();
        Ok(())
    }

    async fn publish(&mut self, life: &Life, entry: Arc<[u8]>) -> Result<(), Trouble> {
        let channel = match &self.channel {
            Some(channel) => channel.clone(),
            None => self.open().await?,
        };
        let (bytes, exchange) = (entry.len(), (*self.shared.config.stream).into());
        let key = (*life.0).into();
        // An append comes back if no queue takes it.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let mut fate: Pin<Box<dyn Future<Output = Fate>>> = Box::pin(async move {
            let properties = BasicProperties::default();
            channel.basic_publish(exchange, key, options, &entry, properties).await?.await
        });
        // The first poll gives it to the connection, behind those before it. What it returns is there to be asked for again.
        let late = Instant::now() + self.link.place.config.patience();
        if let Poll::Ready(known) = poll_now(fate.as_mut()) {
            fate = Box::pin(async move { known });
        }
        self.bytes += bytes;
        self.flights.push_back(Flight { fate, bytes, late });
        Ok(())
    }

    async fn open(&mut self) -> Result<Channel, Trouble> {
        let confirm =
            async |channel: &Channel| channel.confirm_select(ConfirmSelectOptions::default()).await;
        let opened = self.link.ask(Duration::ZERO, confirm).await?;
        let (channel, ()) = opened.map_err(|closed| self.link.place.of_closed(&closed))?;
        self.channel = Some(channel.clone());
        Ok(channel)
    }

    // --- Answers ---------------------------------------------------------------------------------

    /// Takes the fate of the first append on its way, and of those behind it that are known.
    async fn take_all(&mut self, mut fate: Fate) -> Result<(), Trouble> {
        let mut landed = 0;
        loop {
            if let Some(rejection) = self.rejection_of(&fate)? {
                self.settle(landed);
                return self.reject(rejection).await;
            }
            let flight = self.flights.pop_front().expect("its fate is known");
            self.bytes -= flight.bytes;
            landed += 1;
            match self.flights.front_mut().map(|flight| poll_now(flight.fate.as_mut())) {
                Some(Poll::Ready(next)) => fate = next,
                Some(Poll::Pending) | None => break,
            }
        }
        self.settle(landed);
        // Each answer shows that the server works on the rest.
        let late = Instant::now() + self.link.place.config.patience();
        self.flights.front_mut().into_iter().for_each(|flight| flight.late = late);
        if core::mem::take(&mut self.begins) {
            self.shared.has_news.notify_one();
        }
        Ok(())
    }

    /// Why an append was rejected; `None` if it has landed. Otherwise it is a reason to connect anew.
    fn rejection_of(&self, fate: &Fate) -> Result<Option<Rejection>, Trouble> {
        let place = self.link.place;
        let closed = match fate {
            Ok(Confirmation::Ack(None) | Confirmation::NotRequested) => return Ok(None),
            // No queue has this routing key: the stream is another one, or none.
            Ok(Confirmation::Ack(Some(back))) if back.reply_code == code::NO_ROUTE => {
                return Ok(Some(Rejection::Gone));
            }
            Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(_)) => {
                let what = "does not take an entry: the stream has no leader";
                return Err(place.trouble(TroubleKind::NoLeader, what));
            }
            Err(error) => self.link.closed(error)?,
        };
        rejection(&closed).map(Some).ok_or_else(|| place.of_closed(&closed))
    }

    fn settle(&self, jobs: usize) {
        if jobs > 0 {
            self.shared.tasks.queues.settle(jobs, Some(SOMEWHERE));
        }
    }

    /// Drops everything. What is on its way may be in the log all the same. lapin sends the end of a channel before the
    /// messages that wait for their turn on it, which RabbitMQ does not allow: so the connection is another one then.
    async fn reject(&mut self, rejection: Rejection) -> Result<(), Trouble> {
        self.drop_all(rejection);
        if self.channel.take().is_some() {
            self.link = Link::open(self.link.place).await?;
        }
        Ok(())
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
        if let Some(reason) = self.link.line.blocked.clone().filter(|_| has_more) {
            let reason = quoted(&reason);
            let what = format!(
                "takes no entries until it has more memory, or room on its disk ({reason})"
            );
            let trouble = self.link.place.trouble(TroubleKind::Full, what);
            self.drop_all(Rejection::Full(trouble));
        }
    }
}

/// The fate of the first append on its way. This may be dropped, and asked for again.
async fn fate(flights: &mut VecDeque<Flight>) -> Fate {
    poll_fn(|cx| match flights.front_mut() {
        Some(flight) => flight.fate.as_mut().poll(cx),
        None => Poll::Pending,
    })
    .await
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
