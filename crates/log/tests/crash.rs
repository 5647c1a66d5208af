//! Kills a process at random moments: no acknowledged record is missing afterwards.
//!
//! The test starts its own executable again as the process to be killed. 60 kills in a normal run;
//! `SOCKEYE_LOG_KILLS` for more.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

mod support;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sockeye_log::{Error, Outcome, Policy, Recovered, Rule, Start, Store, Writer};
use support::{Dir, Numbers, batch, limits, open_by, record, records};

/// A new process holds the locks of this one until it runs its own program, and `spawn` may return
/// shortly before that. So these tests run one after another: each ends the processes that it starts.
static ALONE: Mutex<()> = Mutex::new(());

const CHILD: &str = "SOCKEYE_LOG_CHILD";
const LIMITED: &str = "SOCKEYE_LOG_LIMITED";
const BODY_MAX: u64 = 9_000;

/// Messages that a channel keeps.
const KEPT: u64 = 300;

/// Narrow, so that trimming goes on all the time.
fn open_narrow(dir: &Path, epoch: u64) -> Result<(Store, Recovered), Error> {
    let mut limits = limits();
    limits.batch_records_max = 200;
    let mut rule = Rule::default();
    (rule.keep_messages, rule.key_ms) = (KEPT, Rule::FOREVER);
    open_by(dir, limits, epoch, Policy { rule, named: Vec::new() })
}

/// Holds what is found to what was written: of each channel the newest records, without a hole.
fn check(store: &Store, head: u64, what: &str) -> usize {
    let mut floors = HashMap::new();
    store.channels(|it| floors.extend([(it.name.to_owned(), (it.floor, it.records))]));
    let found = records(store);
    let written = (1..=head).map(|seq| record(seq, BODY_MAX));
    let expected: Vec<_> = written.filter(|it| it.seq > floors[&it.channel].0).collect();
    assert!(found == expected, "{what}");
    for (floor, records) in floors.values() {
        assert!(*floor == 0 || *records >= KEPT, "{what}: {records} above {floor}");
        assert!(*records <= 2 * KEPT, "{what}: {records}");
    }
    found.len()
}

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Not a test by itself: what the others start. It writes until it is killed.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let (store, recovered) = match open_narrow(&dir, 1) {
        Ok(opened) => opened,
        Err(error) => {
            println!("\nerror {error}");
            return;
        }
    };
    let (wake, woken) = mpsc::channel();
    let wake = move || wake.send(()).unwrap_or_default();
    let mut numbers = Numbers(recovered.head.wrapping_mul(77) | 1);
    let mut writer = Writer::spawn(store, Box::new(wake)).unwrap();
    let mut seq = recovered.head;
    say(&format!("\nopen {} {}", recovered.epoch, recovered.head));
    loop {
        for _ in 0..numbers.below(60) + 1 {
            seq += 1;
            writer.push(record(seq, BODY_MAX)).unwrap();
        }
        woken.recv().unwrap();
        while let Some(outcome) = writer.poll() {
            let Outcome::Durable { through } = outcome else { panic!("{outcome:?}") };
            say(&format!("ack {through}"));
        }
    }
}

/// A pipe keeps what was written by a process that is gone.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // If nobody listens, this process is to be killed anyway.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn start(dir: &Dir) -> (Child, impl Iterator<Item = String>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(CHILD, dir.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines)
}

/// What a process said before it died.
#[derive(Default, Debug)]
struct Said {
    opened: Option<(u64, u64)>,
    acknowledged: u64,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["open", epoch, head] => {
                self.opened = Some((epoch.parse().unwrap(), head.parse().unwrap()));
            }
            ["ack", through] => self.acknowledged = through.parse().unwrap(),
            ["error", ..] => panic!("{line}"),
            _ => {}
        }
    }
}

/// Lets it live for some acknowledgements and some more microseconds, or not even until it is open.
fn live_and_die(dir: &Dir, numbers: &mut Numbers, early: bool) -> Said {
    let (mut child, mut lines) = start(dir);
    let mut said = Said::default();
    if !early && numbers.below(6) > 0 {
        let mut acks = numbers.below(40);
        while acks > 0 {
            let line = lines.next().expect("it lives until it is killed");
            acks -= u64::from(line.starts_with("ack "));
            said.hear(&line);
        }
        std::thread::sleep(Duration::from_micros(numbers.below(3_000)));
    } else {
        // Somewhere around its opening.
        std::thread::sleep(Duration::from_micros(numbers.below(12_000)));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.for_each(|line| said.hear(&line));
    said
}

/// [log:durable] [log:group]
#[test]
fn nothing_acknowledged_is_lost() {
    let _alone = alone();
    let kills = number("SOCKEYE_LOG_KILLS").unwrap_or(60);
    let mut numbers = Numbers(number("SOCKEYE_LOG_SEED").unwrap_or(0x5EED));
    let (mut acknowledged, mut kept, mut ahead) = (0, 0, 0);
    let mut dir = Dir::new("crash");
    let (mut epoch, mut last) = (None, 0);
    for kill in 0..kills {
        // Now and then a new directory, so that its making is interrupted too.
        let early = kill % 12 < 3 && last == 0 || kill % 12 == 0;
        if kill % 12 == 0 {
            dir = Dir::new("crash");
            (epoch, last) = (None, 0);
        }
        let said = live_and_die(&dir, &mut numbers, early);
        if let Some((opened, head)) = said.opened {
            assert!(epoch.is_none_or(|epoch| epoch == opened), "kill {kill}: {said:?}");
            assert!(head >= last, "kill {kill}: {said:?}");
            epoch = Some(opened);
        }
        let (store, recovered) = open_narrow(dir.path(), 1).unwrap();
        match recovered.start {
            Start::Resumed => assert!(epoch.is_none_or(|epoch| epoch == recovered.epoch)),
            Start::Fresh => assert!(epoch.is_none(), "kill {kill}: {said:?}"),
            Start::Damaged(damage) => panic!("kill {kill}: {damage}: {said:?}"),
        }
        epoch = Some(recovered.epoch);
        let acknowledged_to = said.acknowledged.max(last);
        assert!(recovered.head >= acknowledged_to, "kill {kill}: {said:?}, {recovered:?}");
        let found = check(&store, recovered.head, &format!("kill {kill}: {said:?}, {recovered:?}"));
        acknowledged += said.acknowledged.saturating_sub(last);
        ahead += recovered.head - acknowledged_to;
        last = recovered.head;
        kept += found;
    }
    println!(
        "{kills} kills: {acknowledged} records acknowledged, none lost; {kept} read back; \
         {ahead} were on disk and not acknowledged yet"
    );
    assert!(acknowledged > kills, "the processes wrote too little: {acknowledged}");
}

/// [log:lock]
#[test]
fn a_second_process_is_refused_and_disturbs_nothing() {
    let _alone = alone();
    let dir = Dir::new("lock");
    let (mut child, mut lines) = start(&dir);
    let mut acks = lines.by_ref().filter(|line| line.starts_with("ack "));
    acks.next().unwrap();
    for _ in 0..3 {
        let refused = open_narrow(dir.path(), 2).map(|(_, recovered)| recovered);
        assert_eq!(refused, Err(Error::Locked));
    }
    // The first goes on.
    assert!(acks.nth(5).is_some());
    child.kill().unwrap();
    child.wait().unwrap();
    // A dead process holds nothing.
    let (_, recovered) = open_narrow(dir.path(), 2).unwrap();
    assert_eq!((recovered.start, recovered.epoch), (Start::Resumed, 1));
}

/// The lock itself, and not only SQLite's on the database behind it. [log:lock]
#[test]
fn whoever_has_the_lock_has_the_directory() {
    let _alone = alone();
    let dir = Dir::new("flock");
    let lock = std::fs::File::create(dir.file("lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let refused = open_narrow(dir.path(), 2).map(|(_, recovered)| recovered);
    assert_eq!(refused, Err(Error::Locked));
    assert_eq!(dir.read().len(), 1, "nothing was made");
    drop(lock);
    assert!(open_narrow(dir.path(), 2).is_ok());
}

/// [log:lock]
#[test]
fn a_second_store_of_one_process_is_refused() {
    let _alone = alone();
    let dir = Dir::new("lock-inside");
    let (store, _) = open_narrow(dir.path(), 1).unwrap();
    let (mut child, lines) = start(&dir);
    let mut said = String::new();
    lines.for_each(|line| said.push_str(&line));
    child.wait().unwrap();
    assert!(said.contains(&Error::Locked.to_string()), "{said}");
    let refused = open_narrow(dir.path(), 2).map(|(_, recovered)| recovered);
    assert_eq!(refused, Err(Error::Locked));
    drop(store);
    assert!(open_narrow(dir.path(), 2).is_ok());
}

/// Bounds the size of the files that this process writes.
fn bound_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes.or(maximum), maximum }).unwrap();
}

/// Not a test by itself: a process whose files must not grow for a while. It ends as if it was killed.
#[test]
fn limited() {
    let Some(dir) = std::env::var_os(LIMITED).map(PathBuf::from) else { return };
    let (mut store, _) = open_narrow(&dir, 1).unwrap();
    assert_eq!(store.append(&[record(1, BODY_MAX)]), Ok(1));
    let wal_bytes = dir.join("log.sqlite-wal").metadata().unwrap().len();
    // The first frames of the commit are written, and part of another.
    bound_files(Some(wal_bytes + 10_000));
    assert_eq!(store.append(&batch(2, 20, BODY_MAX)), Err(Error::WriteRefused));
    assert_eq!(store.append(&batch(21, 30, BODY_MAX)), Err(Error::WriteRefused));
    assert!(Error::WriteRefused.is_certain() && !store.is_broken());
    if number("SOCKEYE_LOG_RAISED") == Some(1) {
        bound_files(None);
        assert_eq!(store.append(&batch(31, 40, BODY_MAX)), Ok(40));
    }
    std::process::exit(0);
}

/// [log:full] [log:head]
#[test]
fn a_limit_of_file_sizes_refuses_whole_batches_and_may_be_raised() {
    let _alone = alone();
    for (raised, head) in [(0, 30), (1, 40)] {
        let dir = Dir::new("limited");
        // The signal that comes with the refusal would end the process.
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "limited", "--nocapture"])
            .env(LIMITED, dir.path())
            .env("SOCKEYE_LOG_RAISED", raised.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let (store, recovered) = open_narrow(dir.path(), 2).unwrap();
        assert_eq!((recovered.start, recovered.epoch), (Start::Resumed, 1));
        assert_eq!(recovered.head, head);
        let kept = if raised == 1 { batch(31, 40, BODY_MAX) } else { Vec::new() };
        assert!(records(&store).into_iter().eq([record(1, BODY_MAX)].into_iter().chain(kept)));
    }
}
