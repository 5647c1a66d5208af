//! A gigabyte in a megabyte stops at the limit, in memory and in work.

use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session, WindowBits};
use sockeye_websocket::{CodecError, MessageCodec, Role};

const MIB: usize = 1 << 20;

/// 1 GiB of zeros in about 1 MB.
fn bomb() -> Vec<u8> {
    let mut piece = Vec::new();
    let zeros = vec![0; MIB];
    let config = EngineConfig { level: Level::SMALLEST, ..EngineConfig::default() };
    assert!(Engine::new(config).compress_shared(&zeros, WindowBits::MAX, &mut piece));
    let mut bomb = [&piece[..], &[0x00, 0x00, 0xFF, 0xFF]].concat().repeat(1024);
    bomb.truncate(bomb.len() - 4);
    bomb
}

/// [rfc7692:6.2-limit]
#[test]
fn stops_at_the_limit() {
    let bomb = bomb();
    assert!(bomb.len() * 900 < 1024 * MIB);
    let mut engine = Engine::default();
    let mut session = Session::new(Role::Server, Params::default());
    let mut out = Vec::new();
    let before = peak_memory();
    let verdict = session.codec(&mut engine).decompress(&bomb, MIB as u64, &mut out);
    assert_eq!(verdict, Err(CodecError::TooBig));
    assert!(out.is_empty() && out.capacity() <= 2 * MIB);
    assert_eq!(session.windows_bytes(), 0, "what was refused is not remembered");
    let grown = peak_memory() - before;
    assert!(grown <= 4 * MIB, "{grown} bytes");
}

/// The largest resident size of this process so far, or 0 where the system does not say.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
