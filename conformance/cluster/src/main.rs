//! Engines of a shared log under what happens to them.

mod faults;
mod node;
mod program;
mod proxy;
mod rate;
mod rig;
mod server;
mod stations;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use clap::{Parser, Subcommand};
use sockeye_backbone::suite::CHECKS;

use crate::rig::{RedisRig, Target};
use crate::server::Server;

/// Checks engines of a shared log.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Runs only the checks whose name contains this.
    #[arg(long, global = true, default_value = "")]
    only: String,
    /// How many checks run at a time.
    #[arg(long, global = true, default_value_t = 4)]
    jobs: usize,
}

#[derive(Subcommand)]
enum Command {
    /// The suite that every engine has to pass, and the faults, on servers that it starts (Debian: redis-server).
    Own {
        /// Also checks this program: nodes that serve.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Measures appends and read-backs beside plain XADD and XREAD, in turn on one server that it starts.
    Rate {
        /// Rounds of each.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Entries of a round.
        #[arg(long, default_value_t = 200_000)]
        entries: usize,
        /// `appendfsync` of the server.
        #[arg(long, default_value = "everysec")]
        appendfsync: String,
    },
    /// The suite that every engine has to pass, on a server of yours. It makes and deletes keys
    /// `sockeye-suite-…`, and nothing else.
    Engine {
        /// `redis://[USER@]HOST[:PORT][/DATABASE]`, or with rediss, redis-sentinel, rediss-sentinel.
        url: String,
        /// The server, for redis-cli, if the URL names Sentinels.
        #[arg(long)]
        server: Option<String>,
        /// The password.
        #[arg(long, env = "SOCKEYE_BACKBONE_PASSWORD", hide_env_values = true)]
        password: Option<String>,
        /// The authorities whose certificates are trusted, with TLS.
        #[arg(long)]
        cacert: Option<PathBuf>,
    },
}

type Job = (String, Box<dyn FnOnce() + Send>);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (server, target) = match &arguments.command {
        Command::Rate { rounds, entries, appendfsync } => {
            let plan = rate::Plan { rounds: (*rounds).max(1), entries: *entries };
            let ratio = rate::run(plan, &["--appendfsync", appendfsync]);
            println!("\nthe engine has {ratio:.2} of the plain rate");
            return ExitCode::SUCCESS;
        }
        Command::Own { .. } => {
            let server = Server::start(&[]);
            let client = vec!["-p".to_owned(), server.port.to_string()];
            let target = Target { url: server.url(), password: None, tls: None, client };
            (Some(server), target)
        }
        Command::Engine { url, server, password, cacert } => {
            let tls = cacert.as_ref().map(|file| faults::trusting(file));
            let url = url.trim_end_matches('/').to_owned();
            let mut client = vec!["-u".to_owned(), server.clone().unwrap_or_else(|| url.clone())];
            if let Some(file) = cacert {
                client.extend(["--cacert".to_owned(), file.display().to_string()]);
            }
            (None, Target { url, password: password.clone(), tls, client })
        }
    };
    if let Err(error) = target.ask(&["PING"]) {
        eprintln!("cluster: redis-cli does not reach the server: {error}");
        return ExitCode::from(2);
    }
    let mut jobs = generic(&target);
    if server.is_some() {
        jobs.extend(
            faults::all().into_iter().map(|(name, run)| -> Job { (name.into(), Box::new(run)) }),
        );
    }
    if let Command::Own { program: Some(program) } = &arguments.command {
        jobs.extend(program::CHECKS.iter().map(|&(name, run)| -> Job {
            let program = program.clone();
            (name.into(), Box::new(move || run(&program)))
        }));
    }
    jobs.retain(|(name, _)| name.contains(&arguments.only));
    run(jobs, arguments.jobs)
}

/// The checks of every engine.
fn generic(target: &Target) -> Vec<Job> {
    let mut jobs = Vec::new();
    for check in CHECKS {
        if check.name.starts_with("a_cut") && !target.can_cut() {
            println!(
                "left out: {} (connections with TLS or by Sentinel cannot be cut)",
                check.name
            );
            continue;
        }
        let (target, run) = (target.clone(), check.run);
        jobs.push((check.name.to_owned(), Box::new(move || run(&mut RedisRig::new(&target))) as _));
    }
    jobs
}

/// Runs the checks and says how each went.
fn run(jobs: Vec<Job>, threads: usize) -> ExitCode {
    let queue = Mutex::new(VecDeque::from(jobs));
    let (passed, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let Some((name, check)) = queue.lock().expect("no poison").pop_front() else {
                        break;
                    };
                    let begun = Instant::now();
                    let is_right = catch_unwind(AssertUnwindSafe(check)).is_ok();
                    let (count, word) =
                        if is_right { (&passed, "ok  ") } else { (&failed, "FAIL") };
                    count.fetch_add(1, Ordering::Relaxed);
                    println!("{word} {name} ({:.1} s)", begun.elapsed().as_secs_f64());
                }
            });
        }
    });
    let (passed, failed) = (passed.into_inner(), failed.into_inner());
    println!("cluster: {passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
