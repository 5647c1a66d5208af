//! The Huffman code of strings (RFC 7541 §5.2, appendix B), bit by bit.
//!
//! The code is canonical, so the lengths give the codes.

/// The symbol EOS.
const EOS: usize = 256;

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The codes with their symbols, in the order of the code: code, length, symbol.
fn codes() -> Vec<(u32, u8, usize)> {
    let mut symbols: Vec<usize> = (0..LENGTHS.len()).collect();
    symbols.sort_by_key(|&symbol| (LENGTHS[symbol], symbol));
    let (mut code, mut len) = (0_u32, LENGTHS[symbols[0]]);
    let mut codes = Vec::new();
    for symbol in symbols {
        code <<= LENGTHS[symbol] - len;
        len = LENGTHS[symbol];
        codes.push((code, len, symbol));
        code += 1;
    }
    codes
}

/// The code of a text, padded with ones.
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    let codes = codes();
    let mut bits = Vec::new();
    for &byte in text {
        let found = codes.iter().find(|(.., symbol)| *symbol == usize::from(byte));
        let &(code, len, _) = found.expect("each byte has a code");
        bits.extend((0..len).rev().map(|at| code >> at & 1 == 1));
    }
    pack(&bits)
}

/// Bits as bytes, padded with ones.
fn pack(bits: &[bool]) -> Vec<u8> {
    let byte = |bits: &[bool]| {
        (0..8).fold(0_u8, |byte, at| byte << 1 | u8::from(bits.get(at).copied().unwrap_or(true)))
    };
    bits.chunks(8).map(byte).collect()
}

/// The text of a code, or the rule that it breaks.
pub(crate) fn decode(coded: &[u8]) -> Result<Vec<u8>, String> {
    let codes = codes();
    let (mut text, mut code, mut len) = (Vec::new(), 0_u32, 0_u8);
    for bit in coded.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
        code = code << 1 | u32::from(bit);
        len += 1;
        let found = codes.iter().find(|&&(other, bits, _)| (other, bits) == (code, len));
        match found {
            Some(&(_, _, EOS)) => return Err("EOS in a string".to_owned()),
            Some(&(_, _, symbol)) => {
                text.push(u8::try_from(symbol).expect("symbols below EOS are bytes"));
                (code, len) = (0, 0);
            }
            None if len > 30 => return Err("a code that is none".to_owned()),
            None => {}
        }
    }
    let is_padding = len < 8 && code == (1 << len) - 1;
    if is_padding { Ok(text) } else { Err("a wrong padding".to_owned()) }
}
