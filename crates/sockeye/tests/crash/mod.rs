//! The crash test: publishers and subscribers against a process with `--data` that is killed with
//! SIGKILL at any moment, over and over.
//!
//! Each client speaks HTTP/1.1 or HTTP/2, and all clients of every fourth directory speak TLS.
//!
//! What it holds the program to, with every kill:
//!
//! - no message that a publisher was answered `logged` for, or that any subscriber has seen, is lost
//!   from the log, and none changes its place or its time;
//! - a publication that is sent again with its key, because no answer came, is in the log once;
//! - a subscriber that comes back with its cursor, over any transport, sees each message once and in
//!   order, and no gap: the epoch is the same;
//! - if the files were damaged in between, either nothing was lost or the epoch is new and each
//!   subscriber is told of a gap before anything else.
//!
//! `SOCKEYE_CRASHES=20000 cargo test -p sockeye crash::` kills so many processes instead of
//! 520; `SOCKEYE_SEED` asks for another run than the usual one. The files of a world that fails stay
//! in the system's temporary directory, with what the processes wrote to their standard error.

pub(crate) mod clients;
pub(crate) mod line;
use crate::common;
mod damage;
mod publisher;
mod random;
mod reader;
mod round;
mod truth;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use world::{Totals, World};

/// Kills of one directory's processes: as it grows, they take longer to start.
const KILLS_EACH: usize = 26;

/// Worlds at a time.
const SIDE_BY_SIDE: usize = 3;

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn killed_at_any_moment_nothing_is_lost() {
    let worlds = number("SOCKEYE_CRASHES", 520).div_ceil(KILLS_EACH);
    let seed = u64::try_from(number("SOCKEYE_SEED", 1)).expect("64 bits") << 32;
    let (next, start) = (AtomicUsize::new(0), std::time::Instant::now());
    let work = || {
        let mut totals = Totals::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= worlds {
                return totals;
            }
            let seed = seed + u64::try_from(number).expect("64 bits");
            totals.add(&World::new(number, seed).run(KILLS_EACH));
        }
    };
    let mut totals = Totals::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..SIDE_BY_SIDE).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            totals.add(&thread.join().expect("a world has failed"));
        }
    });
    println!("{totals:#?} in {worlds} worlds, {:.1} s", start.elapsed().as_secs_f32());
    check(&totals, worlds);
}

/// The log takes whatever the settings let through, and goes on.
#[test]
fn a_large_message_is_kept() {
    let dir = std::env::temp_dir().join(format!("sockeye-crash-{}-large", std::process::id()));
    std::fs::create_dir(&dir).expect("a directory");
    let config = dir.join("toml");
    let settings = "[limits]\npublish_bytes = 2000000\n\
                    [channels]\nhistory_bytes = 9000000\nmessage_bytes = 2000000\n";
    std::fs::write(&config, settings).expect("a file");
    let start = || {
        let mut command = common::sockeye(&["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(&config).arg("--data").arg(dir.join("data"));
        common::serve(command)
    };
    let serving = start();
    let mut http = clients::Http::connect(serving.addr).expect("it listens");
    // As the log writes it, it is six times as long.
    for text in ["\u{1}".repeat(1_500_000), "small".to_owned()] {
        let (status, answer) = http.ask("POST", "/v1/channels/c:0", &text).expect("an answer");
        assert_eq!((status, &answer["level"]), (200, &"logged".into()), "{answer}");
    }
    drop(serving);
    let serving = start();
    let mut http = clients::Http::connect(serving.addr).expect("it listens");
    // One page has no room for both.
    for (page, wanted) in [("", 5), ("?before=2", 1_500_000)] {
        let target = format!("/v1/channels/c:0/history{page}");
        let history = http.get(&target).expect("an answer");
        let messages = history["messages"].as_array().expect("messages");
        let lens: Vec<usize> =
            messages.iter().map(|it| it["data"].as_str().expect("a text").len()).collect();
        assert_eq!(lens, [wanted], "{page}");
    }
    drop(serving);
    std::fs::remove_dir_all(&dir).expect("ours");
}

/// All of it has happened, and often enough.
fn check(totals: &Totals, worlds: usize) {
    let Totals { kills, early_kills, damages, lives, acknowledged, published, .. } = *totals;
    let Totals { retried, duplicates, received, gaps, resumes, changes, .. } = *totals;
    assert!(kills >= worlds * KILLS_EACH, "kills");
    assert!(early_kills >= worlds, "kills before it listens");
    assert!(damages >= worlds && lives >= worlds + damages / 3, "damages and new lives");
    assert!(published >= 10 * kills && acknowledged >= published * 9 / 10, "publications");
    assert!(retried >= kills && duplicates >= kills, "keys that were known");
    assert!(received >= 2 * published && gaps >= lives - worlds, "what readers saw");
    assert!(resumes >= 3 * kills && changes >= resumes / 3, "readers that came back");
}
