//! Strings in Huffman's code.

use sockeye_hpack::{Decoder, Error, Limits, write_field};

use crate::{checks, error, fields, hex};

/// A field `a` whose value is coded.
fn coded(value: &str) -> Vec<u8> {
    let value = hex(value);
    let mut block = vec![0x00, 0x01, b'a', 0x80 | u8::try_from(value.len()).expect("short")];
    block.extend(value);
    block
}

fn decoder() -> Decoder {
    Decoder::new(Limits::DEFAULT)
}

/// [hpack:5.2-eos]
#[test]
fn eos_is_an_error() {
    // EOS alone, behind a letter, and before one.
    for value in ["fffffffc", "ffffffff", "1fffffffff", "fffffffffe", "fffffffc7f"] {
        assert_eq!(error(&mut decoder(), &coded(value)), Error::HuffmanEos, "{value}");
    }
}

/// [hpack:5.2-padding-length]
#[test]
fn padding_is_shorter_than_a_byte() {
    // "0" has 5 bits: 00000. One byte with 3 bits of padding is right, any further byte is not.
    assert_eq!(fields(&mut decoder(), &coded("07"))[0].1, "0");
    for value in ["07ff", "07ffff", "ff", "ffff", "ffffff"] {
        assert_eq!(error(&mut decoder(), &coded(value)), Error::HuffmanPadding, "{value}");
    }
    // "&" has 8 bits: no padding at all. "0" and "X" have 5 and 8: 3 of padding.
    assert_eq!(fields(&mut decoder(), &coded("f8"))[0].1, "&");
    assert_eq!(fields(&mut decoder(), &coded(""))[0].1, "");
}

/// [hpack:5.2-padding-ones]
#[test]
fn padding_is_ones() {
    for value in ["00", "06", "05", "03", "1c71"] {
        assert_eq!(error(&mut decoder(), &coded(value)), Error::HuffmanPadding, "{value}");
    }
    // A code that is cut: 13 bits of which 8 are there.
    assert_eq!(error(&mut decoder(), &coded("fe")), Error::HuffmanPadding);
}

/// [hpack:5.2-pad] Each byte alone and between others; so each code at each of the positions in a byte.
#[test]
fn every_symbol_has_its_code() {
    let mut all = Vec::new();
    for byte in 0..=255 {
        for text in [vec![byte], vec![byte; 9], [b"0".repeat(7), vec![byte; 3]].concat()] {
            all.extend(&text);
            checks::fields_round_trip(&[(b"a", &text, false)], None);
        }
    }
    checks::fields_round_trip(&[(b"a", &all, false)], None);
}

/// The last code of each length and the first of the next: where canonical decoding can go wrong. These
/// are facts of appendix B.
#[test]
fn codes_of_the_appendix() {
    for (value, byte) in [
        ("07", 48),       // 00000
        ("4f", 116),      // 01001
        ("53", 32),       // 010100
        ("b7", 117),      // 101101
        ("b9", 58),       // 1011100
        ("f7", 122),      // 1111011
        ("f8", 38),       // 11111000
        ("fd", 90),       // 11111101
        ("fe3f", 33),     // 11111110 00
        ("ff3f", 63),     // 11111111 00
        ("ff5f", 39),     // 11111111 010
        ("ffaf", 35),     // 11111111 1010
        ("ffc7", 0),      // 11111111 11000
        ("fff3", 94),     // 11111111 111100
        ("fffd", 123),    // 11111111 1111110
        ("fffe1f", 92),   // 11111111 11111110 000
        ("fffe6f", 128),  // 11111111 11111110 0110
        ("fffee7", 153),  // 11111111 11111110 11100
        ("fffffff3", 10), // 11111111 11111111 11111111 111100
        ("fffffffb", 22), // 11111111 11111111 11111111 111110
    ] {
        let (seen, result) = checks::decode(&mut decoder(), &coded(value));
        assert_eq!((result, &seen[0].1), (Ok(()), &vec![byte]), "{value}");
    }
}

/// The bytes from 0 to 255, as appendix B codes them.
const ALL_BYTES: &str = "
    ffc7fffd8fffffe2fffffe3fffffe4fffffe5fffffe6fffffe7fffffe8ffffeafffffff3fffffa7fffffabff
    ffffdfffffebfffffecfffffedfffffeefffffefffffff0ffffff1ffffff2fffffffbfffffcffffffd3fffff
    d7fffffdbfffffdffffffe3fffffe7fffffebfffffed4fe3f9ffaffcabf1febfafefe7fdfd2cbb00089969b7
    1d79fb9f7fff20ffbff3ff50ddbd7f061c58f265cd9f469d5af66dddbf871e5f9cff7ff7fffc3ff9ffe45fff
    4719242cb34e6e9d68a6a3d7dac426defe3cfaf7fffbfe7ffbffdffffffcfffe6ffff4bfff9ffffa3fffd3ff
    ff53fffd5ffffb3fffeb7fffdaffffb7ffff73fffeeffffdeffffebffffbfffffd9ffffdbfffebffffe0ffff
    eeffffc3ffff8bffff1ffffe4fffee7fffb1ffff97fffd9ffffcdffff9fffffbffffdafffeeffff4ffffb7ff
    fee7fffe8ffffd3fffdeffffd5fffeeffffbdffffe1fffdfffff7fffff5ffffecffff07fff87fffe0ffff17f
    ffedffff87ffff77fffeffffeaffff8bfffe3ffff93ffff87fffcbffff37ffff1fffff83ffffe1fffebfffe3
    ffff3fffff2ffffa3ffffd9fffff17ffffc7fffff27ffffdefffffbffffff2fffff8fffffb7fff97fff8ffff
    fe6fffffc1fffff87ffffe7fffffc5ffffe5fffe4ffff2fffffd1fffff4ffffffefffffe3fffffc9fffff97f
    ffb3ffffcffffb7fffcdffff4ffff9ffffd1ffffcffffeaffffafffffddffffeffffff4fffff5fffffabffff
    a7ffffd7fffff9bffffecfffffb7fffff3fffffe8fffffd3fffffabfffff5fffffff7ffffecfffffdbfffffb
    bfffff7ffffff0fffffbbf
";

/// Symbols and codes that are exchanged in both directions alike would pass every round trip.
#[test]
fn the_code_is_the_one_of_the_appendix() {
    let code = hex(ALL_BYTES);
    let all: Vec<u8> = (0..=255).collect();
    let mut block = hex("00 01 61 ff");
    let len = code.len() - 127;
    block.extend([
        u8::try_from(len % 128).expect("7 bits") | 0x80,
        u8::try_from(len / 128).expect("7 bits"),
    ]);
    block.extend(&code);
    let (seen, result) = checks::decode(&mut decoder(), &block);
    assert_eq!((result, &seen[0].1), (Ok(()), &all));
}

/// [hpack:5.2-shorter]
#[test]
fn code_is_used_where_it_is_shorter() {
    for (value, block) in [
        (&b"ab"[..], "00 01 61 02 6162"), // 11 bits: not shorter
        (b"aab", "00 01 61 82 18e3"),     // 16 bits
        (b"!!", "00 01 61 02 2121"),      // longer
        (b"", "00 01 61 00"),
    ] {
        let mut out = Vec::new();
        write_field(&mut out, b"a", value);
        assert_eq!(out, hex(block), "{}", value.escape_ascii());
    }
}
