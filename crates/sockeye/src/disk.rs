//! The log on disk behind the service.

use std::path::Path;

use sockeye_hub::{ChannelName, Config, Cursor, Epoch, Seq};
use sockeye_log::{Limits, Outcome, Recovered, Start, Store, Writer};
use sockeye_server::Waker;
use sockeye_service::wire::Payload;
use sockeye_service::{Log, LogState, Record, Service};

use crate::{Failure, OrFail};

/// Bytes of a record for each byte of a message: JSON may write a control character as six.
const ESCAPED_MAX: u64 = 6;

/// Bytes of a record besides its message, at the most: names, key, what the log adds.
const OVERHEAD_BYTES: u64 = 16 * 1024;

/// A writer on a thread of its own, as the service wants it.
struct Disk {
    writer: Writer,
    /// The largest record that a message can make.
    record_bytes_max: u64,
    through: Seq,
    failed: bool,
    /// The last outcome was that it could not take something: said once.
    refusing: bool,
    /// When old records were asked to go.
    expired_ms: u64,
}

/// How often old records are asked to go, in milliseconds.
const EXPIRE_MS: u64 = 10_000;

impl Log for Disk {
    fn advance(&mut self, now_ms: u64) {
        if now_ms >= self.expired_ms.saturating_add(EXPIRE_MS) {
            self.expired_ms = now_ms;
            self.writer.expire(now_ms);
        }
    }

    fn has_room(&self) -> bool {
        self.writer.room(self.record_bytes_max).is_ok()
    }

    fn append(&mut self, record: &Record<'_>) {
        let pushed = self.writer.push(sockeye_log::Record {
            seq: record.position.seq.0,
            time_ms: record.time_ms,
            kind: record.kind_number(),
            channel: record.channel.as_str().into(),
            key: record.key.map(Into::into),
            body: record.payload.to_log(),
        });
        if let Err(refused) = pushed {
            // There was room, so this is the end of the log; its publisher is told.
            log::error!("the log takes nothing more: {refused}");
            self.failed = true;
        }
    }

    fn settled(&mut self) -> LogState {
        match self.writer.poll() {
            _ if self.failed => LogState::Failed,
            Some(Outcome::Durable { through }) => {
                self.through = Seq(through);
                if core::mem::take(&mut self.refusing) {
                    log::info!(through; "the log takes publications again");
                }
                LogState::Through(self.through)
            }
            Some(Outcome::Refused { through, why }) => {
                if !core::mem::replace(&mut self.refusing, true) {
                    log::error!(through, why:%; "the log refuses publications");
                }
                LogState::Refused(Seq(through))
            }
            Some(Outcome::Unknown { through, why }) => {
                log::error!(through, why:%; "the log has failed; what it was given last may be lost");
                self.failed = true;
                LogState::Failed
            }
            None => LogState::Through(self.through),
        }
    }
}

/// Opens the log in `dir`, and gives a service that goes on where it was.
pub(crate) fn recover(
    dir: &Path,
    fresh_epoch: Epoch,
    hub: Config,
    limits: sockeye_service::Limits,
    waker: Waker,
) -> Result<Service, Failure> {
    if dir.exists() && !dir.is_dir() {
        let dir = dir.display();
        return Err(Failure(format!("{dir} is no directory; the log needs one for its files")));
    }
    let opening = || format!("cannot open the log in {}", dir.display());
    let log_limits = log_limits(&hub);
    let record_bytes_max = log_limits.record_bytes_max;
    let (store, found) = Store::open(dir, log_limits, fresh_epoch.0).or_fail(opening)?;
    tell(&found);
    let mut service = Service::new(Epoch(found.epoch), hub, limits);
    restore(&mut service, &store, &found).or_fail(opening)?;
    let wake = Box::new(move || {
        // A loop that cannot be woken has ended already.
        let _ = waker.wake();
    });
    let writer = Writer::spawn(store, wake).or_fail(opening)?;
    Ok(service.with_log(Box::new(Disk {
        writer,
        record_bytes_max,
        through: Seq(found.head),
        failed: false,
        refusing: false,
        expired_ms: 0,
    })))
}

/// Cost of the largest message that any namespace takes.
pub(crate) fn message_bytes_max(hub: &Config) -> usize {
    let namespaces = hub.namespaces.iter().map(|(_, settings)| settings);
    namespaces.chain([&hub.settings]).map(|it| it.message_bytes_max).max().unwrap_or(0)
}

/// The log takes whatever the hub does: a record that is refused once it has its place is the end
/// of the log.
fn log_limits(hub: &Config) -> Limits {
    let largest = u64::try_from(message_bytes_max(hub)).unwrap_or(u64::MAX);
    let record = largest.saturating_mul(ESCAPED_MAX).saturating_add(OVERHEAD_BYTES);
    let mut limits = Limits::default();
    // A key lives no longer than the record that has it.
    let namespaces = hub.namespaces.iter().map(|(_, settings)| settings);
    let key_ms = namespaces.chain([&hub.settings]).map(|it| it.key_ms).max().unwrap_or(0);
    limits.age_ms = limits.age_ms.max(key_ms);
    limits.record_bytes_max = limits.record_bytes_max.max(record);
    limits.batch_bytes_max = limits.batch_bytes_max.max(limits.record_bytes_max);
    // Several of the largest may wait, and not only one.
    limits.queue_bytes_max = limits.queue_bytes_max.max(limits.record_bytes_max.saturating_mul(4));
    limits.bytes_max = limits.bytes_max.max(limits.batch_bytes_max);
    limits
}

fn restore(service: &mut Service, store: &Store, found: &Recovered) -> Result<(), String> {
    let mut problem = None;
    service.restore_floor(Seq(found.floor)).map_err(|error| error.to_string())?;
    let replayed = store.replay(|kept| {
        if problem.is_none() {
            problem = take_back(service, found.epoch, &kept).err();
        }
    });
    replayed.map_err(|error| error.to_string())?;
    match problem {
        Some(problem) => Err(problem),
        None => service.restore_head(Seq(found.head)).map_err(|error| error.to_string()),
    }
}

fn take_back(service: &mut Service, epoch: u64, kept: &sockeye_log::Record) -> Result<(), String> {
    let place = |what: &str| format!("the record at {} has {what}", kept.seq);
    let payload = Payload::from_log(&kept.body).ok_or_else(|| place("no payload"))?;
    let record = Record {
        position: Cursor { epoch: Epoch(epoch), seq: Seq(kept.seq) },
        channel: ChannelName::new(&kept.channel).map_err(|_| place("no channel"))?,
        time_ms: kept.time_ms,
        kind: Record::kind_of(kept.kind).ok_or_else(|| place("an unknown kind"))?,
        payload: &payload,
        key: kept.key.as_deref(),
    };
    service.restore(&record).map_err(|error| error.to_string())
}

fn tell(found: &Recovered) {
    match found.start {
        Start::Fresh => log::info!("a new log"),
        Start::Resumed => {
            log::info!("the log goes on at {}, {} records", found.head, found.records);
        }
        Start::Damaged(damage) => {
            log::error!("the log was damaged ({damage:?}) and is set aside; a new one begins");
        }
    }
}
