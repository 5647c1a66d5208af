//! One load against one server, from a fresh start.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::generator::{Extent, Generator};
use crate::sample::{Board, Figure, Sample};
use crate::scenario::{Counted, Load, Scenario, deliver_factor};
use crate::server::{Running, Server};
use crate::syscalls::Trace;
use crate::{requests, secure};

/// Plays a load and returns its figures, or the reason why there are none.
pub(crate) fn play(
    scenario: &Scenario,
    server: &Server,
    generator: &Generator,
    board: &Board,
) -> Result<Sample, String> {
    if scenario.load == Load::Start {
        return start(server);
    }
    if let Load::Calls(counted) = scenario.load {
        return calls(counted, server, generator);
    }
    let running = server.start().map_err(|error| error.to_string())?;
    match scenario.load {
        Load::Echo(echo) => generator.echo(server, &running, echo, None, Extent::Usual),
        Load::Requests(it) => requests::play(server, &running, it, generator.measured_s),
        Load::Secure(load) => {
            let seconds = (generator.warm_up_s, generator.measured_s);
            secure::play(server, &running, load, seconds)
        }
        Load::Half(echo) => {
            let rate = half_rate(board).ok_or("its maximum was not measured")?;
            let extent = Extent::Seconds(2.0 * generator.measured_s);
            generator.echo(server, &running, echo, Some(rate), extent)
        }
        Load::Deliver(deliver) => {
            let extent = match deliver_factor(deliver) {
                // A publication to ten thousand takes a while, and one is not enough.
                factor if factor > 1.0 => Extent::Seconds((factor * generator.measured_s).max(1.0)),
                _ => Extent::Usual,
            };
            generator.deliver(server, &running, deliver, extent)
        }
        Load::Channels(channels) => generator.channels(server, &running, channels),
        Load::Idle(idle) => generator.idle(server, &running, idle),
        Load::Calls(_) | Load::Start => Err("it is played otherwise".into()),
    }
}

/// Half of the lower of the two maxima of this round, so that both have the same to do.
fn half_rate(board: &Board) -> Option<f64> {
    let most = |server| board.last("echo125", server, Figure::Rate);
    let (ours, theirs) = (most("sockeye")?, most("uws"));
    Some(theirs.map_or(ours, |theirs| ours.min(theirs)) / 2.0)
}

/// The calls of a long run less those of a short one, so that opening and closing are not counted.
fn calls(counted: Counted, server: &Server, generator: &Generator) -> Result<Sample, String> {
    let (few, many) = match counted {
        Counted::Echo(echo) => {
            let count = (echo.connections * echo.pipeline) as u64;
            (Extent::Messages(4 * count), Extent::Messages((20 * count).max(20_000)))
        }
        Counted::Deliver(_) => (Extent::Seconds(2.0), Extent::Seconds(10.0)),
    };
    let (short, long) =
        (traced(counted, server, generator, few)?, traced(counted, server, generator, many)?);
    let units = long.units - short.units;
    if units <= 0.0 {
        return Err("the long run was no longer than the short one".into());
    }
    let each =
        |of: fn(&Trace) -> u64| of(&long.trace).saturating_sub(of(&short.trace)) as f64 / units;
    Ok(Sample::from([(Figure::Calls, each(Trace::total)), (Figure::Writes, each(Trace::writes))]))
}

/// A run under the eyes of `strace`.
struct Traced {
    trace: Trace,
    units: f64,
}

fn traced(
    counted: Counted,
    server: &Server,
    generator: &Generator,
    extent: Extent,
) -> Result<Traced, String> {
    let running = server.start().map_err(|error| error.to_string())?;
    let tracer = Trace::attach(running.pid)?;
    let sample = match counted {
        Counted::Echo(echo) => generator.echo(server, &running, echo, None, extent),
        Counted::Deliver(deliver) => generator.deliver(server, &running, deliver, extent),
    };
    let trace = tracer.finish()?;
    let units = *sample?.get(&Figure::Units).ok_or("it does not say how many")?;
    Ok(Traced { trace, units })
}

/// From the start of the process to the first byte of an answer; with it the size of the program.
fn start(server: &Server) -> Result<Sample, String> {
    let path = server.places.health.as_ref().ok_or("it has nothing to ask for")?;
    let begun = Instant::now();
    let running = server.start().map_err(|error| error.to_string())?;
    ask(&running, path).map_err(|error| error.to_string())?;
    Ok(Sample::from([(Figure::Start, begun.elapsed().as_nanos() as f64)]))
}

fn ask(running: &Running, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, running.port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: load\r\n\r\n").as_bytes())?;
    stream.read_exact(&mut [0; 12])
}
