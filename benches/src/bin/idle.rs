//! What an idle WebSocket costs the server: resident bytes, and processor time to open it.
//!
//! `cargo run --release --bin idle -- target/dist/sockeye [CONNECTIONS]`

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sockeye_benches::masked_frame;
use sockeye_benches::server::{ServerProcess, connect};
use sockeye_frame::Opcode;

/// Connections before the first look: what a server needs once is not counted.
const FIRST: usize = 1_000;
const CONNECTIONS: usize = 10_000;
const BYTES_WANTED: u64 = 1024;
const ECHO_BYTES: usize = 64;

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let program = args.first().ok_or_else(|| io::Error::other("which program?"))?;
    let connections = match args.get(1) {
        Some(number) => number.parse().map_err(io::Error::other)?,
        None => CONNECTIONS,
    };
    raise_descriptor_limit();
    run(Path::new(program), connections, Touch::Nothing)?;
    run(Path::new(program), connections, Touch::Echo)
}

/// What each connection does before it is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touch {
    Nothing,
    /// One message, there and back.
    Echo,
}

fn run(program: &Path, connections: usize, touch: Touch) -> io::Result<()> {
    let server = ServerProcess::start(program)?;
    let mut streams = Vec::with_capacity(connections);
    open(&server, &mut streams, FIRST, touch)?;
    let (bytes_before, cpu_before) = settled(&server)?;
    open(&server, &mut streams, connections, touch)?;
    let (bytes_after, cpu_after) = settled(&server)?;

    let more = (connections - FIRST) as u64;
    let bytes = bytes_after.saturating_sub(bytes_before) / more;
    let cpu_us = (cpu_after - cpu_before).as_secs_f64() * 1e6 / more as f64;
    let verdict = if bytes <= BYTES_WANTED { "HIT" } else { "MISS" };
    println!(
        "{verdict}: {bytes} resident bytes per connection ({FIRST} to {connections} connections, \
         {bytes_before} to {bytes_after} bytes; wanted {BYTES_WANTED}), {cpu_us:.1} µs of server \
         CPU per connect; before: {touch:?}"
    );
    Ok(())
}

fn open(
    server: &ServerProcess,
    streams: &mut Vec<TcpStream>,
    connections: usize,
    touch: Touch,
) -> io::Result<()> {
    let message = [b'x'; ECHO_BYTES];
    let frame = masked_frame(Opcode::Binary, &message);
    while streams.len() < connections {
        let mut stream = connect(server.addr())?;
        if touch == Touch::Echo {
            stream.write_all(&frame)?;
            let mut echo = [0; ECHO_BYTES + 2];
            stream.read_exact(&mut echo)?;
            assert_eq!(echo[2..], message);
        }
        streams.push(stream);
    }
    Ok(())
}

/// Memory and time once nothing moves any more.
fn settled(server: &ServerProcess) -> io::Result<(u64, Duration)> {
    sleep(Duration::from_millis(300));
    Ok((server.resident_bytes()?, server.cpu()?))
}

/// Raises the soft limit on descriptors to the hard one.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // What cannot be raised shows as soon as it is reached.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
