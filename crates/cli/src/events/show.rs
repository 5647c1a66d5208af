//! Formats events for output.

use std::io::IsTerminal as _;

use sockeye_client::sans_io::SourceEvent;
use sockeye_client::{Error, MessageEvent, Refusal, Url};
use sockeye_terminal::plain::{JsonLine, lines, plain};

use super::args::EventsOptions;
use crate::endpoint::words;

/// The effect of an event on the run, beside its output.
pub(super) enum Told {
    Nothing,
    /// One of those that are counted.
    Event,
    Open(Url),
    Lost {
        why: Error,
        wait_ms: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// That of the stream.
    Stream,
    Json,
    Data,
}

/// Prints events in one form, up to a number of them.
pub(super) struct Show {
    form: Form,
    /// A stranger's text must not move the cursor of a terminal.
    is_terminal: bool,
    left: Option<u64>,
    /// Whether the last event had an ID, which an event without one then has to clear.
    has_id: bool,
}

impl Show {
    pub(super) fn new(options: &EventsOptions) -> Self {
        let form = match (options.json, options.data) {
            (true, _) => Form::Json,
            (false, true) => Form::Data,
            (false, false) => Form::Stream,
        };
        Self {
            form,
            is_terminal: std::io::stdout().is_terminal(),
            left: options.limit,
            has_id: false,
        }
    }

    /// Whether as many as were wanted have been printed.
    pub(super) fn is_enough(&self) -> bool {
        self.left == Some(0)
    }

    /// Appends what an event looks like.
    pub(super) fn event(&mut self, event: SourceEvent<'_>, out: &mut Vec<u8>) -> Told {
        match event {
            SourceEvent::Open(opened) => Told::Open(opened.url),
            SourceEvent::Lost { why, wait_ms } => Told::Lost { why, wait_ms },
            SourceEvent::Retry(_) => Told::Nothing,
            SourceEvent::Comment(text) => {
                match self.form {
                    Form::Json => JsonLine::default().field("comment", text).push_to(out),
                    Form::Stream | Form::Data => self.field("", text, out),
                }
                Told::Nothing
            }
            SourceEvent::Message(message) => {
                self.message(&message, out);
                self.left = self.left.map(|left| left.saturating_sub(1));
                Told::Event
            }
        }
    }

    fn message(&mut self, message: &MessageEvent<'_>, out: &mut Vec<u8>) {
        let (id, event, data) = (message.last_event_id, message.event_type, message.data);
        match self.form {
            Form::Json => {
                let line = JsonLine::default().maybe("id", Some(id).filter(|id| !id.is_empty()));
                line.field("event", event).field("data", data).push_to(out);
            }
            Form::Data => {
                self.text(data, out);
                out.push(b'\n');
            }
            Form::Stream => {
                if !id.is_empty() || self.has_id {
                    self.field("id", id, out);
                }
                self.has_id = !id.is_empty();
                if event != "message" {
                    self.field("event", event, out);
                }
                for line in data.split('\n') {
                    self.field("data", line, out);
                }
                out.push(b'\n');
            }
        }
    }

    fn field(&self, name: &str, value: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b": ");
        self.text(value, out);
        out.push(b'\n');
    }

    fn text(&self, text: &str, out: &mut Vec<u8>) {
        if self.is_terminal {
            out.extend_from_slice(lines(text).as_bytes());
        } else {
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Why an answer is not the stream that was asked for; `None` if the server says that there is none any more.
pub(super) fn refused(refusal: &Refusal) -> Option<String> {
    let kind = refusal.header("Content-Type").map(plain);
    match refusal.status.code() {
        204 => None,
        200 if words::is_coded(refusal) => {
            let coding = refusal.header("Content-Encoding").map(plain).unwrap_or_default();
            Some(format!("the answer is compressed ({coding}), which was not asked for"))
        }
        200 => Some(match kind {
            Some(kind) => format!("the answer is no event stream but {kind}"),
            None => "the answer does not say that it is an event stream".to_owned(),
        }),
        _ => Some(words::refused(refusal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(form: Form, is_terminal: bool, message: MessageEvent<'_>) -> String {
        let mut out = Vec::new();
        let mut show = Show { form, is_terminal, left: None, has_id: false };
        show.event(SourceEvent::Message(message), &mut out);
        String::from_utf8(out).expect("text")
    }

    const fn message<'e>(
        last_event_id: &'e str,
        event_type: &'e str,
        data: &'e str,
    ) -> MessageEvent<'e> {
        MessageEvent { last_event_id, event_type, data }
    }

    #[test]
    fn each_form_of_an_event() {
        let event = || message("7", "tick", "one\n\ttwo\u{1b}[2J");
        let stream = "id: 7\nevent: tick\ndata: one\ndata: \ttwo\u{1b}[2J\n\n";
        assert_eq!(shown(Form::Stream, false, event()), stream);
        assert_eq!(shown(Form::Data, false, event()), "one\n\ttwo\u{1b}[2J\n");
        let json = "{\"id\":\"7\",\"event\":\"tick\",\"data\":\"one\\n\\ttwo\\u001b[2J\"}\n";
        assert_eq!(shown(Form::Json, false, event()), json);
        assert_eq!(shown(Form::Data, true, event()), "one\n\ttwo\\u{1b}[2J\n");
    }

    #[test]
    fn what_is_not_said_is_not_printed() {
        assert_eq!(shown(Form::Stream, false, message("", "message", "")), "data: \n\n");
        let json = "{\"event\":\"message\",\"data\":\"\"}\n";
        assert_eq!(shown(Form::Json, false, message("", "message", "")), json);
    }
}
