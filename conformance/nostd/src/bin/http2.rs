//! sockeye-http2 with a bump allocator.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;

use sockeye_http::{Method, Status};
use sockeye_http2::{
    Config, Connection, EndStream, Event, FieldBlock, FieldBuffer, FieldReader, RequestLine,
    Sniffed, sniff,
};
use sockeye_nostd::{expect, program};
use static_alloc::Bump;

#[global_allocator]
static HEAP: Bump<[u8; 1 << 17]> = Bump::uninit();

program!(run);

fn run() -> Option<()> {
    expect(sniff(black_box(b"PRI * HTTP")) == Sniffed::Undecided)?;
    let config = Arc::new(Config::default());
    let mut reader = FieldReader::new(FieldBuffer::new());
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let mut client = Connection::client(&config, &mut to_server);
    let mut server = Connection::server(&config, &mut to_client);
    let line = RequestLine {
        method: Method::GET,
        scheme: "https",
        authority: "a.example",
        path: "/x",
        protocol: None,
    };
    client.request(&line, &FieldBlock::new(), EndStream::Yes, &mut to_server).ok()?;

    let mut input = &mut to_server[..];
    while let Some(event) = server.receive(&mut input, &mut reader, &mut to_client).ok()? {
        let Event::Request { stream, end_stream: true } = event else { continue };
        let lines = reader.fields.lines();
        expect(reader.fields.request(&lines).ok()?.path() == "/x")?;
        let fields = FieldBlock::new().content_length(5);
        server.respond(stream, Status::OK, &fields, EndStream::No, &mut to_client).ok()?;
        server.write_data_head(stream, 5, EndStream::Yes, &mut to_client).ok()?;
        to_client.extend_from_slice(b"hello");
    }
    let mut has_ended = false;
    let mut input = &mut to_client[..];
    while let Some(event) = client.receive(&mut input, &mut reader, &mut to_server).ok()? {
        has_ended |=
            matches!(event, Event::Data { data, end_stream: true, .. } if data == b"hello");
    }
    expect(has_ended && server.stream_count() == 0)
}
