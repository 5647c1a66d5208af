//! A session: connections to the brokers, the membership, and what was read.

use core::time::Duration;
use std::collections::VecDeque;

use kafka_protocol::error::{ParseResponseErrorCode as _, ResponseError};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, FetchResponse, ListOffsetsRequest};
use sockeye_backbone::driver::Server;
use sockeye_backbone::{Trouble, TroubleKind};
use sockeye_source::{Id, Message, Room};
use tokio::time::timeout;

use super::cluster::{Broker, Layout};
use super::group::{Group, Member, of_code};
use super::place::Place;
use super::records::{self, Bounds, Found, Progress, Record, Rest, Unreadable};
use super::url::KafkaSourceConfig;
use crate::versions::FETCH_BY_ID;

/// The shortest wait for records: Tansu 0.6 says nothing if the time is over before it has looked.
const WAIT_MIN: Duration = Duration::from_millis(20);

/// The bytes of an answer, and those of a partition in it. The first batch may be larger.
const ANSWER_BYTES: i32 = 4 * 1024 * 1024;
const PARTITION_BYTES: i32 = 1024 * 1024;

/// The cost of the messages of one round. The last record may exceed it. What is left of a batch is kept, or asked for again.
const ROUND_BYTES: usize = 16 * 1024 * 1024;

/// How many unpacked batches are kept between rounds, one a partition, each of up to `batch_bytes_max`. A further partition reads
/// what the round has room for, and asks for its batch again in the next.
const RESTS_MAX: usize = 2;

/// Only records of transactions that have ended.
const READ_COMMITTED: i8 = 1;

/// The times that stand for the ends of a partition.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// A session that has connections.
pub(super) struct Session {
    layout: Layout,
    /// What identifiers of messages begin with.
    life: Box<str>,
    group: Group,
    partitions: Vec<Partition>,
    /// Messages that were read and not taken, in the order of their partitions.
    waiting: VecDeque<Message>,
    /// The cost that is left to this round.
    room: usize,
    /// The partition whose turn the latest round was.
    first: usize,
}

/// A partition that is read.
struct Partition {
    index: i32,
    leader: usize,
    place: Place,
    /// The offset behind the last one, as far as it was told.
    high: Option<i64>,
    /// The rest of a batch. The leader is asked for more when all of it is read.
    rest: Option<Rest>,
}

impl Session {
    /// Connects to the brokers that one of them names.
    pub(super) async fn connect(
        server: &Server,
        config: &KafkaSourceConfig,
    ) -> Result<Self, Trouble> {
        let mut layout = Layout::ask(Broker::new(-1, server.clone()), &config.kafka).await?;
        let group = Group::find(&mut layout, config).await?;
        let life = layout.life.simple().to_string().into();
        let (partitions, waiting) = (Vec::new(), VecDeque::new());
        Ok(Self { layout, life, group, partitions, waiting, room: 0, first: 0 })
    }

    /// Whether the messages are this process's: then it begins with those that are not acknowledged.
    pub(super) async fn open(
        &mut self,
        config: &KafkaSourceConfig,
        member: &mut Member,
    ) -> Result<bool, Trouble> {
        if !self.group.is_owner(&mut self.layout, config, member).await? {
            return Ok(false);
        }
        let commits = self.group.committed(&mut self.layout, config).await?;
        let life = &self.life;
        let partition = |(index, leader): &(i32, usize)| {
            let commit = commits.iter().find(|(of, ..)| of == index);
            let place = commit.map(|(_, floor, metadata)| Place::committed(life, *floor, metadata));
            let place = place.unwrap_or_default();
            Partition { index: *index, leader: *leader, place, high: None, rest: None }
        };
        self.partitions = self.layout.partitions.iter().map(partition).collect();
        self.waiting.clear();
        Ok(true)
    }

    /// Takes the next messages. If there are none, it waits for so long.
    pub(super) async fn take(
        &mut self,
        config: &KafkaSourceConfig,
        member: &mut Member,
        (room, wait): (Room, Duration),
        into: &mut Vec<Message>,
    ) -> Result<(), Trouble> {
        self.group.beat(&mut self.layout, config, member).await?;
        if self.waiting.is_empty() && !room.is_none() {
            self.fetch(config, wait.max(WAIT_MIN)).await?;
        }
        let (mut entries, mut bytes) = (0, 0);
        while entries < room.entries && bytes < room.bytes {
            let Some(message) = self.waiting.pop_front() else { break };
            // It may be acknowledged already: it was published in an earlier session, and its receipt came after this one had
            // read it.
            if !message.is_gone && !self.is_pending(&message.id) {
                continue;
            }
            (entries, bytes) = (entries + 1, bytes + message.cost());
            into.push(message);
        }
        Ok(())
    }

    /// Notes that messages are published, and commits what follows from it.
    pub(super) async fn acknowledge(
        &mut self,
        config: &KafkaSourceConfig,
        member: &mut Member,
        ids: &[Id],
    ) -> Result<(), Trouble> {
        for id in ids {
            let Some((index, offset)) = self.read_id(id) else { continue };
            let partition = self.partitions.iter_mut().find(|it| it.index == index);
            partition.into_iter().for_each(|it| it.place.acknowledge(offset));
        }
        self.commit(config, member).await
    }

    /// The partition and the offset of an identifier of this topic.
    fn read_id(&self, id: &str) -> Option<(i32, i64)> {
        let (life, place) = id.split_once('-')?;
        let (index, offset) = place.split_once('-')?;
        (*life == *self.life).then_some((index.parse().ok()?, offset.parse().ok()?))
    }

    /// Whether a message was read and is not acknowledged.
    fn is_pending(&self, id: &str) -> bool {
        self.read_id(id).is_some_and(|(index, offset)| {
            let at = self.partitions.binary_search_by_key(&index, |it| it.index);
            at.is_ok_and(|at| self.partitions[at].place.is_pending(offset))
        })
    }

    async fn commit(
        &mut self,
        config: &KafkaSourceConfig,
        member: &mut Member,
    ) -> Result<(), Trouble> {
        let news = |it: &Partition| {
            let (floor, metadata) = it.place.commit(&self.life)?;
            Some((it.index, floor, metadata))
        };
        let commits: Vec<_> = self.partitions.iter().filter_map(news).collect();
        if commits.is_empty() {
            return Ok(());
        }
        self.group.commit(&mut self.layout, config, member, &commits).await?;
        for (index, floor, metadata) in commits {
            let partition = self.partitions.iter_mut().find(|it| it.index == index);
            partition.into_iter().for_each(|it| it.place.told((floor, metadata.clone())));
        }
        Ok(())
    }

    /// The messages that were not read, and those that are not acknowledged; `None` if a partition has not told its end.
    pub(super) async fn pending(
        &mut self,
        config: &KafkaSourceConfig,
        member: &mut Member,
    ) -> Result<Option<u64>, Trouble> {
        // The end of a transaction moves the place, too.
        self.commit(config, member).await?;
        let count = |it: &Partition| {
            let ahead = u64::try_from(it.high?.saturating_sub(it.place.next())).unwrap_or_default();
            Some(ahead + it.place.pending() as u64)
        };
        Ok(self.partitions.iter().map(count).sum())
    }

    /// Ends the connections. The next request opens new ones.
    pub(super) fn hang_up(&mut self) {
        self.layout.brokers.iter_mut().for_each(Broker::hang_up);
    }

    /// Leaves the group.
    pub(super) async fn leave(
        &mut self,
        config: &KafkaSourceConfig,
        member: &Member,
    ) -> Result<(), Trouble> {
        self.group.leave(&mut self.layout, config, member).await
    }

    // --- Reading ---------------------------------------------------------------------------------

    /// Reads the kept batch of the partition whose turn it is. If that gives no message, asks the leaders for more, and then
    /// reads the other kept batches.
    async fn fetch(&mut self, config: &KafkaSourceConfig, wait: Duration) -> Result<(), Trouble> {
        self.first = (self.first + 1) % self.partitions.len().max(1);
        self.room = ROUND_BYTES;
        self.read_rest(config, self.first);
        if !self.waiting.is_empty() {
            return Ok(());
        }
        let has_rest = |it: &Partition| it.rest.is_some() && it.place.has_room();
        let has_rests = self.partitions.iter().any(has_rest);
        self.ask(config, if has_rests { WAIT_MIN } else { wait }).await?;
        (0..self.partitions.len()).for_each(|which| self.read_rest(config, which));
        Ok(())
    }

    /// Asks the leaders of the partitions without a kept batch, and reads what they have.
    async fn ask(&mut self, config: &KafkaSourceConfig, wait: Duration) -> Result<(), Trouble> {
        let life = self.layout.life;
        let mut asked = Vec::new();
        for (at, broker) in self.layout.brokers.iter_mut().enumerate() {
            let (behind, ahead) = self.partitions.split_at(self.first);
            let of_broker = ahead.iter().chain(behind).filter(|it| it.leader == at);
            let lacks = |it: &&Partition| it.rest.is_none() && it.place.has_room();
            let wanted: Vec<_> = of_broker.filter(lacks).map(wanted).collect();
            if wanted.is_empty() {
                continue;
            }
            let send = async |link: &mut crate::link::Link<'_>| {
                let version = link.version::<FetchRequest>(i16::MAX).ok_or_else(|| link.lacks())?;
                let topic = match version < FETCH_BY_ID {
                    true => FetchTopic::default().with_topic(config.topic_name()),
                    false => FetchTopic::default().with_topic_id(life),
                };
                let request = fetch_request(topic.with_partitions(wanted), wait);
                link.send_version(&request, version).await
            };
            broker.run(&config.kafka, send).await?;
            asked.push(at);
        }
        // The first answer may take all the room. So the leader of the partition whose turn it is comes first; its request names
        // that partition first.
        let leader = self.partitions.get(self.first).map(|it| it.leader);
        let turn = asked.iter().position(|at| Some(*at) == leader);
        asked.rotate_left(turn.unwrap_or_default());
        let late = wait + config.kafka.patience();
        for at in asked {
            let broker = &mut self.layout.brokers[at];
            let answer = broker.run(&config.kafka, async |link| {
                let answer = timeout(late, link.receive::<FetchRequest>()).await;
                answer.map_err(|_| link.place.late())?
            });
            let answer = answer.await?;
            self.hear(config, at, &answer).await?;
        }
        Ok(())
    }

    /// Takes what a leader has answered. An answer may say nothing: Tansu 0.6 does so if it has not looked in time.
    async fn hear(
        &mut self,
        config: &KafkaSourceConfig,
        at: usize,
        answer: &FetchResponse,
    ) -> Result<(), Trouble> {
        if let Some(code) = answer.error_code.err() {
            return Err(of_code(&self.layout.brokers[at], config, code));
        }
        for data in answer.responses.iter().flat_map(|topic| &topic.partitions) {
            let index = data.partition_index;
            // A leader may answer for what it was asked, and for nothing else.
            let is_asked =
                |it: &Partition| it.index == index && it.leader == at && it.rest.is_none();
            let Some(which) = self.partitions.iter().position(is_asked) else {
                continue;
            };
            match data.error_code.err() {
                None => self.read(config, which, data)?,
                // Messages that wait are handed over first. The next round meets the same answer.
                Some(ResponseError::OffsetOutOfRange) if !self.waiting.is_empty() => {}
                Some(ResponseError::OffsetOutOfRange) => self.find(config, which).await?,
                // The broker does not know yet how far the log is confirmed.
                Some(ResponseError::OffsetNotAvailable) => {}
                Some(code) => return Err(of_code(&self.layout.brokers[at], config, code)),
            }
        }
        Ok(())
    }

    /// Reads the records of a partition.
    fn read(
        &mut self,
        config: &KafkaSourceConfig,
        which: usize,
        data: &PartitionData,
    ) -> Result<(), Trouble> {
        let partition = &mut self.partitions[which];
        let (from, leader) = (partition.place.next(), partition.leader);
        let end = match data.last_stable_offset {
            ..0 => data.high_watermark,
            stable => stable,
        };
        partition.high = Some(end);
        let aborted = data.aborted_transactions.iter().flatten();
        let aborted: Vec<_> = aborted.map(|it| (it.producer_id.0, it.first_offset)).collect();
        let bytes = data.records.clone().unwrap_or_default();
        let read = self.read_by(config, which, |room, found| {
            let mut bounds = Bounds { batch_bytes_max: config.batch_bytes_max, room: *room };
            let read = records::read(&bytes, from, &aborted, &mut bounds, found);
            *room = bounds.room;
            read
        });
        // Messages that were read before are published first. The next round meets this batch again.
        if read.is_err() && !self.waiting.is_empty() {
            return Ok(());
        }
        let broker = self.layout.brokers[leader].place(&config.kafka);
        read.map_err(|why| match why {
            Unreadable::Malformed => broker.strange("the records are none"),
            Unreadable::Checksum => broker.strange("the checksum of records is wrong"),
            Unreadable::Old => broker.trouble(
                TroubleKind::Settings,
                "has records of Kafka before 0.11, which a source does not read",
            ),
        })
    }

    /// Reads what is left of a batch, if the partition may be read.
    fn read_rest(&mut self, config: &KafkaSourceConfig, which: usize) {
        let partition = self.partitions.get_mut(which).filter(|it| it.place.has_room());
        let Some(mut rest) = partition.and_then(|it| it.rest.take()) else { return };
        let read = self.read_by(config, which, |room, found| {
            let next = rest.read(room, found);
            Ok((next, (!rest.is_read()).then_some(rest)))
        });
        read.expect("records that are unpacked were batches");
    }

    /// Reads records of a partition, and keeps those that are not done.
    fn read_by(
        &mut self,
        config: &KafkaSourceConfig,
        which: usize,
        read: impl FnOnce(&mut usize, &mut dyn FnMut(Found<'_>)) -> Result<Progress, Unreadable>,
    ) -> Result<(), Unreadable> {
        let rests = self.partitions.iter().filter(|it| it.rest.is_some()).count();
        let partition = &mut self.partitions[which];
        let (next, rest) = read(&mut self.room, &mut |found| {
            let (Found::Record(Record { offset, .. }) | Found::Flaw(offset, _)) = &found;
            if partition.place.read(*offset) {
                let message = message(&self.life, partition.index, &found, &config.null);
                self.waiting.push_back(message);
            }
        })?;
        partition.place.read_to(next);
        partition.rest = rest.filter(|_| rests < RESTS_MAX);
        Ok(())
    }

    /// Goes on in a partition that has not the offset that is next: where it begins, or ends.
    async fn find(&mut self, config: &KafkaSourceConfig, which: usize) -> Result<(), Trouble> {
        let [start, high] = self.ends(config, which).await?;
        let partition = &mut self.partitions[which];
        let next = partition.place.next();
        if next < start {
            // A topic that is read from its beginning begins where it does.
            if next > 0 {
                let id = identifier(&self.life, partition.index, next);
                self.waiting.push_back(Message { id, is_gone: true, ..Message::default() });
            }
            partition.place.jump_to(start);
        } else if next > high {
            // The log has lost its tail. What comes there now was never published.
            partition.place.jump_to(high);
        }
        partition.high = Some(high);
        Ok(())
    }

    /// The first offset of a partition, and the one behind its last.
    async fn ends(
        &mut self,
        config: &KafkaSourceConfig,
        which: usize,
    ) -> Result<[i64; 2], Trouble> {
        let Partition { index, leader, .. } = self.partitions[which];
        let broker = &mut self.layout.brokers[leader];
        let mut ends = [0; 2];
        for (end, time) in ends.iter_mut().zip([EARLIEST, LATEST]) {
            let partition =
                ListOffsetsPartition::default().with_partition_index(index).with_timestamp(time);
            let topic = ListOffsetsTopic::default()
                .with_name(config.topic_name())
                .with_partitions(vec![partition]);
            let request = ListOffsetsRequest::default()
                .with_replica_id(BrokerId(-1))
                .with_topics(vec![topic]);
            let answer = broker.ask(&config.kafka, &request, Duration::ZERO).await?;
            let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
            let strange = || broker.place(&config.kafka).strange("no partition is told of");
            let partition = partition.ok_or_else(strange)?;
            if let Some(code) = partition.error_code.err() {
                return Err(of_code(broker, config, code));
            }
            *end = partition.offset;
        }
        Ok(ends)
    }
}

fn wanted(partition: &Partition) -> FetchPartition {
    FetchPartition::default()
        .with_partition(partition.index)
        .with_fetch_offset(partition.place.next())
        .with_partition_max_bytes(PARTITION_BYTES)
}

fn fetch_request(topic: FetchTopic, wait: Duration) -> FetchRequest {
    FetchRequest::default()
        .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(1)
        .with_max_bytes(ANSWER_BYTES)
        .with_isolation_level(READ_COMMITTED)
        .with_topics(vec![topic])
}

fn identifier(life: &str, index: i32, offset: i64) -> Id {
    format!("{life}-{index}-{offset}").into()
}

/// The message of a record, or of those that cannot be read.
fn message(life: &str, index: i32, found: &Found<'_>, null: &str) -> Message {
    match found {
        Found::Record(record) => of_record(life, index, record, null),
        Found::Flaw(offset, flaw) => {
            let (id, flaw) = (identifier(life, index, *offset), Some(flaw.clone()));
            Message { id, flaw, ..Message::default() }
        }
    }
}

/// The message of a record. Its key and its headers are fields, if they are texts.
fn of_record(life: &str, index: i32, record: &Record<'_>, null: &str) -> Message {
    let text = |bytes| str::from_utf8(bytes).ok().map(Box::from);
    let mut fields: Vec<(Box<str>, Box<str>)> = Vec::new();
    fields.extend(record.key.and_then(text).map(|key| ("key".into(), key)));
    fields.extend(
        record.headers.iter().filter_map(|(name, value)| Option::zip(text(name), text(value))),
    );
    Message {
        id: identifier(life, index, record.offset),
        body: record.value.unwrap_or(null.as_bytes()).to_vec(),
        fields,
        ..Message::default()
    }
}
