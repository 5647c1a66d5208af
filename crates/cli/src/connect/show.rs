//! Formats messages for output, and words the end of a connection.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sockeye_client::Opened;
use sockeye_client::websocket::{CloseCode, Message};
use sockeye_terminal::plain::{JsonLine, lines, plain};

use super::args::ConnectOptions;

/// Bytes of a binary message that are shown of it.
const SHOWN_BYTES_MAX: usize = 32;

/// The output format of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Texts as they are, and the beginning of binary messages. On a terminal, control characters are escaped.
    Text,
    /// Binary messages as lines of digits.
    Hex,
    /// Binary messages as their bytes, without a line end.
    Raw,
    Json,
}

impl Form {
    pub(super) fn new(options: &ConnectOptions, is_terminal: bool) -> Self {
        match () {
            () if options.json => Self::Json,
            () if options.hex => Self::Hex,
            () if options.binary && !is_terminal => Self::Raw,
            () => Self::Text,
        }
    }

    /// Appends a message.
    pub(super) fn message(self, message: Message<'_>, is_terminal: bool, out: &mut Vec<u8>) {
        match (self, message) {
            (Self::Json, Message::Text(text)) => {
                JsonLine::of("text").field("data", text).push_to(out);
            }
            (Self::Json, Message::Binary(bytes)) => payload("binary", bytes).push_to(out),
            (Self::Text | Self::Hex | Self::Raw, Message::Text(text)) => {
                if is_terminal {
                    out.extend_from_slice(lines(text).as_bytes());
                } else {
                    out.extend_from_slice(text.as_bytes());
                }
                out.push(b'\n');
            }
            (Self::Raw, Message::Binary(bytes)) => out.extend_from_slice(bytes),
            (Self::Hex, Message::Binary(bytes)) => {
                out.extend_from_slice(digits(bytes, "").as_bytes());
                out.push(b'\n');
            }
            (Self::Text, Message::Binary(bytes)) => {
                out.extend_from_slice(dump(bytes).as_bytes());
                out.push(b'\n');
            }
        }
    }

    /// Appends a Ping or a Pong, where such are printed.
    pub(super) fn control(self, kind: &str, bytes: &[u8], out: &mut Vec<u8>) {
        if self == Self::Json {
            payload(kind, bytes).push_to(out);
        }
    }
}

fn payload(kind: &str, bytes: &[u8]) -> JsonLine {
    JsonLine::of(kind).field("base64", &STANDARD.encode(bytes)).field("length", &bytes.len())
}

/// Describes bytes by their number and the first of them.
pub(super) fn dump(bytes: &[u8]) -> String {
    let len = bytes.len();
    let unit = if len == 1 { "byte" } else { "bytes" };
    let first = digits(&bytes[..len.min(SHOWN_BYTES_MAX)], " ");
    let more = if len > SHOWN_BYTES_MAX { " …" } else { "" };
    let colon = if len == 0 { "" } else { ": " };
    format!("[binary, {len} {unit}{colon}{first}{more}]")
}

fn digits(bytes: &[u8], between: &str) -> String {
    let mut text = String::with_capacity(bytes.len() * (2 + between.len()));
    for (index, byte) in bytes.iter().enumerate() {
        let gap = if index > 0 { between } else { "" };
        let _ = write!(text, "{gap}{byte:02x}");
    }
    text
}

/// Reads hexadecimal digits; spaces and colons between the bytes are passed over.
pub(super) fn read_hex(line: &[u8]) -> Option<Vec<u8>> {
    let digits = line.iter().filter(|byte| !matches!(byte, b' ' | b'\t' | b':'));
    let digits: Option<Vec<u8>> = digits
        .map(|&byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let (pairs, rest) = digits.as_deref()?.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Words the result of the handshake.
pub(super) fn opened(opened: &Opened, is_http2: bool) -> String {
    let mut text = if is_http2 { "connected over HTTP/2" } else { "connected" }.to_owned();
    if let Some(subprotocol) = &opened.subprotocol {
        text.push_str(&format!("; subprotocol {}", plain(subprotocol)));
    }
    text.push_str(if opened.compressed { "; compressed" } else { "; not compressed" });
    text
}

/// A close code with its meaning.
pub(super) fn code_words(code: CloseCode) -> String {
    let words = match code {
        CloseCode::NORMAL => "normal",
        CloseCode::GOING_AWAY => "going away",
        CloseCode::PROTOCOL_ERROR => "protocol error",
        CloseCode::UNSUPPORTED_DATA => "unsupported data",
        CloseCode::NO_STATUS => return "without a code".to_owned(),
        CloseCode::ABNORMAL => return "without a Close frame".to_owned(),
        CloseCode::INVALID_PAYLOAD => "invalid payload",
        CloseCode::POLICY_VIOLATION => "policy violation",
        CloseCode::MESSAGE_TOO_BIG => "message too big",
        CloseCode::MANDATORY_EXTENSION => "an extension is missing",
        CloseCode::INTERNAL_ERROR => "internal error",
        CloseCode::SERVICE_RESTART => "service restart",
        CloseCode::TRY_AGAIN_LATER => "try again later",
        CloseCode::BAD_GATEWAY => "bad gateway",
        code if code.to_u16() >= 4000 => "the application's own",
        _ => "registered",
    };
    format!("{code} ({words})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(form: Form, is_terminal: bool, message: Message<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        form.message(message, is_terminal, &mut out);
        out
    }

    #[test]
    fn text_is_printed_as_it_is_but_on_terminals() {
        let text = || Message::Text("a\tb\nc\u{1b}[2J\r");
        assert_eq!(shown(Form::Text, false, text()), b"a\tb\nc\x1b[2J\r\n");
        assert_eq!(shown(Form::Text, true, text()), b"a\tb\nc\\u{1b}[2J\\r\n");
        assert_eq!(shown(Form::Hex, true, text()), b"a\tb\nc\\u{1b}[2J\\r\n");
    }

    #[test]
    fn bytes_in_each_form() {
        let bytes = || Message::Binary(b"hi\xff");
        assert_eq!(shown(Form::Text, true, bytes()), b"[binary, 3 bytes: 68 69 ff]\n");
        assert_eq!(shown(Form::Hex, false, bytes()), b"6869ff\n");
        assert_eq!(shown(Form::Raw, false, bytes()), b"hi\xff");
        let json = b"{\"type\":\"binary\",\"base64\":\"aGn/\",\"length\":3}\n";
        assert_eq!(shown(Form::Json, false, bytes()), json);
        assert_eq!(dump(b""), "[binary, 0 bytes]");
        assert_eq!(dump(b"x"), "[binary, 1 byte: 78]");
        assert!(dump(&[0; 33]).ends_with("00 …]"), "{}", dump(&[0; 33]));
    }

    #[test]
    fn hex_is_read_as_it_is_printed() {
        let bytes: Vec<u8> = (0..=255).collect();
        for between in ["", " ", ":"] {
            assert_eq!(read_hex(digits(&bytes, between).as_bytes()), Some(bytes.clone()));
        }
        assert_eq!(read_hex(b"AbcD"), Some(vec![0xab, 0xcd]));
        for bad in ["1", "0x10", "gg", "\u{663}\u{663}"] {
            assert_eq!(read_hex(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn codes_have_words() {
        assert_eq!(code_words(CloseCode::INTERNAL_ERROR), "1011 (internal error)");
        assert_eq!(code_words(CloseCode::new(4200)), "4200 (the application's own)");
        assert_eq!(code_words(CloseCode::NO_STATUS), "without a code");
    }
}
