//! A chat completion from the raw bytes of an HTTP response: the head, the chunked coding and the
//! event stream inside it, three machines in a row, none of which cares where the bytes are cut.
//!
//! The recording is what such services send: event blocks that span chunks, chunks that end inside
//! a character, a comment while the model thinks, `[DONE]` at the end. It is fed in pieces of one
//! byte, of two, and so on, and always gives the same answer.
//!
//! `cargo run -p sockeye-examples --example llm_http`

use std::error::Error;

use sockeye_http::Status;
use sockeye_http1::chunked::{self, Decoder};
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, ResponseFraming, ResponseHead};
use sockeye_sse::{Item, MessageEvent, Parser, is_event_stream};

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\
     Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n";

const EVENTS: &str = concat!(
    ": thinking\n\n",
    r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
    "\n\n",
    r#"data: {"choices":[{"index":0,"delta":{"content":"Lachse wandern "}}]}"#,
    "\n\n",
    r#"data: {"choices":[{"index":0,"delta":{"content":"flußaufwärts, "}}]}"#,
    "\r\n\r\n",
    r#"data: {"choices":[{"index":0,"delta":{"content":"鮭は\"川\"を上る 🐟"}}]}"#,
    "\n\n",
    r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\ndata: [DONE]\n\n",
);

const ANSWER: &str = "Lachse wandern flußaufwärts, 鮭は\"川\"を上る 🐟";

fn main() -> Result<(), Box<dyn Error>> {
    let recording = record();
    for piece_len in 1..=recording.len() {
        let mut stream = ChatStream::new();
        for piece in recording.chunks(piece_len) {
            stream.receive(piece)?;
        }
        assert!(stream.is_complete, "cut in pieces of {piece_len} bytes");
        assert_eq!(stream.answer, ANSWER, "cut in pieces of {piece_len} bytes");
    }
    println!("{} bytes, cut in {} ways: {ANSWER}", recording.len(), recording.len());

    // A cut answer is an error.
    let mut stream = ChatStream::new();
    stream.receive(&recording[..recording.len() - 1])?;
    assert!(!stream.is_complete);

    // A refusal is an error from the head on.
    let refused = ChatStream::new().receive(b"HTTP/1.1 429 Too Many Requests\r\n\r\n");
    println!("{}", refused.err().ok_or("429 is no answer")?);
    Ok(())
}

/// One response, as far as it has come.
struct ChatStream {
    head_end: HeadEnd,
    /// The head, until it is whole.
    head: Vec<u8>,
    body: Option<Decoder>,
    events: Parser,
    answer: String,
    is_done: bool,
    /// Both said so: the model by `[DONE]`, and HTTP by the last chunk.
    is_complete: bool,
}

impl ChatStream {
    fn new() -> Self {
        Self {
            head_end: HeadEnd::for_response(),
            head: Vec::new(),
            body: None,
            events: Parser::default(),
            answer: String::new(),
            is_done: false,
            is_complete: false,
        }
    }

    /// Takes the next bytes from the socket.
    fn receive(&mut self, received: &[u8]) -> Result<(), Box<dyn Error>> {
        if self.body.is_some() {
            return self.receive_body(received);
        }
        self.head.extend_from_slice(received);
        let Some(len) = self.head_end.find(&self.head, &Limits::DEFAULT)? else { return Ok(()) };
        let behind = self.head.split_off(len);
        check_head(&self.head)?;
        self.body = Some(Decoder::new(chunked::Limits::DEFAULT));
        self.receive_body(&behind)
    }

    fn receive_body(&mut self, mut received: &[u8]) -> Result<(), Box<dyn Error>> {
        let Some(body) = &mut self.body else { return Ok(()) };
        while let Some(event) = body.next(&mut received)? {
            match event {
                // The chunks' borders mean nothing: a text may be cut by them anywhere.
                chunked::Event::Data(mut data) => {
                    while let Some(item) = self.events.next(&mut data)? {
                        match item {
                            Item::Event(MessageEvent { data: "[DONE]", .. }) => self.is_done = true,
                            Item::Event(event) => self.answer.push_str(&content(event.data)),
                            Item::Retry(_) | Item::Comment(_) => {}
                        }
                    }
                }
                chunked::Event::End => self.is_complete = self.is_done,
            }
        }
        Ok(())
    }
}

/// Makes sure that what follows is a chunked event stream, which is all that this example reads.
fn check_head(head: &[u8]) -> Result<(), Box<dyn Error>> {
    let mut storage = HeaderStorage::new();
    let head = ResponseHead::parse(head, &mut storage, &Limits::DEFAULT)?;
    if head.status() != Status::OK {
        return Err(format!("status {} {}", head.status(), head.reason()).into());
    }
    let content_type = head.headers().single("content-type")?.unwrap_or_default();
    match head.body("POST") {
        ResponseFraming::Chunked if is_event_stream(content_type.as_bytes()) => Ok(()),
        framing => Err(format!("{content_type} with {framing:?} is no event stream").into()),
    }
}

/// The text that an event adds to the answer. A real client parses the JSON; this one knows where
/// the recording has its strings, and the one escape in them.
fn content(json: &str) -> String {
    let text = json.split_once(r#""content":""#).and_then(|(_, text)| text.split_once(r#""}}]}"#));
    text.map_or_else(String::new, |(text, _)| text.replace(r#"\""#, "\""))
}

/// The response as bytes, in chunks of 37 bytes.
fn record() -> Vec<u8> {
    let mut recording = HEAD.as_bytes().to_vec();
    for data in EVENTS.as_bytes().chunks(37) {
        chunked::encode(data, &mut recording);
    }
    recording.extend_from_slice(chunked::LAST);
    recording
}

#[test]
fn ends_well() -> Result<(), Box<dyn Error>> {
    main()
}
