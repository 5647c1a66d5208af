//! Measures a TCP echo server of its own: the floor below every protocol.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::thread;

use clap::Parser;
use sockeye_load::BenchAction;

#[derive(Parser)]
struct Bench {
    #[command(subcommand)]
    action: BenchAction,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("tcp://{}", listener.local_addr()?);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(&stream));
        }
    });
    let bench =
        Bench::parse_from(["bench", "echo", "-c", "4", "--warm-up", "0.1", "-d", "0.5", &url]);
    sockeye_load::run(&bench.action).map_err(|failure| failure.to_string().into())
}

fn echo(mut stream: &TcpStream) -> io::Result<u64> {
    let mut writer = stream.try_clone()?;
    io::copy(&mut stream, &mut writer)
}
