//! The run `choose`: measures the four transports under the same load, and prints a table.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use sockeye_load::engine::{Histogram, SocketOptions};

use crate::checks::Checks;
use crate::publisher::{Over, Publisher};
use crate::server::{Place, Server, Settings, unhurried};
use crate::subscriber::{Subscriber, Transport};
use crate::world::{Client, PATIENCE_MS, World};
use crate::{Failure, Measure};

/// Milliseconds between two messages, and their bytes.
const INTERVAL_MS: u64 = 50;
const MESSAGE_BYTES: usize = 100;

const TRANSPORTS: [(&str, Transport); 4] = [
    ("short poll, each second", Transport::ShortPoll(1_000)),
    ("long poll", Transport::LongPoll),
    ("event stream", Transport::Events),
    ("WebSocket", Transport::Commands),
];

/// The figures of one transport.
#[derive(Default)]
struct Row {
    latencies: Histogram,
    bytes_each: f64,
    cpu_us_each: f64,
    calls_each: Option<f64>,
    quiet_bytes_minute: f64,
    quiet_cpu_us_second: f64,
    memory_kib: f64,
}

pub(crate) fn run(program: &Path, measure: Measure, checks: &mut Checks) -> Result<(), Failure> {
    let sizes = if measure.short { &[100][..] } else { &[500, 2_000] };
    println!(
        "choose: one channel, a message of {MESSAGE_BYTES} bytes each {INTERVAL_MS} ms for {} s, and {} s of \
         silence before\n",
        measure.seconds(),
        measure.quiet_seconds()
    );
    println!(
        "| clients | transport | latency at the median | at 99 % | bytes a message | CPU a message | calls a \
         message | quiet: bytes a minute | quiet: CPU a second | memory |"
    );
    println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for &clients in sizes {
        for (name, transport) in TRANSPORTS {
            let row = look(program, measure, clients, transport, checks)?;
            let ms = |per_mille| row.latencies.quantile(per_mille) as f64 / 1e6;
            println!(
                "| {clients} | {name} | {:.1} ms | {:.1} ms | {:.0} | {:.1} µs | {} | {:.0} | {:.1} µs | {:.1} KiB |",
                ms(500),
                ms(990),
                row.bytes_each,
                row.cpu_us_each,
                row.calls_each.map_or_else(|| "–".into(), |calls| format!("{calls:.2}")),
                row.quiet_bytes_minute,
                row.quiet_cpu_us_second,
                row.memory_kib
            );
        }
    }
    println!(
        "\nPer client: bytes in both directions with HTTP's heads, without those of TCP and IP; the server's CPU time,"
    );
    println!("calls of the system and memory, without the system's own memory for sockets.\n");
    Ok(())
}

impl Measure {
    const fn seconds(self) -> u64 {
        if self.short { 2 } else { self.seconds }
    }

    const fn quiet_seconds(self) -> u64 {
        if self.short { 2 } else { self.seconds * 3 }
    }
}

/// What has been used so far.
struct Used {
    cpu_us: u64,
    bytes: u64,
}

fn used(server: &Server, world: &World) -> Result<Used, Failure> {
    Ok(Used { cpu_us: server.cpu_us()?, bytes: world.lines.traffic() })
}

fn look(
    program: &Path,
    measure: Measure,
    clients: usize,
    transport: Transport,
    checks: &mut Checks,
) -> Result<Row, Failure> {
    let place = Place::new("choose")?;
    let config = unhurried("");
    let settings = Settings::new(program, &place, &config, [127, 0, 48, 1]);
    let server = Server::start(&Settings { keeps: false, ..settings })?;
    let mut world = World::new(server.addr, 1)?;
    let mut row = Row::default();
    let memory = server.memory_kib()?;
    let options = SocketOptions::default();
    let subscriber = |_| Client::Subscriber(Subscriber::new(transport, &[0], "now", options));
    world.add((0..clients).map(subscriber))?;
    let quick = world.run(1_000, |world| world.subscribers().all(|it| it.is_open))?;
    // A long poll without a message has no answer, so the server's count says whether all polls are held.
    world.run_for(if quick { 500 } else { 1_000 })?;
    row.memory_kib = server.memory_kib()?.saturating_sub(memory) as f64 / clients as f64;

    let before = used(&server, &world)?;
    world.run_for(measure.quiet_seconds() * 1000)?;
    let after = used(&server, &world)?;
    let client_seconds = clients as f64 * measure.quiet_seconds() as f64;
    row.quiet_bytes_minute = (after.bytes - before.bytes) as f64 * 60.0 / client_seconds;
    row.quiet_cpu_us_second = (after.cpu_us - before.cpu_us) as f64 / client_seconds;

    world.add_at_once(Client::Publisher(Publisher::new(Over::Http, 0, INTERVAL_MS, MESSAGE_BYTES)));
    world.run_for(1_500)?;
    world.ground.latencies = Some(Histogram::new());
    let (before, delivered) = (used(&server, &world)?, world.ground.delivered[0]);
    world.run_for(measure.seconds() * 1000)?;
    let (after, deliveries) = (used(&server, &world)?, world.ground.delivered[0] - delivered);
    row.latencies = world.ground.latencies.take().unwrap_or_default();
    row.bytes_each = (after.bytes - before.bytes) as f64 / deliveries.max(1) as f64;
    row.cpu_us_each = (after.cpu_us - before.cpu_us) as f64 / deliveries.max(1) as f64;
    row.calls_each = count_calls(&place, &server, &mut world)?;
    judge(&mut world, checks)?;
    server.stop()?;
    Ok(row)
}

/// System calls of the server per delivery, if `strace` is there to count them.
fn count_calls(place: &Place, server: &Server, world: &mut World) -> Result<Option<f64>, Failure> {
    let out = place.data();
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-p", &server.pid().to_string(), "-o"]).arg(&out);
    let Ok(mut counter) = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn() else {
        return Ok(None);
    };
    world.run_for(500)?;
    let delivered = world.ground.delivered[0];
    world.run_for(2_000)?;
    let deliveries = world.ground.delivered[0] - delivered;
    let _ = kill_process(Pid::from_child(&counter), Signal::INT);
    counter.wait()?;
    let table = fs::read_to_string(&out).unwrap_or_default();
    let total = table.lines().find(|line| line.trim_end().ends_with("total"));
    let calls = total.and_then(|line| line.split_whitespace().nth(3)?.parse::<f64>().ok());
    // It counted half a second longer than we did.
    Ok(calls.filter(|_| deliveries > 0).map(|calls| calls * 0.8 / deliveries as f64))
}

fn judge(world: &mut World, checks: &mut Checks) -> Result<(), Failure> {
    world.settle(PATIENCE_MS)?;
    let (sum, behind) = world.sum(world.subscribers());
    let flaws = sum.lost + sum.repeated + sum.gaps + world.ground.faults_total;
    // Checks that hold are not printed between the rows of the table.
    if behind == 0 && flaws == 0 && world.ground.acknowledged[0] > 0 {
        checks.passed += 1;
    } else {
        checks.that(false, format_args!("all messages in order: {sum} {:?}", world.ground.faults));
    }
    Ok(())
}
