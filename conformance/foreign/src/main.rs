//! Our clients against other people's servers: npm `ws`, `better-sse`, Python's `websockets`, `sse-starlette`,
//! and nginx before them.
//!
//! `sockeye-foreign DIR PYTHON`: DIR has what `conformance/foreign/run` has put there.

mod children;
mod events;
mod proxied;
mod secure;
mod sockets;
mod verdict;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use self::children::{House, Outcome};
use self::verdict::Verdict;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let (Some(dir), Some(python), None) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: sockeye-foreign DIR PYTHON");
        return ExitCode::from(2);
    };
    let mut verdict = Verdict::default();
    if let Err(error) = run(PathBuf::from(dir), Path::new(&python), &mut verdict) {
        verdict.note("the run itself", Err(error));
    }
    verdict.say()
}

fn run(dir: PathBuf, python: &Path, verdict: &mut Verdict) -> Outcome {
    let house = House::build(dir, python)?;
    sockets::run(&house, verdict);
    events::run(&house, verdict);
    secure::run(&house, verdict)?;
    // Last, as it ends and starts servers.
    proxied::run(house, verdict)
}
