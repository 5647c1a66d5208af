//! `sockeye log import`: a log from the lines that `sockeye log export` prints.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_hub::{ChannelName, Epoch, Seq};
use sockeye_log::{ChannelState, Error, Import, KeyState, Record, Recovered, Start};
use sockeye_terminal::plain::counted;
use sockeye_terminal::{Failure, OrFail, notice, print};

use super::line::{Ended, Line, Message};
use crate::{disk, serve};

/// The longest line.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// The highest position.
const SEQ_MAX: u64 = 1 << 53;

/// Bytes that one commit writes, unless one record has more.
const COMMIT_BYTES: u64 = 4 << 20;

/// Messages between two notices of the progress.
const TOLD_EVERY: u64 = 1_000_000;

/// Imports the lines of a file, or of standard input.
pub(super) fn import(dir: &Path, file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(path) => {
            let reading = || format!("cannot read {}", path.display());
            if path.is_dir() {
                return Err(Failure(format!("{}: it is a directory", reading())));
            }
            let file = File::open(path).or_fail(reading)?;
            read(dir, BufReader::with_capacity(1 << 20, file))
        }
        None => read(dir, std::io::stdin().lock()),
    }
}

fn read(dir: &Path, mut lines: impl BufRead) -> Result<(), Failure> {
    let mut text = Vec::new();
    let (mut number, mut work) = (0_u64, None);
    loop {
        text.clear();
        let read = lines.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut text);
        if read.or_fail(|| "cannot read the lines".into())? == 0 {
            break;
        }
        number += 1;
        let at = || format!("line {number}");
        if text.len() as u64 > LINE_BYTES_MAX {
            return Err(Failure(format!("{}: longer than {LINE_BYTES_MAX} bytes", at())));
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line = Line::parse(&text).or_fail(at)?;
        let work = match &mut work {
            Some(work) => work,
            None => work.insert(Work::begin(dir, &line)?),
        };
        work.take(line).or_fail(at)?;
    }
    match work {
        Some(work) => work.finish(dir),
        None => Err(Failure("there are no lines to import".into())),
    }
}

/// An import at work.
struct Work {
    import: Import,
    /// Whether the lines are those of a whole log, which have an end.
    is_whole: bool,
    epoch: Epoch,
    /// The position of the last message, whether it was there already or not.
    last: u64,
    last_ms: u64,
    /// The log's time. No message that is written is older.
    log_ms: u64,
    records: Vec<Record>,
    record_bytes: u64,
    channels: Vec<ChannelState>,
    keys: Vec<KeyState>,
    /// Lines of messages, channels and keys.
    counts: [u64; 3],
    end: Option<Ended>,
}

impl Work {
    /// Opens the directory. `first`: the first line, which may name the log.
    fn begin(dir: &Path, first: &Line<'_>) -> Result<Self, Failure> {
        let named = match first {
            Line::Begin(cursor) => Some(*cursor),
            Line::Message(_) | Line::Channel(_) | Line::Key(_) | Line::End(_) => None,
        };
        let epoch = named.map_or_else(serve::new_epoch, |cursor| Ok(cursor.epoch))?;
        let begun = Import::begin(dir, epoch.0, disk::run_tag()?);
        let (mut import, found) =
            begun.map_err(|error| super::failure("import into", dir, error))?;
        let Recovered { start, epoch: found_epoch, time_ms, .. } = found;
        if start == Start::Resumed && named.is_some() && found_epoch != epoch.0 {
            return Err(Failure(format!(
                "line 1: this is another log than the one in {}: import it into a new directory, or \
                 leave out all but messages, and of these `seq`",
                dir.display()
            )));
        }
        if named.is_some() {
            import.bring_runs();
        }
        let last = import.base();
        // The lines of an import that was cut short come again, and the log's time is behind them.
        let is_new = last > 0 && import.head() == last;
        Ok(Self {
            import,
            is_whole: named.is_some(),
            epoch: Epoch(found_epoch),
            last,
            last_ms: if is_new { time_ms } else { 0 },
            log_ms: if last > 0 { time_ms } else { 0 },
            records: Vec::new(),
            record_bytes: 0,
            channels: Vec::new(),
            keys: Vec::new(),
            counts: [0; 3],
            end: None,
        })
    }

    fn take(&mut self, line: Line<'_>) -> Result<(), String> {
        if self.end.is_some() {
            return Err("behind the end".into());
        }
        match line {
            Line::Begin(cursor) if self.is_first() && cursor.epoch == self.epoch => Ok(()),
            Line::Begin(_) => Err("the beginning of another log".into()),
            Line::Message(message) => self.message(message),
            // Their positions would be taken for those of the log that is there.
            Line::Channel(_) | Line::Key(_) if !self.is_whole && self.import.base() > 0 => {
                Err("a channel or a key of another log: a log takes messages only".into())
            }
            Line::Channel(channel) => self.channel(channel),
            Line::Key(key) => self.key(key),
            Line::End(end) => self.take_end(end),
        }
    }

    fn is_first(&self) -> bool {
        self.counts == [0; 3]
    }

    fn message(&mut self, message: Message<'_>) -> Result<(), String> {
        if self.counts[1..] != [0; 2] {
            return Err("a message behind channels or keys".into());
        }
        let record = self.record(message)?;
        self.counts[0] += 1;
        (self.last, self.last_ms) = (record.seq, record.time_ms);
        // It is there since an import that was cut short.
        if record.seq <= self.import.head() {
            return Ok(());
        }
        if self.record_bytes + record.bytes() > Import::BATCH_BYTES_MAX {
            self.write()?;
        }
        self.record_bytes += record.bytes();
        self.records.push(record);
        let is_full = self.records.len() as u64 == Import::BATCH_RECORDS_MAX;
        if is_full || self.record_bytes >= COMMIT_BYTES {
            self.write()?;
        }
        if self.counts[0].is_multiple_of(TOLD_EVERY) {
            notice(format_args!("{}", counted(self.counts[0], "message")));
        }
        Ok(())
    }

    /// The log time of a message that does not tell it. The messages of a log do not age by what is appended to it, so its own
    /// time stands still. A new log begins at the message's date, or at the calendar if the date is later: milliseconds and
    /// microseconds are mixed up easily.
    fn log_time(&self, time: Option<u64>) -> u64 {
        // [log:import]
        match self.log_ms {
            0 => time.map_or_else(unix_ms, |time| time.min(unix_ms())),
            log_ms => log_ms,
        }
    }

    /// The record of a message; one without a position gets the next one.
    fn record(&self, message: Message<'_>) -> Result<Record, String> {
        let mut payload = message.payload()?;
        let Message { seq, channel, time, log_ms, kind, .. } = message;
        let seq = seq.unwrap_or(self.last + 1);
        if seq <= self.last {
            let last = self.last;
            return Err(format!("the position {seq} is not above {last}, the one before"));
        }
        check_name(&channel)?;
        if sockeye_service::Record::kind_of(kind).is_none() {
            return Err(format!("unknown kind {kind}"));
        }
        let least =
            if seq > self.import.head() { self.log_ms.max(self.last_ms) } else { self.last_ms };
        let time_ms = log_ms.unwrap_or_else(|| self.log_time(time).max(least));
        if time_ms < self.last_ms {
            return Err(format!("`log_ms` goes back, from {} to {time_ms}", self.last_ms));
        }
        let shown = time.filter(|shown| *shown != time_ms);
        payload.date_ms = payload.date_ms.or(shown);
        let (channel, body) = (channel.into_owned(), payload.to_log());
        let record = Record { seq, time_ms, kind, channel, key: None, body };
        // Readers of JSON count that far, and room is left for what comes after the import.
        if seq > SEQ_MAX {
            return Err(format!("the position {seq} is above {SEQ_MAX}"));
        }
        if record.bytes() > Import::BATCH_BYTES_MAX {
            return Err("the message is too large".into());
        }
        Ok(record)
    }

    fn channel(&mut self, channel: ChannelState) -> Result<(), String> {
        self.counts[1] += 1;
        check_name(&channel.name)?;
        self.channels.push(channel);
        if self.channels.len() as u64 == Import::BATCH_RECORDS_MAX { self.write() } else { Ok(()) }
    }

    fn key(&mut self, key: KeyState) -> Result<(), String> {
        if !self.import.knows(&key.channel) {
            self.write()?;
        }
        if !self.import.knows(&key.channel) {
            return Err(format!("a key of a channel that is not there, {:?}", key.channel));
        }
        let most = sockeye_hub::Limits::default().key_bytes_max;
        if key.key.is_empty() || key.key.len() > most {
            return Err(format!("a key of {} bytes, expected 1 to {most}", key.key.len()));
        }
        self.counts[2] += 1;
        self.keys.push(key);
        if self.keys.len() as u64 == Import::BATCH_RECORDS_MAX { self.write() } else { Ok(()) }
    }

    fn take_end(&mut self, end: Ended) -> Result<(), String> {
        let found = self.counts[0];
        if end.cursor.epoch != self.epoch || !self.is_whole {
            return Err("the end of another log".into());
        }
        if end.messages != found {
            let found = counted(found, "message");
            return Err(format!(
                "the lines before have {found}, and the export had {}",
                end.messages
            ));
        }
        self.end = Some(end);
        Ok(())
    }

    /// Writes what waits.
    fn write(&mut self) -> Result<(), String> {
        let Self { import, records, channels, keys, .. } = self;
        let mut write = || -> Result<(), Error> {
            if !records.is_empty() {
                import.records(records)?;
            }
            if !channels.is_empty() {
                import.channels(channels)?;
            }
            if !keys.is_empty() {
                import.keys(keys)?;
            }
            Ok(())
        };
        write().map_err(|error| error.to_string())?;
        records.clear();
        channels.clear();
        keys.clear();
        self.record_bytes = 0;
        Ok(())
    }

    fn finish(mut self, dir: &Path) -> Result<(), Failure> {
        if self.is_whole && self.end.is_none() {
            return Err(Failure("the last line is missing: this is not the whole log".into()));
        }
        let writing = || format!("cannot import into the log in {}", dir.display());
        self.write().or_fail(writing)?;
        let end = self.end.map(Ended::into_end);
        self.import.finish(end.as_ref()).or_fail(writing)?;
        let [messages, _, keys] = self.counts;
        let (messages, keys) = (counted(messages, "message"), counted(keys, "key"));
        print::say(format_args!("{messages}, {keys} imported into {}", dir.display()))
    }
}

fn check_name(name: &str) -> Result<(), String> {
    ChannelName::new(name).map(drop).map_err(|why| format!("channel {name:?}: {why}"))
}

fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}

impl Ended {
    fn into_end(self) -> sockeye_log::End {
        let Seq(head) = self.cursor.seq;
        sockeye_log::End { head, horizon: self.horizon, time_ms: self.log_ms, runs: self.runs }
    }
}
