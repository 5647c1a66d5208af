//! The service that LaunchDarkly's contract tests for event sources talk to: it has an `EventSource` of
//! `sockeye-client` for each stream that they ask for, and reports what the source tells.
//!
//! `sockeye-contract PORT` listens on that port of the loopback interface until it gets `DELETE /`.

mod http;
mod stream;

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use serde::Deserialize;

use crate::http::{Answer, Request};
use crate::stream::{Order, Stream};

/// The capabilities that the service claims.
const STATUS: &str = r#"{"name":"sockeye-client","capabilities":["bom","comments","headers","last-event-id","post","read-timeout","report","restart","server-directed-shutdown-request"]}"#;

#[derive(Deserialize)]
struct Command {
    command: String,
}

/// The streams under way, by their number.
#[derive(Default)]
struct Service {
    streams: HashMap<u64, Stream>,
    created: u64,
}

fn main() -> ExitCode {
    let port = std::env::args().nth(1).and_then(|port| port.parse::<u16>().ok());
    let Some(port) = port else {
        eprintln!("usage: sockeye-contract PORT");
        return ExitCode::from(2);
    };
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("sockeye-contract: port {port}: {error}");
            return ExitCode::from(2);
        }
    };
    if let Ok(address) = listener.local_addr() {
        println!("sockeye-contract: http://{address}");
    }
    let mut service = Service::default();
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { continue };
        // One request at a time: the tests wait for each answer.
        let Ok(request) = Request::read(&mut connection) else { continue };
        let quit = request.method == "DELETE" && request.path == "/";
        let answer = service.answer(&request);
        // A client that does not wait for the answer does not need it.
        let _ = answer.write(&mut connection);
        if quit {
            break;
        }
    }
    ExitCode::SUCCESS
}

impl Service {
    fn answer(&mut self, request: &Request) -> Answer {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => Answer { body: STATUS.to_owned(), ..Answer::status("200 OK") },
            ("DELETE", "/") => Answer::status("204 No Content"),
            ("POST", "/") => self.create(&request.body),
            (method, path) => {
                let number = path.strip_prefix("/streams/").and_then(|number| number.parse().ok());
                match number {
                    Some(number) => self.order(number, method, &request.body),
                    None => Answer::status("404 Not Found"),
                }
            }
        }
    }

    /// Starts a stream.
    fn create(&mut self, body: &[u8]) -> Answer {
        let Ok(parameters) = serde_json::from_slice(body) else {
            return Answer::status("400 Bad Request");
        };
        let Ok(stream) = Stream::start(parameters) else {
            return Answer::status("400 Bad Request");
        };
        self.created += 1;
        self.streams.insert(self.created, stream);
        let location = Some(format!("/streams/{}", self.created));
        Answer { location, ..Answer::status("201 Created") }
    }

    /// Does something to a stream.
    fn order(&mut self, number: u64, method: &str, body: &[u8]) -> Answer {
        let Some(stream) = self.streams.get(&number) else {
            return Answer::status("404 Not Found");
        };
        match method {
            "DELETE" => {
                stream.order(Order::Close);
                self.streams.remove(&number);
                Answer::status("204 No Content")
            }
            "POST" => match serde_json::from_slice::<Command>(body) {
                Ok(command) if command.command == "restart" => {
                    stream.order(Order::Restart);
                    Answer::status("202 Accepted")
                }
                // Every type is listened to.
                Ok(command) if command.command == "listen" => Answer::status("202 Accepted"),
                Ok(_) | Err(_) => Answer::status("400 Bad Request"),
            },
            _ => Answer::status("405 Method Not Allowed"),
        }
    }
}
