//! Opens the log on disk, restores a service from it, and writes the service's records to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use signal_hook::consts::SIGXFSZ;
use sockeye_hub::{ChannelName, Check, Epoch, Run, Seq};
use sockeye_log::{
    Control, Damage, Limits, Options, Outcome, Readers, Recovered, Refused, Start, Store, Writer,
};
use sockeye_server::Waker;
use sockeye_service::sequencing::{NamespaceUse, Storage};
use sockeye_service::wire::Payload;
use sockeye_service::{Log, LogState, NoRoom, Record, Service};
use sockeye_terminal::plain::counted;
use sockeye_terminal::{Failure, OrFail};

use crate::archive::Archives;
use crate::config::Config;
use crate::progress::Progress;

/// Bytes of memory that a channel takes in the log and in its reader, about.
const CHANNEL_MEMORY: u64 = 350;

/// Bytes of memory that a channel without messages in memory takes in each hub, about.
const TOMBSTONE_MEMORY: u64 = 190;

/// Bytes of memory that an idempotency key takes, about.
const KEY_MEMORY: u64 = 250;

/// Tags of runs are below this: 20 bits, four digits of a cursor.
const RUN_TAGS: u32 = 1 << 20;

/// Bytes of a record for each byte of a message: JSON may write a control character as six.
const ESCAPED_MAX: u64 = 6;

/// Bytes of a record besides its message, at the most: names, key, what the log adds.
const OVERHEAD_BYTES: u64 = 4 * 1024;

/// A writer on a thread of its own, as the service wants it.
struct Disk {
    writer: Writer,
    /// The directory, for log lines.
    dir: PathBuf,
    through: Seq,
    failed: bool,
    /// The last outcome was that it could not take something: said once.
    refusing: bool,
    /// The log time when old records were asked to go.
    expired_ms: u64,
    /// The last log time that it was told.
    now_ms: u64,
}

/// A log that is closed in order keeps the time of its end.
impl Drop for Disk {
    fn drop(&mut self) {
        self.writer.expire(self.now_ms);
    }
}

/// How often old records are asked to go, in milliseconds.
const EXPIRE_MS: u64 = 10_000;

impl Log for Disk {
    fn advance(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        if now_ms >= self.expired_ms.saturating_add(EXPIRE_MS) {
            self.expired_ms = now_ms;
            self.writer.expire(now_ms);
        }
    }

    fn room(
        &self,
        channel: ChannelName<'_>,
        key: Option<&str>,
        payload: &Payload,
    ) -> Result<(), NoRoom> {
        let room = |bytes| self.writer.room(channel.as_str(), key, bytes);
        let cost = u64::try_from(payload.cost()).unwrap_or(u64::MAX);
        // Only a log that is almost full needs to know the bytes exactly.
        if room(cost.saturating_mul(ESCAPED_MAX).saturating_add(OVERHEAD_BYTES)).is_ok() {
            return Ok(());
        }
        let bytes = u64::try_from(payload.to_log().len()).unwrap_or(u64::MAX);
        let Err(refused) = room(bytes) else { return Ok(()) };
        let no_room = match refused {
            Refused::Full => NoRoom::Bytes,
            Refused::Channels => NoRoom::Channels,
            Refused::Keys => NoRoom::Keys,
            Refused::Busy | Refused::TooLarge | Refused::Order | Refused::Stopped => {
                return Err(NoRoom::Waiting);
            }
        };
        self.writer.note_refused(channel.as_str(), bytes);
        Err(no_room)
    }

    fn append(&mut self, record: &Record<'_>) {
        let pushed = self.writer.push_assigned(sockeye_log::Record {
            seq: record.position.seq.0,
            time_ms: record.time_ms,
            kind: record.kind_number(),
            channel: record.channel.as_str().into(),
            key: record.key.map(Into::into),
            body: record.payload.to_log(),
        });
        if let Err(refused) = pushed {
            // There was room, so the log has failed for good, and its publisher gets the error.
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
                    let dir = self.dir.display();
                    log::info!(through, dir:%; "the log takes publications again");
                }
                LogState::Through(self.through)
            }
            Some(Outcome::Refused { through, why }) => {
                if !core::mem::replace(&mut self.refusing, true) {
                    let dir = self.dir.display();
                    let remedy = remedy(why);
                    log::error!(through, dir:%, why:%; "the log refuses publications{remedy}");
                }
                LogState::Refused(Seq(through))
            }
            Some(Outcome::Unknown { through, why }) => {
                let dir = self.dir.display();
                log::error!(through, dir:%, why:%; "the log has failed; what it was given last may be lost");
                self.failed = true;
                LogState::Failed
            }
            None => LogState::Through(self.through),
        }
    }
}

/// What an operator can do about a refusal, for the end of a log line.
const fn remedy(why: sockeye_log::Error) -> &'static str {
    match why {
        sockeye_log::Error::Full => {
            ": make room on its disk (`df` shows it), or raise the quota; it goes on by itself"
        }
        sockeye_log::Error::WriteRefused => {
            ": raise the limit of file sizes (`ulimit -f`, systemd's LimitFSIZE) or the quota, or look for errors of \
             the disk (`dmesg`); it goes on by itself"
        }
        _ => "",
    }
}

/// The log's room, for an operator.
struct DiskStorage(Control);

impl Storage for DiskStorage {
    fn uses(&self) -> Vec<NamespaceUse> {
        let uses = self.0.uses().into_iter();
        uses.map(|it| NamespaceUse {
            namespace: it.namespace,
            channels: it.channels,
            messages: it.records,
            bytes: it.bytes,
            bytes_max: it.bytes_max,
            refused: it.refused,
            is_full: it.is_full,
        })
        .collect()
    }
}

/// The room of a log that is at work.
pub(crate) fn storage(control: &Control) -> Arc<dyn Storage> {
    Arc::new(DiskStorage(control.clone()))
}

/// A log that was opened, and nothing else done with it.
pub(crate) struct Opened {
    store: Store,
    found: Recovered,
    dir: PathBuf,
}

/// A part of what the log knows, in the form that is sent to a worker. The parts come in this order.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// The runs that gave out the log's positions. The last one is this process.
    Runs(Arc<[Run]>),
    /// Channels that the log has forgotten may have had records up to this position.
    Floor(Seq),
    /// A channel, its newest record, and whether that ended it.
    Channel { name: Arc<str>, last: Seq, ended: bool },
    /// An idempotency key, whether its message is kept or not.
    Key { channel: Arc<str>, key: Arc<str>, seq: Seq, until_ms: u64 },
    /// The last position that was assigned: new records come after it.
    Head(Seq),
}

impl Opened {
    pub(crate) fn new(
        dir: &Path,
        fresh_epoch: Epoch,
        config: &Config,
        progress: &Progress,
    ) -> Result<Self, Failure> {
        if dir.exists() && !dir.is_dir() {
            let dir = dir.display();
            let why = format!("{dir} is no directory; the log needs one for its files");
            return Err(Failure(why));
        }
        let mut options = Options::new(fresh_epoch.0, run_tag()?);
        (options.limits, options.policy) = (log_limits(config), config.retention());
        // At a limit of file sizes writes fail, and the log says so. This signal comes with it, and would end us.
        let caught = signal_hook::flag::register(SIGXFSZ, Arc::default());
        caught.or_fail(|| "cannot catch SIGXFSZ".into())?;
        progress.begin("the log's files", 0);
        let (store, found) = Store::open(dir, &options).or_fail(|| opening(dir))?;
        tell(dir, &found);
        Ok(Self { store, found, dir: dir.to_owned() })
    }

    /// The epoch of the log.
    pub(crate) const fn epoch(&self) -> Epoch {
        Epoch(self.found.epoch)
    }

    /// Gives what the log knows of its records to `each`. The records stay on disk.
    pub(crate) fn restore(
        &self,
        progress: &Progress,
        mut each: impl FnMut(Kept) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let opening = || opening(&self.dir);
        let runs = self.store.runs().iter();
        let runs = runs.map(|run| Run { first: Seq(run.first), check: Check::new(run.tag) });
        let mut problem = each(Kept::Runs(runs.collect())).err();
        problem = problem.or_else(|| each(Kept::Floor(Seq(self.found.horizon))).err());
        progress.begin("channels", self.found.channels);
        self.store.channels(|channel| {
            progress.step();
            if problem.is_none() && channel.last > 0 {
                let (name, last) = (channel.name.into(), Seq(channel.last));
                let ended = channel.ended.is_some();
                problem = each(Kept::Channel { name, last, ended }).err();
            }
        });
        progress.begin("keys", self.store.totals().keys);
        let skipped = self.store.keys(|it| {
            progress.step();
            let (channel, key) = (it.channel.into(), it.key.into());
            let (seq, until_ms) = (Seq(it.seq), it.until_ms);
            if problem.is_none() {
                problem = each(Kept::Key { channel, key, seq, until_ms }).err();
            }
        });
        let skipped = skipped.map_err(|error| {
            let way_out = "if the log is damaged, the next start begins a new epoch, and keeps this log as \
                           log.sqlite.damaged";
            Failure(format!("{}: {error}; {way_out}", opening()))
        });
        if let skipped @ 1.. = skipped? {
            log::error!(skipped; "idempotency keys in the log are damaged and left out");
        }
        let done = match problem {
            Some(problem) => Err(problem),
            None => each(Kept::Head(Seq(self.found.head))),
        };
        done.or_fail(opening)
    }

    /// The log's time, and the date of its newest message: where the log's clock goes on.
    pub(crate) fn clock(&self) -> Result<(u64, u64), Failure> {
        let newest = self.store.newest().or_fail(|| opening(&self.dir))?;
        Ok((self.found.time_ms, newest.as_ref().map_or(0, date_ms)))
    }

    /// A handle that changes what the log keeps while it is at work.
    pub(crate) fn control(&self) -> Control {
        self.store.control()
    }

    /// A thread that reads the log while it is written, for the archive of each loop.
    pub(crate) fn archives(&self) -> Result<Archives, Failure> {
        let readers = Readers::spawn(&self.store).or_fail(|| opening(&self.dir))?;
        Ok(Archives::new(readers, self.epoch()))
    }

    /// The log behind its thread, which calls `wake` when there is something to ask for.
    pub(crate) fn into_log(self, wake: Box<dyn Fn() + Send>) -> Result<Box<dyn Log>, Failure> {
        let Self { store, found, dir } = self;
        let writer = Writer::spawn(store, wake).or_fail(|| opening(&dir))?;
        Ok(Box::new(Disk {
            writer,
            dir,
            through: Seq(found.head),
            failed: false,
            refusing: false,
            expired_ms: 0,
            now_ms: 0,
        }))
    }
}

/// Opens the log in `dir`. Returns a service that goes on where it was, and a handle to the log.
pub(crate) fn recover(
    dir: &Path,
    fresh_epoch: Epoch,
    config: &Config,
    limits: sockeye_service::Limits,
    waker: Waker,
) -> Result<(Service, Control), Failure> {
    let progress = Progress::start();
    let opened = Opened::new(dir, fresh_epoch, config, &progress)?;
    let control = opened.control();
    let mut service = Service::new(opened.epoch(), config.hub(), limits);
    opened.restore(&progress, |kept| restore(&mut service, &kept))?;
    let (log_ms, date_ms) = opened.clock()?;
    service.restore_clock(log_ms, date_ms);
    let archive = opened.archives()?.archive(waker.clone());
    service = service.with_archive(Box::new(archive)).with_storage(storage(&control));
    let wake = Box::new(move || {
        // A loop that cannot be woken has ended already.
        let _ = waker.wake();
    });
    Ok((service.with_log(opened.into_log(wake)?), control))
}

/// Restores this part in a service.
pub(crate) fn restore(service: &mut Service, kept: &Kept) -> Result<(), String> {
    let restored = match kept {
        Kept::Runs(runs) => {
            service.restore_runs(runs);
            Ok(())
        }
        Kept::Floor(floor) => service.restore_floor(*floor),
        Kept::Channel { name, last, ended } => {
            service.restore_channel(channel_name(name, *last)?, *last, *ended);
            Ok(())
        }
        Kept::Key { channel, key, seq, until_ms } => {
            service.restore_key(channel_name(channel, *seq)?, key, *seq, *until_ms);
            Ok(())
        }
        Kept::Head(head) => service.restore_head(*head),
    };
    restored.map_err(|error| error.to_string())
}

/// The beginning of the error message for a log that cannot be opened.
fn opening(dir: &Path) -> String {
    format!("cannot open the log in {}", dir.display())
}

/// Cost of the largest message that any namespace takes.
pub(crate) fn message_bytes_max(hub: &sockeye_hub::Config) -> usize {
    let namespaces = hub.namespaces.iter().map(|(_, settings)| settings);
    namespaces.chain([&hub.settings]).map(|it| it.message_bytes_max).max().unwrap_or(0)
}

/// The limits of the log, large enough for every record that the hub makes: a record that the log refuses once it
/// has a position would end the log.
pub(crate) fn log_limits(config: &Config) -> Limits {
    let hub = config.hub();
    let largest = u64::try_from(message_bytes_max(&hub)).unwrap_or(u64::MAX);
    let record = largest.saturating_mul(ESCAPED_MAX).saturating_add(OVERHEAD_BYTES);
    let mut limits = Limits::default();
    (limits.bytes_max, limits.channels_max) = (config.disk.bytes, config.disk.channels);
    // The log forgets keys a little later than the hub. With room for more, the hub refuses first.
    let keys = u64::try_from(hub.limits.keys_max).unwrap_or(u64::MAX);
    limits.keys_max = keys.saturating_add(keys / 4);
    limits.record_bytes_max = limits.record_bytes_max.max(record);
    limits.batch_bytes_max = limits.batch_bytes_max.max(limits.record_bytes_max);
    // Several of the largest may wait, and not only one.
    limits.queue_bytes_max = limits.queue_bytes_max.max(limits.record_bytes_max.saturating_mul(4));
    limits.bytes_max = limits.bytes_max.max(limits.batch_bytes_max);
    limits
}

/// Applies a new configuration to a log that is at work.
pub(crate) fn reconfigure(control: &Control, config: &Config) -> Result<(), Failure> {
    let mut limits = log_limits(config);
    // The log still takes the largest record that it was opened for.
    limits.bytes_max = limits.bytes_max.max(control.limits().batch_bytes_max);
    let done = control.reconfigure(&config.retention(), &limits);
    done.or_fail(|| "what the log keeps cannot be changed".into())
}

/// Says how much disk and memory a configuration can take.
pub(crate) fn costs(config: &Config) -> String {
    let (limits, hub) = (log_limits(config), config.hub().limits);
    let loops = u64::try_from(config.workers).unwrap_or(u64::MAX);
    // With several loops the sequencer has a hub, too, without messages.
    let hubs = if loops > 1 { loops.saturating_add(1) } else { 1 };
    let of = |count: usize, bytes: u64| {
        mebibytes(u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(bytes))
    };
    let history = of(hub.history_bytes_max, loops);
    // One hub decides, and it alone has keys.
    let keys = of(hub.keys_max, KEY_MEMORY);
    let memory = format!("memory: history up to {history} MiB, idempotency keys up to {keys} MiB");
    if config.data.is_none() {
        return format!("{memory}; nothing on disk without `data`");
    }
    let each = CHANNEL_MEMORY.saturating_add(TOMBSTONE_MEMORY.saturating_mul(hubs));
    let channels = mebibytes(limits.channels_max.saturating_mul(each));
    let (messages, disk) = (mebibytes(limits.bytes_max), mebibytes(limits.disk_bytes_max()));
    format!(
        "{memory}, channels of the log up to {channels} MiB\n\
         disk: up to {disk} MiB, of which messages up to {messages} MiB"
    )
}

const fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// A number that names this process's positions in the log.
pub(crate) fn run_tag() -> Result<u32, Failure> {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).or_fail(|| "the system gives no random numbers".into())?;
    Ok(u32::from_ne_bytes(bytes) % RUN_TAGS)
}

/// The channel of something that the log has at a position.
pub(crate) fn channel_name(name: &str, seq: Seq) -> Result<ChannelName<'_>, String> {
    ChannelName::new(name).map_err(|_| at(seq.0, "no channel"))
}

/// The date that a message shows.
pub(crate) fn date_ms(record: &sockeye_log::Record) -> u64 {
    let payload = Payload::from_log(&record.body);
    payload.and_then(|it| it.date_ms).unwrap_or(record.time_ms)
}

/// The error message for something that cannot be restored.
fn at(seq: u64, what: &str) -> String {
    format!("the record at {seq} has {what}")
}

fn tell(dir: &Path, found: &Recovered) {
    if found.upgraded {
        log::info!("the log was in the format of an earlier version and is upgraded");
    }
    match found.start {
        Start::Fresh => log::info!("a new log"),
        Start::Resumed => {
            let records = counted(found.records, "record");
            log::info!("the log goes on at {}, {records}", found.head);
        }
        Start::Damaged(damage) => log::error!("{}", set_aside(dir, damage)),
    }
}

/// Tells a person that the log was damaged, where it is now, and what to do.
fn set_aside(dir: &Path, damage: Damage) -> String {
    let place = dir.display();
    let database = match damage {
        Damage::Missing => String::new(),
        _ => format!("Its database is now {place}/log.sqlite.damaged. "),
    };
    format!(
        "the log in {place} is damaged: {damage}. {database}A new log begins without the old messages, and \
         clients are told of a gap. If you have a backup, end the server, put the backup into another \
         directory (`sockeye log restore`), and start the server with that as --data"
    )
}

#[cfg(test)]
mod tests;
