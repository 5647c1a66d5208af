//! Appends: batches one after the other, some of them on their way at a time, over one connection.
//!
//! A server that does not compare the topic has one batch at a time. The request for the topic follows the batch on the same
//! connection, so the next batch needs no round trip more.

use core::convert::Infallible;
use std::collections::VecDeque;
use std::sync::Arc;

use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use sockeye_backbone::driver::Job as _;
use sockeye_backbone::{Event, Rejection, Trouble, TroubleKind};
use tokio::select;
use tokio::time::{Instant, sleep_until, timeout};

use crate::batch;
use crate::begin;
use crate::link::Link;
use crate::range::position;
use crate::shared::{Job, Shared};
use crate::topic::{Cluster, Life};
use crate::trouble::is_missing;
use crate::versions::PRODUCE_BY_ID;

/// The entries and the bytes of one batch. A larger entry goes alone.
const BATCH_ENTRIES_MAX: usize = 1024;
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// Batches whose fate may be unknown, where the server compares the topic. A broker does one after the other.
const FLIGHTS_MAX: usize = 4;

/// All replicas that are in sync have to confirm.
const ACKS_ALL: i16 = -1;

/// A batch on its way.
struct Flight {
    entries: usize,
    /// The request for the topic follows it.
    asks_topic: bool,
    late: Instant,
}

/// The appends of one session.
pub(crate) struct Appender<'s, 'c> {
    shared: &'s Shared,
    link: Link<'c>,
    /// The server knows requests that name the topic by its identifier.
    names_life: bool,
    flights: VecDeque<Flight>,
    /// The topic, as the server told of it behind the batch that has just landed. Only a batch that follows at once may use it.
    told: Option<Option<Life>>,
}

impl<'s, 'c> Appender<'s, 'c> {
    pub(crate) fn new(shared: &'s Shared, link: Link<'c>) -> Self {
        let names_life = link.version::<ProduceRequest>(i16::MAX) >= Some(PRODUCE_BY_ID);
        Self { shared, link, names_life, flights: VecDeque::new(), told: None }
    }

    /// Appends until the session is over.
    pub(crate) async fn run(&mut self) -> Result<Infallible, Trouble> {
        loop {
            self.send().await?;
            self.told = None;
            let (shared, front) = (self.shared, self.flights.front());
            let (is_flying, late) =
                (front.is_some(), front.map_or_else(Instant::now, |flight| flight.late));
            select! {
                answer = self.link.receive::<ProduceRequest>(), if is_flying => {
                    let answer = answer?;
                    let partition = answer.responses.first();
                    let partition = partition.and_then(|topic| topic.partition_responses.first());
                    let strange = || self.link.place.strange("no partition is told of");
                    let partition = partition.ok_or_else(strange)?.clone();
                    self.land(&partition).await?;
                }
                () = sleep_until(late), if is_flying => return Err(self.link.place.late()),
                () = shared.tasks.has_appends.notified() => {}
            }
        }
    }

    /// Sends what waits, as far as there is room.
    async fn send(&mut self) -> Result<(), Trouble> {
        let flights_max = if self.names_life { FLIGHTS_MAX } else { 1 };
        while self.flights.len() < flights_max {
            // The answers to what begins a log come in their order, too.
            let is_alone = self.flights.is_empty();
            let fits = |job: &Job| is_alone || matches!(job, Job::Entry(..));
            match self.shared.tasks.queues.take_job_if(fits) {
                None => break,
                Some(Job::Begin(entry)) => self.begin(&entry).await?,
                Some(Job::Entry(life, entry)) => self.batch(life, entry).await?,
            }
        }
        Ok(())
    }

    /// Begins the log, unless it has begun.
    async fn begin(&mut self, entry: &Arc<[u8]>) -> Result<(), Trouble> {
        self.told = None;
        match begin::begin(&mut self.link, self.shared).await? {
            Some(life) => self.produce(life, core::slice::from_ref(entry)).await,
            None => {
                self.shared.tasks.queues.settle(1, None);
                self.shared.tasks.has_begun.notify_one();
                Ok(())
            }
        }
    }

    /// Sends an entry, and those behind it for which there is room.
    async fn batch(&mut self, life: Option<Life>, first: Arc<[u8]>) -> Result<(), Trouble> {
        let Some(life) = life else {
            // The owner knows of no topic. If there is one, it is not the one that this was meant for.
            self.reject(Rejection::Gone);
            return Ok(());
        };
        if !self.is_there(life).await? {
            self.reject(Rejection::Gone);
            return Ok(());
        }
        let room = batch::room(self.shared.batch_bytes_max()).min(BATCH_BYTES_MAX);
        let mut bytes = batch::record_bytes(first.len());
        let mut entries = vec![first];
        while entries.len() < BATCH_ENTRIES_MAX {
            let fits = |job: &Job| {
                matches!(job, Job::Entry(of, _) if *of == Some(life))
                    && bytes + batch::record_bytes(job.bytes()) <= room
            };
            let Some(Job::Entry(_, entry)) = self.shared.tasks.queues.take_job_if(fits) else {
                break;
            };
            bytes += batch::record_bytes(entry.len());
            entries.push(entry);
        }
        self.produce(life, &entries).await
    }

    /// Whether the servers have a topic. One that does not compare it is asked right before the append: an append that
    /// came into a new topic before its first entry would be a log whose beginning is not known.
    async fn is_there(&mut self, life: Life) -> Result<bool, Trouble> {
        let known = match self.told.take() {
            _ if self.compares(life) => self.shared.life(),
            Some(told) => told,
            None => Cluster::describe(&mut self.link).await?.topic.map(|topic| topic.life),
        };
        Ok(known == Some(life))
    }

    /// Whether the server compares a topic with the one that it has, or no server can.
    fn compares(&self, life: Life) -> bool {
        self.names_life || life.0.is_nil()
    }

    /// Sends a batch. It names the topic by its identifier, if the server knows such requests.
    async fn produce(&mut self, life: Life, entries: &[Arc<[u8]>]) -> Result<(), Trouble> {
        let link = &mut self.link;
        let version_max = if life.0.is_nil() { PRODUCE_BY_ID - 1 } else { i16::MAX };
        let version = link.version::<ProduceRequest>(version_max).ok_or_else(|| link.lacks())?;
        let topic = if version < PRODUCE_BY_ID {
            TopicProduceData::default().with_name(self.shared.topic_name())
        } else {
            TopicProduceData::default().with_topic_id(life.0)
        };
        let partition = PartitionProduceData::default().with_records(Some(batch::encode(entries)));
        let patience = link.place.config.patience();
        let request = ProduceRequest::default()
            .with_acks(ACKS_ALL)
            .with_timeout_ms(i32::try_from(patience.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(vec![topic.with_partition_data(vec![partition])]);
        link.send_version(&request, version).await?;
        // The next batch can follow the answer then.
        let asks_topic = !self.compares(life) && self.shared.tasks.queues.has_jobs();
        if asks_topic {
            Cluster::send(&mut self.link).await?;
        }
        // Each of those before may take the patience.
        let flights = u32::try_from(self.flights.len()).unwrap_or(u32::MAX);
        let late = Instant::now() + patience.saturating_mul(flights.saturating_add(1));
        self.flights.push_back(Flight { entries: entries.len(), asks_topic, late });
        Ok(())
    }

    /// Takes the answer to the oldest batch on its way.
    async fn land(&mut self, answer: &PartitionProduceResponse) -> Result<(), Trouble> {
        let Some(flight) = self.flights.pop_front() else { return Ok(()) };
        if flight.asks_topic {
            self.told = Some(self.receive_topic().await?);
        }
        if let Some(code) = answer.error_code.err() {
            return self.fail(code).await;
        }
        let entries = i64::try_from(flight.entries).unwrap_or(i64::MAX);
        let newest = position(answer.base_offset.saturating_add(entries - 1));
        self.shared.tasks.queues.settle(flight.entries, Some(newest));
        if self.link.place.config.replicas > 1 {
            self.shared.tasks.queues.tell(Event::Replicated(newest));
        }
        // What is read by the next request may begin with it.
        self.shared.tasks.has_turn.notify_one();
        if self.shared.life().is_none() {
            self.shared.tasks.has_begun.notify_one();
        }
        Ok(())
    }

    /// Takes the answer to the request for the topic.
    async fn receive_topic(&mut self) -> Result<Option<Life>, Trouble> {
        let patience = self.link.place.config.patience();
        let told = timeout(patience, Cluster::receive(&mut self.link)).await;
        let told = told.map_err(|_| self.link.place.late())??;
        Ok(told.topic.map(|topic| topic.life))
    }

    /// A batch is not in the log, or nobody knows.
    async fn fail(&mut self, code: ResponseError) -> Result<(), Trouble> {
        if is_missing(code) {
            self.drain().await?;
            // A broker that is not the leader any more may say this, too.
            if Cluster::describe(&mut self.link).await?.topic.is_some() {
                let what = "takes no entries: the topic has no leader, or was created again";
                return Err(self.link.place.trouble(TroubleKind::NoLeader, what));
            }
            self.reject(Rejection::Gone);
            return Ok(());
        }
        let place = self.link.place;
        let rejection = place.rejection(code).ok_or_else(|| place.of_code(code))?;
        self.drain().await?;
        self.reject(rejection);
        Ok(())
    }

    /// Waits for the answers to the batches behind one that was refused. Those that are taken stand behind a hole, and
    /// readers pass over them.
    async fn drain(&mut self) -> Result<(), Trouble> {
        while let Some(flight) = self.flights.pop_front() {
            let late = flight.late;
            select! {
                answer = self.link.receive::<ProduceRequest>() => drop(answer?),
                () = sleep_until(late) => return Err(self.link.place.late()),
            }
        }
        Ok(())
    }

    fn reject(&self, rejection: Rejection) {
        self.shared.tasks.queues.reject(rejection);
    }
}
