//! The payloads of RFC 7692 §7.2.3, and what must not pass for one.

use sockeye_deflate::{Engine, EngineConfig, Level, Params, Session, WindowBits};
use sockeye_websocket::{CodecError, MessageCodec, Role};

fn receive(session: &mut Session, message: &[u8]) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    session.codec(&mut Engine::default()).decompress(message, 1000, &mut out)?;
    Ok(out)
}

fn session(bits: u8) -> Session {
    let client_max_window_bits = WindowBits::new(bits);
    Session::new(Role::Server, Params { client_max_window_bits, ..Params::default() })
}

fn once(message: &[u8]) -> Result<Vec<u8>, CodecError> {
    receive(&mut session(15), message)
}

/// [rfc7692:7.2.2-append-tail]
#[test]
fn the_examples_of_the_rfc() {
    // §7.2.3.1: a fixed block.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(once(&hello).unwrap(), b"Hello");
    // §7.2.3.2: again, from the window.
    let mut both = session(15);
    assert_eq!(receive(&mut both, &hello).unwrap(), b"Hello");
    assert_eq!(receive(&mut both, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
    // §7.2.3.3: a stored block.
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(once(&stored).unwrap(), b"Hello");
    // §7.2.3.4: a final block.
    assert_eq!(once(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]).unwrap(), b"Hello");
    // §7.2.3.5: two blocks.
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(once(&two).unwrap(), b"Hello");
    // §7.2.3.6: nothing.
    assert_eq!(once(&[0x00]).unwrap(), b"");
}

/// [rfc7692:7.2.3.4-bfinal]
#[test]
fn final_blocks_anywhere() {
    let fin = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let reference = [0xf2, 0x00, 0x11, 0x00, 0x00];
    // The window lives on behind a final block, within a message and between messages.
    assert_eq!(once(&[&fin[..], &reference].concat()).unwrap(), b"HelloHello");
    assert_eq!(once(&[&fin[..], &fin, &fin, &[0]].concat()).unwrap(), b"HelloHelloHello");
    let mut both = session(15);
    assert_eq!(receive(&mut both, &[&fin[..], &[0]].concat()).unwrap(), b"Hello");
    assert_eq!(receive(&mut both, &reference).unwrap(), b"Hello");
    // The window from before the message, too.
    let then_reference = [&[0x03, 0x00], &reference[..]].concat();
    assert_eq!(receive(&mut both, &then_reference).unwrap(), b"Hello");
    // And without takeover it is the message's own.
    let params = Params { client_no_context_takeover: true, ..Params::default() };
    let mut forgetful = Session::new(Role::Server, params);
    let message = [&fin[..], &reference].concat();
    assert_eq!(receive(&mut forgetful, &message).unwrap(), b"HelloHello");
    assert_eq!(receive(&mut forgetful, &reference), Err(CodecError::Corrupt));
}

/// Deviation: a message of nothing but tiny final blocks is refused.
#[test]
fn final_blocks_are_bounded() {
    assert_eq!(once(&[&[0x03, 0x00].repeat(16)[..], &[0]].concat()).unwrap(), b"");
    assert_eq!(once(&[&[0x03, 0x00].repeat(17)[..], &[0]].concat()), Err(CodecError::Corrupt));
    // One whose content is the tail that the sender stripped counts like the others.
    let stored_tail = [0x01, 0x04, 0x00, 0xfb, 0xff];
    let with_tail = |others| [&[0x03, 0x00].repeat(others)[..], &stored_tail].concat();
    assert_eq!(once(&with_tail(15)).unwrap(), [0x00, 0x00, 0xff, 0xff]);
    assert_eq!(once(&with_tail(16)), Err(CodecError::Corrupt));
}

/// [rfc7692:7.2.1-complete]
#[test]
fn a_message_that_does_not_end_is_corrupt() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for len in 0..hello.len() {
        assert_eq!(once(&hello[..len]), Err(CodecError::Corrupt), "cut to {len}");
    }
    for message in [
        &[][..],                                                    // not even the header of the tail
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00], // a final block and no empty one
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0, 0, 0xff, 0xff], // the tail not stripped
        &[0x00, 0x0a, 0x00, 0xf5, 0xff, 1, 2, 3, 4, 5], // stored, and it would swallow the tail
        &[0x00, 0x09, 0x00, 0xf6, 0xff],             // the tail and then some
        &[0x06],                                     // block type 3
        &[0x00, 0x01, 0x00, 0xff, 0xff, 7, 0],       // lengths that do not match
    ] {
        assert_eq!(once(message), Err(CodecError::Corrupt), "{message:?}");
    }
}

/// [rfc7692:7.1.1-no-context-takeover]
#[test]
fn a_distance_before_the_start_is_corrupt() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let reference = [0xf2, 0x00, 0x11, 0x00, 0x00];
    assert_eq!(once(&reference), Err(CodecError::Corrupt));
    let params = Params { client_no_context_takeover: true, ..Params::default() };
    let mut forgetful = Session::new(Role::Server, params);
    assert_eq!(receive(&mut forgetful, &hello).unwrap(), b"Hello");
    assert_eq!(receive(&mut forgetful, &reference), Err(CodecError::Corrupt));
}

/// [rfc7692:7.1.2-distance]
#[test]
fn history_ends_where_the_window_ends() {
    let past: Vec<u8> = (0..=255).cycle().take(300).collect();
    let len = u16::try_from(past.len()).unwrap();
    let stored = [&[0], &len.to_le_bytes()[..], &(!len).to_le_bytes(), &past, &[0]].concat();
    // After 300 bytes a window of 8 bits holds 256: the 257th from the end is out of reach.
    let mut narrow = session(8);
    assert_eq!(receive(&mut narrow, &stored).unwrap(), past);
    assert_eq!(receive(&mut narrow, &reach_back_257("")), Err(CodecError::Corrupt));
    let mut wide = session(9);
    assert_eq!(receive(&mut wide, &stored).unwrap(), past);
    assert_eq!(receive(&mut wide, &reach_back_257("")).unwrap(), [43, 44, 45]);
    // Behind a final block, where the window is handed over anew, that holds within a message.
    let mut fin = stored.clone();
    fin.splice(..1, [1]);
    fin.pop();
    let message = [&fin[..], &reach_back_257("")].concat();
    assert_eq!(receive(&mut session(8), &message), Err(CodecError::Corrupt));
    assert_eq!(receive(&mut session(9), &message).unwrap()[300..], [43, 44, 45]);
    // The uncaught distance of the README: the own bytes of a message push nothing out of reach. The
    // same distance behind a literal `H` is one too many for the window and still history.
    let mut narrow = session(8);
    assert_eq!(receive(&mut narrow, &stored).unwrap(), past);
    assert_eq!(receive(&mut narrow, &reach_back_257("01111000")).unwrap(), [b'H', 44, 45, 46]);
}

/// A fixed block of the bits `first` and a match of length 3 at distance 257, bits in wire order.
fn reach_back_257(first: &str) -> Vec<u8> {
    let (header, length, distance, end) = ("010", "0000001", "10000" /* 16: 257 */, "0000000");
    bytes(&[header, first, length, distance, "0000000" /* + 0 */, end, "000"].concat())
}

/// Bits in wire order as bytes, the last one filled up with zeros.
fn bytes(bits: &str) -> Vec<u8> {
    bits.as_bytes()
        .chunks(8)
        .map(|byte| byte.iter().rev().fold(0, |all, bit| all << 1 | (bit - b'0')))
        .collect()
}

/// A dynamic block whose end is fifteen ones: the appended tail completes it, and one bit of the
/// tail is left over.
///
/// [rfc7692:7.2.1-complete]
#[test]
fn a_bit_left_over_is_corrupt() {
    // 257 literal and length codes, one distance code, all 19 lengths; 18 and 1 to 15 have 4 bits,
    // so that length n is coded as n - 1 and 18 as 15.
    let header = ["001", "00000", "00000", "1111", "000000", "001", "000", &"001".repeat(15)];
    let lengths: String = (0..15).map(|code| format!("{code:04b}")).collect();
    // Literals 0 to 14 have 1 to 15 bits, then 138 + 103 have none, 256 has 15; distance 0 has 1.
    let rest = ["1111", "1111111", "1111", "0011101", "1110", "0000"];
    let mut bits = [header.concat(), lengths, rest.concat()].concat();
    while bits.len() % 8 != 0 {
        bits.push('0'); // literal 0
    }
    let block = bytes(&bits);
    assert_eq!(once(&block), Err(CodecError::Corrupt));
    // With an end of its own, and the empty block, the same block is fine.
    let complete = bytes(&[&bits, "111111111111111", "000"].concat());
    assert!(once(&complete).is_ok());
}

/// [rfc7692:6.2-limit]
#[test]
fn the_limit_is_exact() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let mut engine = Engine::default();
    for (bytes_max, expected) in [
        (0, Err(CodecError::TooBig)),
        (4, Err(CodecError::TooBig)),
        (5, Ok(())),
        (u64::MAX, Ok(())),
    ] {
        let mut out = b"x".to_vec();
        let verdict = session(15).codec(&mut engine).decompress(&hello, bytes_max, &mut out);
        assert_eq!(verdict, expected);
        assert_eq!(out, if verdict.is_ok() { &b"xHello"[..] } else { b"x" });
    }
}

#[test]
fn after_an_error_nothing_is_read_any_more() {
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let mut failed = session(15);
    assert_eq!(receive(&mut failed, &[0x06]), Err(CodecError::Corrupt));
    assert_eq!(receive(&mut failed, &hello), Err(CodecError::Corrupt));
}

/// [rfc7692:7.2.1-strip-tail]
#[test]
fn what_we_send_has_no_tail() {
    let config =
        EngineConfig { level: Level::FASTEST, message_bytes_min: 5, ..EngineConfig::default() };
    let mut engine = Engine::new(config);
    let mut session = session(15);
    let mut codec = session.codec(&mut engine);
    let mut out = Vec::new();
    assert!(codec.compress(b"aaaaaaaaaaaaaaaaaaaa", &mut out));
    assert!(!out.ends_with(&[0x00, 0x00, 0xFF, 0xFF]));
    assert_eq!(out.last(), Some(&0), "the header bits of the empty stored block");
    // Below the threshold, and empty ones, go uncompressed.
    out.clear();
    assert!(!codec.compress(b"aaaa", &mut out));
    assert!(
        !Session::new(Role::Server, Params::default())
            .codec(&mut Engine::new(EngineConfig { message_bytes_min: 0, ..config }))
            .compress(b"", &mut out)
    );
    assert_eq!(out, b"");
}
