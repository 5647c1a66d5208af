//! Sockeye beside its peers under load: one command, one table.
//!
//! See `README.md` of the benches, and `docs/performance.md` for the results.

#![forbid(unsafe_code)]

mod args;
mod builds;
mod found;
mod generator;
mod machine;
mod memory;
mod pinned;
mod play;
mod process;
mod progress;
mod ratio;
mod requests;
mod sample;
mod scenario;
mod secure;
mod server;
mod syscalls;
mod table;
mod target;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Parser as _;

use crate::args::Args;
use crate::builds::Builds;
use crate::found::Found;
use crate::generator::Generator;
use crate::machine::Machine;
use crate::progress::Progress;
use crate::sample::Board;
use crate::scenario::Scenario;
use crate::table::Table;
use crate::target::{Target, Verdict};

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        list();
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("load: {why}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for scenario in scenario::all(19_000) {
        println!("{:<16} {} [{}]", scenario.name, scenario.title, scenario.servers.join(", "));
    }
    println!("{MEMORY:<16} decoding, UTF-8 and event parsing in memory");
}

/// The rows in memory, by the name that chooses them.
const MEMORY: &str = "memory";

/// Measures and prints; `true` if something that was asked is missing.
fn run(args: &Args) -> Result<bool, String> {
    let begun = Instant::now();
    let asked = Arc::new(AtomicBool::new(false));
    let signal = signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&asked));
    signal.map_err(|error| error.to_string())?;
    let machine = Machine::look();
    let builds = Builds::new(args);
    let chosen = choose(args, &machine)?;
    let wanted: Vec<&str> = chosen.iter().flat_map(|scenario| scenario.servers).copied().collect();
    let wanted: Vec<&str> = wanted.into_iter().filter(|name| args.wants_server(name)).collect();
    let sockeye = match &args.sockeye {
        Some(program) => program.clone(),
        None => builds.sockeye()?,
    };
    let found = Found::look(args, &builds, &sockeye, &wanted);
    let told = sizes(args, &builds, &sockeye);
    let ratios = args.wants(MEMORY).then(|| builds.ratios());
    let (measured_s, warm_up_s) = if args.quick { (0.25, 0.05) } else { (0.5, 0.15) };
    let generator =
        Generator { program: sockeye, measured_s: args.seconds.unwrap_or(measured_s), warm_up_s };
    let rounds = if args.quick { 1 } else { args.rounds };
    let board = measure(&chosen, &found, &generator, rounds, &asked);
    let is_stopped = asked.load(Ordering::Relaxed);
    let mut judged = judge(args, &chosen, &board);
    match ratios {
        Some(Ok(program)) if !is_stopped => judged.push(in_memory(memory::measure(&program))),
        Some(Err(why)) => judged.push(in_memory(Err(why))),
        Some(Ok(_)) | None => {}
    }
    let table = Table { board: &board, found: &found, scenarios: &chosen, judged, told, rounds };
    println!("{}\n{}{}", table.targets(), table.demands(), table.rows());
    if args.record {
        let minutes = begun.elapsed().as_secs_f64() / 60.0;
        record(&table, &machine, &builds, minutes)?;
    }
    Ok(table.is_missing())
}

/// Writes the record, and puts its table into the documentation.
fn record(
    table: &Table<'_>,
    machine: &Machine,
    builds: &Builds,
    minutes: f64,
) -> Result<(), String> {
    let command: Vec<String> = std::env::args().skip(1).collect();
    let command = format!(
        "cargo run --release --manifest-path benches/load/Cargo.toml -- {}",
        shown_args(&command)
    );
    let text = table.record(machine, &builds.flags(), &command, minutes);
    let name = format!("{}-{}.md", machine.date, machine.slug());
    write(builds, &format!("benches/record/{name}"), &text)?;
    let page = "docs/performance.md";
    let document = std::fs::read_to_string(builds.root.join(page)).unwrap_or_default();
    match table::between_marks(&document, &table.targets(), &name) {
        Some(document) => write(builds, page, &document),
        None => Ok(()),
    }
}

fn write(builds: &Builds, name: &str, text: &str) -> Result<(), String> {
    std::fs::write(builds.root.join(name), text).map_err(|error| format!("{name}: {error}"))?;
    eprintln!("written: {name}");
    Ok(())
}

/// The chosen loads. A name that chooses nothing is an error, because a typing error would drop a load in silence.
fn choose(args: &Args, machine: &Machine) -> Result<Vec<Scenario>, String> {
    let all = scenario::all(scenario::crowd(machine.descriptors));
    let loads: Vec<&str> = all.iter().map(|it| &*it.name).chain([MEMORY]).collect();
    let servers: Vec<&str> = all.iter().flat_map(|it| it.servers).copied().collect();
    if let Some(name) = args.unknown(&loads, &servers) {
        return Err(format!("there is no {name}: --list names loads and servers"));
    }
    Ok(all.into_iter().filter(|scenario| args.wants(&scenario.name)).collect())
}

fn measure(
    scenarios: &[Scenario],
    found: &Found,
    generator: &Generator,
    rounds: u32,
    asked: &AtomicBool,
) -> Board {
    let mut board = Board::default();
    let seconds = |scenario: &Scenario| scenario.seconds(generator.measured_s);
    let servers = |scenario: &Scenario| -> usize {
        found.servers.iter().filter(|server| scenario.suits(server)).count()
    };
    let planned: f64 = scenarios.iter().map(|it| seconds(it) * servers(it) as f64).sum();
    let mut progress = Progress::new(planned * f64::from(rounds));
    for round in 0..rounds {
        for scenario in scenarios {
            let suited: Vec<_> =
                found.servers.iter().filter(|server| scenario.suits(server)).collect();
            for turn in 0..suited.len() {
                // Nobody always runs in the wake of the same neighbour.
                let server = suited[(turn + round as usize) % suited.len()];
                if asked.load(Ordering::Relaxed) {
                    progress.finish();
                    eprintln!("stopped in round {} of {rounds}", round + 1);
                    return board;
                }
                let what =
                    format!("round {} of {rounds}, {}, {}", round + 1, scenario.name, server.name);
                progress.show(&what);
                let sample = play::play(scenario, server, generator, &board);
                if let Err(why) = &sample {
                    progress.finish();
                    eprintln!("{what}: {why}");
                }
                board.add(&scenario.name, server.name, sample);
                progress.advance(seconds(scenario));
            }
        }
    }
    progress.finish();
    board
}

/// The targets of the loads that were chosen.
fn judge(args: &Args, chosen: &[Scenario], board: &Board) -> Vec<(Target, Vec<target::Outcome>)> {
    let is_chosen = |name: &str| chosen.iter().any(|scenario| scenario.name == name);
    let mut judged = Vec::new();
    for mut target in target::all() {
        target.demands.retain(|demand| {
            is_chosen(&demand.scenario) && (args.peers.is_empty() || demand.is_measurable(board))
        });
        let outcomes: Vec<_> = target.demands.iter().map(|demand| demand.judge(board)).collect();
        if !outcomes.is_empty() {
            judged.push((target, outcomes));
        }
    }
    judged
}

fn in_memory(outcomes: Result<Vec<target::Outcome>, String>) -> (Target, Vec<target::Outcome>) {
    let target = Target {
        workload: "decode, UTF-8 and event parsing in memory",
        wanted: "each its own",
        demands: Vec::new(),
    };
    let missing = |why| target::Outcome {
        load: MEMORY.to_owned(),
        against: String::new(),
        shown: why,
        verdict: Verdict::Missing,
    };
    (target, outcomes.unwrap_or_else(|why| vec![missing(why)]))
}

/// Sizes of the programs, and on request the time of a clean build.
fn sizes(args: &Args, builds: &Builds, sockeye: &std::path::Path) -> Vec<(String, String)> {
    let size = sockeye.metadata().map(|it| format!("{:.1} MB", it.len() as f64 / 1e6));
    let size = format!("sockeye {}", size.unwrap_or_default());
    let mut told = vec![("size of the program".to_owned(), size)];
    if args.build_time {
        let time = builds.clean_build_s();
        let time = time.map_or_else(|why| why, |seconds| format!("{seconds:.0} s"));
        told.push(("clean build of the program".to_owned(), time));
    }
    told
}

/// The command line without directories of this machine.
fn shown_args(args: &[String]) -> String {
    let mut shown = Vec::new();
    let mut hides_next = false;
    for arg in args {
        shown.push(if hides_next { "DIR".to_owned() } else { arg.clone() });
        hides_next = arg == "--sockeye";
    }
    shown.join(" ")
}
