//! A WebSocket's bytes on a stream of HTTP/2 (RFC 8441), and a connection that ends in good order. The
//! bytes of the two ends pass through vectors; a real program puts sockets there.

use std::error::Error;
use std::sync::Arc;

use sockeye_http::{Method, Status};
use sockeye_http2::{
    Config, Connection, EndStream, Event, FieldBlock, FieldBuffer, FieldReader, RequestLine,
    StreamId,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// An end, and its bytes on their way to the other.
struct End {
    connection: Connection,
    reader: FieldReader<FieldBuffer>,
    out: Vec<u8>,
}

impl End {
    /// Sends content, as much as the windows allow, and returns how much that was.
    fn send(&mut self, stream: StreamId, content: &[u8], end: EndStream) -> Outcome<usize> {
        let len = content.len().min(self.connection.send_capacity(stream));
        self.connection.write_data_head(stream, len, end, &mut self.out)?;
        self.out.extend_from_slice(&content[..len]);
        Ok(len)
    }

    /// Reads the other's bytes.
    fn receive(&mut self, mut bytes: Vec<u8>) -> Outcome<()> {
        let mut input = &mut bytes[..];
        let name = format!("{:?}", self.connection.role());
        loop {
            let event = self.connection.receive(&mut input, &mut self.reader, &mut self.out)?;
            let Some(event) = event else { return Ok(()) };
            match event {
                Event::Request { stream, .. } => self.answer(stream)?,
                Event::Data { stream, data, end_stream } => {
                    println!("{name} reads {:?}", String::from_utf8_lossy(data));
                    let (len, is_server) = (data.len(), name == "Server");
                    let content = data.to_vec();
                    self.connection.consumed(stream, len, &mut self.out);
                    if is_server {
                        let end = if end_stream { EndStream::Yes } else { EndStream::No };
                        self.send(stream, &content, end)?;
                    }
                }
                other => println!("{name}: {other:?}"),
            }
        }
    }

    fn answer(&mut self, stream: StreamId) -> Outcome<()> {
        let lines = self.reader.fields.lines();
        let head = self.reader.fields.request(&lines)?;
        println!("Server: {head:?}, protocol {:?}", self.reader.fields.protocol());
        let is_web_socket = self.reader.fields.protocol() == Some("websocket");
        let (status, end) = if is_web_socket {
            (Status::OK, EndStream::No)
        } else {
            (Status::NOT_IMPLEMENTED, EndStream::Yes)
        };
        Ok(self.connection.respond(stream, status, &FieldBlock::new(), end, &mut self.out)?)
    }
}

fn exchange(client: &mut End, server: &mut End) -> Outcome<()> {
    while !client.out.is_empty() || !server.out.is_empty() {
        server.receive(std::mem::take(&mut client.out))?;
        server.connection.output_sent();
        client.receive(std::mem::take(&mut server.out))?;
        client.connection.output_sent();
    }
    Ok(())
}

fn main() -> Outcome<()> {
    let config = Arc::new(Config::default());
    let end = |make: fn(&Arc<Config>, &mut Vec<u8>) -> Connection| {
        let mut out = Vec::new();
        let connection = make(&config, &mut out);
        End { connection, reader: FieldReader::new(FieldBuffer::new()), out }
    };
    let (mut client, mut server) = (end(Connection::client), end(Connection::server));
    exchange(&mut client, &mut server)?; // now the client knows that it may use `:protocol`

    let line = RequestLine {
        method: Method::CONNECT,
        scheme: "https",
        authority: "hub.example",
        path: "/chat",
        protocol: Some("websocket"),
    };
    let fields = FieldBlock::new();
    let stream = client.connection.request(&line, &fields, EndStream::No, &mut client.out)?;
    exchange(&mut client, &mut server)?;

    // A masked text frame "Hello", which this server sends back as it is.
    client.send(stream, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", EndStream::No)?;
    exchange(&mut client, &mut server)?;

    server.connection.shut_down(&mut server.out);
    client.send(stream, b"", EndStream::Yes)?;
    exchange(&mut client, &mut server)?;
    assert!(server.connection.is_over());
    Ok(())
}
