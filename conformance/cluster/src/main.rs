//! Engines of a shared log under what happens to them.

mod common;
mod faults;
mod kafka;
mod nats;
mod node;
mod postgres;
mod program;
mod proxy;
mod rabbit;
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

use clap::{Parser, Subcommand, ValueEnum};
use sockeye_backbone::suite::{CHECKS, Rig};

use crate::kafka::{KafkaRig, KafkaServer, KafkaTarget};
use crate::nats::{NatsRig, NatsServer, NatsTarget};
use crate::postgres::{PostgresRig, PostgresServer, PostgresTarget};
use crate::rabbit::{RabbitRig, RabbitServer, RabbitTarget};
use crate::rig::{RedisRig, Target};
use crate::server::{LogServer as _, Server};

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
    /// The Python that has pika, the foreign client of RabbitMQ. Without it: python3.
    #[arg(long, global = true)]
    python: Option<PathBuf>,
    /// The broker Tansu, for the Kafka protocol.
    #[arg(long, global = true)]
    tansu: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// The suite that every engine has to pass, and the faults, on servers that it starts (Debian: redis-server,
    /// nats-server, postgresql, rabbitmq-server).
    Own {
        /// Also checks this program: nodes that serve.
        #[arg(long)]
        program: Option<PathBuf>,
        /// Also checks this program on NATS, Kafka, RabbitMQ and PostgreSQL; it has to have the feature `full`.
        #[arg(long)]
        full_program: Option<PathBuf>,
        /// A newer nats-server than the system's, for streams with copies.
        #[arg(long)]
        newer_nats_server: Option<PathBuf>,
    },
    /// Measures appends and read-backs beside a plain client of the server, in turn on one server that it starts.
    Rate {
        /// The engine.
        #[arg(long, value_enum, default_value_t = Measured::Redis)]
        engine: Measured,
        /// Rounds of each.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Entries of a round.
        #[arg(long, default_value_t = 200_000)]
        entries: usize,
        /// `appendfsync` of Redis.
        #[arg(long, default_value = "everysec")]
        appendfsync: String,
    },
    /// The suite that every engine has to pass, on a server of yours. It makes and deletes keys,
    /// streams, exchanges or topics `sockeye-suite-…`, or tables `sockeye_suite_…`, and nothing else.
    Engine {
        /// `redis://[USER@]HOST[:PORT][/DATABASE]`, or with rediss, redis-sentinel, rediss-sentinel;
        /// `nats://[USER@]HOST[:PORT]`, or with tls; `kafka://[USER@]HOST[:PORT]`, or with kafkas;
        /// `amqp://[USER@]HOST[:PORT][/VHOST]`, or with amqps;
        /// `postgres://USER@HOST[:PORT]/DATABASE`, with TLS by `--cacert`.
        url: String,
        /// The server, for redis-cli, if the URL names Sentinels.
        #[arg(long)]
        server: Option<String>,
        /// The password, or the token.
        #[arg(long, env = "SOCKEYE_BACKBONE_PASSWORD", hide_env_values = true)]
        password: Option<String>,
        /// The file of credentials, for NATS.
        #[arg(long)]
        credentials: Option<PathBuf>,
        /// The authorities whose certificates are trusted, with TLS.
        #[arg(long)]
        cacert: Option<PathBuf>,
    },
}

/// An engine whose rate is measured.
#[derive(Clone, Copy, ValueEnum)]
enum Measured {
    Redis,
    Nats,
    Postgres,
    Rabbit,
    /// With `--tansu`.
    Kafka,
}

/// The servers of the generic checks.
type Servers = (Server, NatsServer, PostgresServer, RabbitServer, Option<KafkaServer>);

type Job = (String, Box<dyn FnOnce() + Send>);

/// Measures an engine beside a plain client.
fn measure(engine: Measured, appendfsync: &str, plan: rate::Plan) {
    let ratio = match engine {
        Measured::Redis => rate::run(&Server::start(&["--appendfsync", appendfsync]), plan),
        Measured::Nats => rate::run(&NatsServer::start(), plan),
        Measured::Postgres => rate::run(&PostgresServer::start(), plan),
        Measured::Rabbit => rate::run(&RabbitServer::start_with(""), plan),
        Measured::Kafka => rate::run(&KafkaServer::start(), plan),
    };
    println!("\nthe engine has {ratio:.2} of the plain rate");
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(python) = arguments.python {
        rabbit::PYTHON.set(python).expect("nobody else sets it");
    }
    if let Some(file) = arguments.tansu {
        kafka::PROGRAM.set(file).expect("nobody else sets it");
    }
    let jobs = match arguments.command {
        Command::Rate { engine, rounds, entries, appendfsync } => {
            measure(engine, &appendfsync, rate::Plan { rounds: rounds.max(1), entries });
            return ExitCode::SUCCESS;
        }
        Command::Own { program, full_program, newer_nats_server } => {
            if kafka::PROGRAM.get().is_none() {
                println!("left out: Kafka (no --tansu)");
            }
            match newer_nats_server {
                Some(file) => nats::NEWER.set(file).expect("nobody else sets it"),
                None => println!("left out: streams of NATS with copies (no --newer-nats-server)"),
            }
            Ok(own(program, full_program))
        }
        Command::Engine { url, server, password, credentials, cacert } => {
            let tls = cacert.as_ref().map(|file| faults::trusting(file));
            let url = url.trim_end_matches('/').to_owned();
            if url.starts_with("kafka") {
                Ok((of_kafka(&KafkaTarget::new(&url, password, tls), ""), None))
            } else if url.starts_with("amqp") {
                let target = RabbitTarget { url, password, tls, authorities: cacert };
                Ok((of_rabbit(&target, ""), None))
            } else if url.starts_with("nats:") || url.starts_with("tls:") {
                let text = |file| std::fs::read_to_string(file).expect("a file of credentials");
                let credentials = credentials.map(text);
                Ok((of_nats(&NatsTarget { url, password, credentials, tls }, ""), None))
            } else if url.starts_with("postgres") {
                let authorities = cacert.map(|file| file.display().to_string());
                let target = PostgresTarget { url, password, tls, authorities };
                target.ask("SELECT 1").map(|_| (of_postgres(&target, ""), None))
            } else {
                let mut client = vec!["-u".to_owned(), server.unwrap_or_else(|| url.clone())];
                if let Some(file) = cacert {
                    client.extend(["--cacert".to_owned(), file.display().to_string()]);
                }
                let target = Target { url, password, tls, client };
                target.ask(&["PING"]).map(|_| (of_redis(&target), None))
            }
        }
    };
    match jobs {
        // The servers are there as long as their checks.
        Ok((mut jobs, _servers)) => {
            jobs.retain(|(name, _)| name.contains(&arguments.only));
            let code = run(jobs, arguments.jobs);
            postgres::remove_template();
            code
        }
        Err(error) => {
            eprintln!("cluster: redis-cli or psql does not reach the server: {error}");
            ExitCode::from(2)
        }
    }
}

/// All checks, on servers of our own.
fn own(program: Option<PathBuf>, full_program: Option<PathBuf>) -> (Vec<Job>, Option<Servers>) {
    // RabbitMQ takes seconds, and the others do not wait for it.
    let rabbit = thread::spawn(RabbitServer::shared);
    let (redis, nats) = (Server::start(&[]), NatsServer::start());
    let postgres = PostgresServer::start();
    let rabbit = rabbit.join().expect("rabbitmq-server starts");
    let client = vec!["-p".to_owned(), redis.port.to_string()];
    // Those that take longest come first.
    let faults = rabbit::all().into_iter().chain(nats::all());
    let faults = faults.chain(postgres::all()).chain(kafka::all());
    let faults = faults.chain(faults::all()).map(|(name, run)| (name.to_owned(), run));
    let common = common::checks::<RabbitServer>().into_iter();
    let common = common.chain(common::checks::<NatsServer>());
    let common = common.chain(common::checks::<PostgresServer>());
    let kafka = kafka::PROGRAM.get().map(|_| KafkaServer::start());
    let of_kafka_too = kafka.iter().flat_map(|_| common::checks::<KafkaServer>());
    let mut jobs: Vec<Job> = faults
        .chain(common)
        .chain(of_kafka_too)
        .map(|(name, run)| -> Job { (name, Box::new(run)) })
        .collect();
    jobs.extend(of_redis(&Target { url: redis.url(), password: None, tls: None, client }));
    let nats_target = NatsTarget { url: nats.url(), password: None, credentials: None, tls: None };
    jobs.extend(of_nats(&nats_target, "nats: "));
    let postgres_target =
        PostgresTarget { url: postgres.url(), password: None, tls: None, authorities: None };
    jobs.extend(of_postgres(&postgres_target, "postgres: "));
    let rabbit_url = format!("amqp://127.0.0.1:{}", rabbit.port());
    let rabbit_target =
        RabbitTarget { url: rabbit_url, password: None, tls: None, authorities: None };
    jobs.extend(of_rabbit(&rabbit_target, "rabbit: "));
    if let Some(server) = &kafka {
        jobs.extend(of_kafka(&KafkaTarget::new(&server.url(), None, None), "kafka: "));
    }
    let on_kafka = full_program.clone().filter(|_| kafka::PROGRAM.get().is_some());
    for (program, checks) in [
        (program.clone(), program::sources::CHECKS),
        (full_program.clone(), program::sources::FULL_CHECKS),
        (full_program.clone(), program::buses::CHECKS),
        (full_program.clone(), program::queues::CHECKS),
        (program, program::CHECKS),
        (full_program, program::FULL_CHECKS),
        (on_kafka.clone(), program::KAFKA_CHECKS),
        (on_kafka, program::buses::KAFKA_CHECKS),
    ] {
        let Some(program) = program else { continue };
        jobs.extend(checks.iter().map(|&(name, run)| -> Job {
            let program = program.clone();
            (name.into(), Box::new(move || run(&program)))
        }));
    }
    (jobs, Some((redis, nats, postgres, rabbit, kafka)))
}

/// The checks of every engine, each on a log of its own. `uncut` says why connections cannot be cut, if they cannot.
fn generic<R: Rig>(
    prefix: &str,
    uncut: Option<&str>,
    rig: impl Fn() -> R + Clone + Send + 'static,
) -> Vec<Job> {
    let mut jobs = Vec::new();
    for check in CHECKS {
        if let Some(why) = uncut.filter(|_| check.name.starts_with("a_cut")) {
            println!("left out: {} (connections {why} cannot be cut)", check.name);
            continue;
        }
        let (rig, run) = (rig.clone(), check.run);
        let name = format!("{prefix}{}", check.name);
        jobs.push((name, Box::new(move || run(&mut rig())) as _));
    }
    jobs
}

fn of_redis(target: &Target) -> Vec<Job> {
    let uncut = (!target.can_cut()).then_some("with TLS or by Sentinel");
    let target = target.clone();
    generic("", uncut, move || RedisRig::new(&target))
}

fn of_nats(target: &NatsTarget, prefix: &str) -> Vec<Job> {
    let uncut = (!target.can_cut()).then_some("with TLS or to several servers");
    let target = target.clone();
    generic(prefix, uncut, move || NatsRig::new(&target))
}

fn of_kafka(target: &KafkaTarget, prefix: &str) -> Vec<Job> {
    let uncut = (!target.can_cut()).then_some("with TLS, a login or several servers");
    let target = target.clone();
    generic(prefix, uncut, move || KafkaRig::new(&target))
}

fn of_rabbit(target: &RabbitTarget, prefix: &str) -> Vec<Job> {
    let uncut = (!target.can_cut()).then_some("with TLS or to several servers");
    let target = target.clone();
    generic(prefix, uncut, move || RabbitRig::new(&target))
}

fn of_postgres(target: &PostgresTarget, prefix: &str) -> Vec<Job> {
    let uncut = (!target.can_cut()).then_some("with TLS or to several servers");
    let target = target.clone();
    generic(prefix, uncut, move || PostgresRig::new(&target))
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
