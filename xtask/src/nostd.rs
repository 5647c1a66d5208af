//! Builds the `no_std` crates into programs without std and without a C library, inspects and runs them.
//!
//! `conformance/nostd` holds the programs.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::outcome::{Check, Outcome};
use crate::workspace::{Workspace, binaries, output, utf8};

/// The crates that must also compile for each installed target without an operating system.
const CRATES: [&str; 9] =
    ["frame", "http", "http1", "hpack", "http2", "handshake", "websocket", "sse", "proxy"];
/// A program that panicked hangs.
const DEADLINE: Duration = Duration::from_secs(5);

pub(crate) fn run(workspace: &Workspace) -> Outcome<Check> {
    let programs = workspace.root.join("conformance/nostd");
    let target = workspace.target.join("nostd");
    build(&programs.join("Cargo.toml"), &target)?;

    let mut check = Check::default();
    let names = binaries(&programs)?;
    for name in CRATES.iter().filter(|name| !names.iter().any(|it| it == *name)) {
        check.problems.push(format!("there is no program for {name}"));
    }
    for name in &names {
        let program = target.join("release").join(name);
        let faults = faults(&program)?;
        let text_bytes =
            text_bytes(&output("size", [&program])?).ok_or("`size` printed no size")?;
        if faults.is_empty() {
            let remark = format!("{name}: static, nothing undefined, {text_bytes} bytes, ran well");
            check.remarks.push(remark);
        }
        check.problems.extend(faults.into_iter().map(|fault| format!("{name} {fault}")));
    }
    let bare = bare_metal(workspace, &mut check.remarks)?;
    check.remarks.push(format!("{bare} bare-metal builds"));
    check.summary = format!("{} passed, 0 failed", names.len());
    Ok(check)
}

fn build(manifest: &Path, target: &Path) -> Outcome<()> {
    let arguments = ["build", "--release", "--locked", "--quiet", "--bins", "--manifest-path"];
    let arguments = arguments.map(OsStr::new).into_iter();
    let rest = [manifest.as_os_str(), OsStr::new("--target-dir"), target.as_os_str()];
    output("cargo", arguments.chain(rest)).map(drop)
}

/// The signs of std or libc in a program, and the faults of its run.
fn faults(program: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    let undefined = output("nm", ["--undefined-only", utf8(program)?])?;
    faults.extend(undefined.split_whitespace().last().map(|it| format!("needs the symbol {it}")));
    let segments = output("readelf", ["--program-headers", "--wide", utf8(program)?])?;
    faults.extend(dynamic(&segments).map(|it| format!("is linked dynamically: it has {it}")));
    let symbols = output("nm", ["--demangle", utf8(program)?])?;
    faults.extend(foreign(&symbols).map(|it| format!("contains {it}")));
    if faults.is_empty() {
        faults.extend(ending(program)?);
    }
    Ok(faults)
}

/// The first program header that only a dynamically linked program has.
fn dynamic(segments: &str) -> Option<&str> {
    segments.split_whitespace().find(|word| matches!(*word, "INTERP" | "DYNAMIC"))
}

/// The first symbol of std or of the C library.
fn foreign(symbols: &str) -> Option<&str> {
    let names = symbols.lines().filter_map(|line| Some(line.split_once(' ')?.1.split_once(' ')?.1));
    let bad = ["std::", "<std::", "__libc", "malloc", "__rust_start_panic"];
    names.into_iter().find(|name| bad.iter().any(|bad| name.starts_with(bad)))
}

/// The sum that Berkeley-style `size` prints for code and constants.
fn text_bytes(sizes: &str) -> Option<u64> {
    sizes.lines().nth(1)?.split_whitespace().next()?.parse().ok()
}

/// Runs a program and returns what was wrong with its end.
fn ending(program: &Path) -> Outcome<Option<String>> {
    let mut child = Command::new(program).stdin(Stdio::null()).spawn()?;
    let begun = Instant::now();
    loop {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(None),
            Some(status) => return Ok(Some(format!("ran and ended with {status}"))),
            None if begun.elapsed() > DEADLINE => {
                child.kill()?;
                child.wait()?;
                return Ok(Some("panicked or hangs".to_owned()));
            }
            None => sleep(Duration::from_millis(5)),
        }
    }
}

/// Builds the crates for each installed target without an operating system.
fn bare_metal(workspace: &Workspace, remarks: &mut Vec<String>) -> Outcome<usize> {
    let installed = output("rustup", ["target", "list", "--installed"]).unwrap_or_default();
    let targets: Vec<&str> = installed.lines().filter(|target| target.contains("-none")).collect();
    if targets.is_empty() {
        remarks
            .push("bare metal: no such target is installed, nothing is built for one".to_owned());
    }
    let manifest = workspace.root.join("Cargo.toml");
    for target in &targets {
        let packages = CRATES.map(|name| format!("--package=sockeye-{name}"));
        let command = ["build", "--release", "--locked", "--quiet", "--lib"].map(str::to_owned);
        let platform =
            [format!("--target={target}"), format!("--manifest-path={}", utf8(&manifest)?)];
        output("cargo", command.into_iter().chain(packages).chain(platform))?;
        remarks.push(format!("bare metal: {} crates built for {target}", CRATES.len()));
    }
    Ok(targets.len() * CRATES.len())
}

#[cfg(test)]
mod tests {
    use super::{dynamic, foreign, text_bytes};

    #[test]
    fn headers_of_dynamic_programs() {
        assert_eq!(dynamic("  LOAD 0x0\n  INTERP 0x1\n"), Some("INTERP"));
        assert_eq!(dynamic("  LOAD 0x0\n  GNU_STACK 0x1\n"), None);
    }

    #[test]
    fn symbols_of_std_and_libc() {
        assert_eq!(foreign("00401 t core::fmt::write\n00402 T check\n"), None);
        assert_eq!(foreign("00401 t std::rt::init\n"), Some("std::rt::init"));
        assert_eq!(foreign("00401 T malloc\n"), Some("malloc"));
    }

    #[test]
    fn sizes() {
        assert_eq!(text_bytes("   text  data\n   5978     8  1664\n"), Some(5978));
        assert_eq!(text_bytes(""), None);
    }
}
