//! One run of `sockeye connect`: its connection from the handshake to the end, and its event loop.

mod leaving;
mod sending;

use std::io::{self, IsTerminal as _};
use std::time::Instant;

use mio::{Events, Poll, Token, Waker};
use sockeye_client::sans_io::{self, SocketEvent};
use sockeye_client::websocket::{CloseCode, Closed};
use sockeye_client::{Driver, Entropy};
use sockeye_terminal::notice;
use sockeye_terminal::plain::{JsonLine, plain};

use self::leaving::{GOODBYE, LAST_PING};
use super::args::{ConnectOptions, usage};
use super::editor::LineEditor;
use super::input::{Input, read_pipe};
use super::screen::Screen;
use super::show::{self, Form};
use super::turns::Turns;
use crate::endpoint::output::{Output, READER, SIGNALS, Stop};
use crate::endpoint::words::Way;
use crate::endpoint::{GATHERED_BYTES_MAX, Problem, WORD, wait};

const SOCKET: Token = Token(0);
const INPUT: Token = Token(1);

pub(super) struct Session<'o> {
    options: &'o ConnectOptions,
    way: Way,
    poll: Poll,
    driver: Driver<sans_io::WebSocket>,
    output: Output,
    form: Form,
    /// Whether standard output is a terminal.
    is_terminal: bool,
    /// The terminal, if a person types in the line editor.
    screen: Option<Screen>,
    /// Whether a person types the lines, with the line editor or without it.
    is_typed: bool,
    input: Option<Input>,
    lines: u64,
    /// Whether a message has come.
    heard: bool,
    /// When the last event happened to which the server may still answer.
    quiet_since: Instant,
    /// When the client stops waiting for the Pong to its last Ping, and closes.
    last_pong_until: Option<Instant>,
    /// When the client ends the connection without waiting for the server's Close frame or end.
    over_at: Option<Instant>,
    /// Whether unsent messages may be dropped at the end: they do not extend `over_at`.
    is_hurried: bool,
    /// When to print a notice that the server has not answered yet.
    word_at: Option<Instant>,
    /// The code with which the client has closed.
    closing: Option<CloseCode>,
    /// The error that the run ends with, whatever the end of the connection is.
    problem: Option<Problem>,
    /// Whether a violation by the server was reported.
    is_told: bool,
    /// Whether output is dropped, because its reader has left or `-1` has its message.
    is_muted: bool,
    /// The reason in the server's Close frame.
    reason: String,
}

impl<'o> Session<'o> {
    /// Prepares the run; nothing is sent yet.
    pub(super) fn open(options: &'o ConnectOptions) -> Result<Self, Problem> {
        let asked = options.asked()?;
        let network = options.endpoint.network()?;
        let system = |error: io::Error| Problem::failed("the system refuses", error);
        let entropy = Entropy::system().map_err(system)?;
        let way = options.endpoint.way(asked.url.clone());
        let machine = sans_io::WebSocket::new(asked, network.limits, entropy).map_err(usage)?;
        let poll = Poll::new().map_err(system)?;
        let driver = Driver::new(machine, network, poll.registry(), SOCKET).map_err(system)?;
        let output = Output::new(poll.registry())?;
        let is_terminal = io::stdout().is_terminal();
        Ok(Self {
            form: Form::new(options, is_terminal),
            options,
            way,
            poll,
            driver,
            output,
            is_terminal,
            screen: None,
            is_typed: false,
            input: None,
            lines: 0,
            heard: false,
            quiet_since: Instant::now(),
            last_pong_until: None,
            over_at: None,
            is_hurried: false,
            word_at: Some(Instant::now() + WORD),
            closing: None,
            problem: None,
            is_told: false,
            is_muted: false,
            reason: String::new(),
        })
    }

    /// Runs to the end of the connection.
    pub(super) fn run(mut self) -> Result<(), Problem> {
        let done = self.follow().and_then(|closed| self.judge(closed));
        let written = self.write();
        if let Some(screen) = self.screen.take() {
            screen.finish();
        }
        match (done, written) {
            (Ok(()), Err(Stop::Failed(error))) => Err(Problem::failed("cannot write", error)),
            (done, _) => done,
        }
    }

    fn follow(&mut self) -> Result<Closed, Problem> {
        let mut events = Events::with_capacity(8);
        loop {
            if let Some(closed) = self.receive_all()? {
                return Ok(closed);
            }
            self.send_all();
            self.look_at_time();
            // The last one, as a reader may be slow: what has come meanwhile is read before a deadline is looked at.
            if let Err(stop) = self.write() {
                self.stopped(stop)?;
            }
            let until = [self.driver.deadline(), self.leave_at(), self.over_at, self.word_at];
            let until = until.into_iter().flatten().min();
            wait(&mut self.poll, &mut events, until)?;
            for event in &events {
                match event.token() {
                    SOCKET => self.driver.on_event(event),
                    INPUT => {}
                    SIGNALS | READER => {
                        if let Err(stop) = self.output.on_event(event) {
                            self.stopped(stop)?;
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Takes all events that have come. `Some`: the connection has ended.
    fn receive_all(&mut self) -> Result<Option<Closed>, Problem> {
        loop {
            let (form, is_terminal) = (self.form, self.is_terminal);
            let (is_muted, is_typed_on) = (self.is_muted, self.is_typed);
            let out = &mut self.output.bytes;
            let told = self.driver.next(|event| match event {
                SocketEvent::Message(message) => {
                    if !is_muted {
                        if is_typed_on && form != Form::Json {
                            out.extend_from_slice(b"< ");
                        }
                        form.message(message, is_terminal, out);
                    }
                    Told::Message
                }
                SocketEvent::Open(opened) => Told::Opened(opened),
                SocketEvent::Ping(payload) => Told::Control("ping", payload.to_vec()),
                SocketEvent::Pong(payload) => Told::Control("pong", payload.to_vec()),
                SocketEvent::Close(reason) => {
                    Told::Reason(reason.map(|it| it.text().to_owned()).unwrap_or_default())
                }
                SocketEvent::Closed(closed) => Told::Closed(closed),
                _ => Told::Nothing,
            });
            match told.map_err(|error| self.lost(&error))? {
                Some(Told::Closed(closed)) => return Ok(Some(closed)),
                Some(told) => self.heed(told)?,
                None => return Ok(None),
            }
            if self.output.bytes.len() > GATHERED_BYTES_MAX
                && let Err(stop) = self.write()
            {
                self.stopped(stop)?;
            }
        }
    }

    fn heed(&mut self, told: Told) -> Result<(), Problem> {
        match told {
            Told::Nothing | Told::Closed(_) => {}
            Told::Opened(opened) => self.opened(&opened)?,
            Told::Message => {
                (self.heard, self.quiet_since) = (true, Instant::now());
                if self.options.one {
                    self.is_muted = true;
                    self.close(self.options.close_code(), "");
                }
            }
            Told::Control("pong", payload) if payload == LAST_PING => {
                self.close(self.options.close_code(), "");
            }
            Told::Control(kind, payload) => {
                if kind == "pong" && self.is_typed {
                    let text = String::from_utf8_lossy(&payload);
                    self.notice(format!("pong {}", plain(&text)).trim_end());
                }
                if !self.is_muted {
                    self.form.control(kind, &payload, &mut self.output.bytes);
                }
            }
            Told::Reason(reason) => {
                self.reason = reason;
                self.over_at = Some(Instant::now() + GOODBYE);
            }
        }
        Ok(())
    }

    /// Reports the completed handshake, and starts to read the input.
    fn opened(&mut self, opened: &sockeye_client::Opened) -> Result<(), Problem> {
        (self.way.known, self.word_at) = (true, None);
        if self.form == Form::Json {
            let line = JsonLine::of("open").maybe("subprotocol", opened.subprotocol.as_deref());
            line.field("compressed", &opened.compressed).push_to(&mut self.output.bytes);
        }
        let waker = Waker::new(self.poll.registry(), INPUT);
        let waker = waker.map_err(|error| Problem::failed("the system refuses", error))?;
        let (input, giver) = Input::new(waker);
        self.input = Some(input);
        self.quiet_since = Instant::now();
        let is_person = io::stdin().is_terminal() && self.is_terminal;
        self.is_typed = is_person;
        let turns = Turns::default();
        let editor =
            is_person.then(|| LineEditor::new(!self.options.no_history, turns.clone())).flatten();
        let Some((editor, printer)) = editor else {
            self.greet(opened);
            return read_pipe(giver);
        };
        self.greet(opened);
        self.screen = Some(Screen::start(printer, turns)?);
        editor.run(giver)
    }

    fn greet(&mut self, opened: &sockeye_client::Opened) {
        let help = if self.is_typed { "; /help, or Ctrl-D to close" } else { "" };
        self.notice(&format!("{}{help}", show::opened(opened, self.driver.is_http2())));
    }

    /// Prints the gathered output.
    fn write(&mut self) -> Result<(), Stop> {
        let Some(screen) = &self.screen else { return self.output.flush() };
        if !self.output.bytes.is_empty() {
            screen.show(&String::from_utf8_lossy(&self.output.bytes));
            self.output.bytes.clear();
        }
        Ok(())
    }

    /// Prints a notice behind the output, if notices are wanted.
    fn notice(&mut self, text: &str) {
        if !self.options.endpoint.quiet {
            self.tell(text);
        }
    }

    /// Prints a notice behind the output, whether or not notices are wanted.
    fn tell(&mut self, text: &str) {
        if self.screen.is_some() {
            self.show(&format!("sockeye: {text}\n"));
        } else {
            // If this write fails, the next one reports it.
            let _ = self.output.flush();
            notice(format_args!("{text}"));
        }
    }

    /// Shows text on the terminal where a person types.
    fn show(&mut self, text: &str) {
        self.output.bytes.extend_from_slice(text.as_bytes());
        // Writing to a screen does not fail.
        let _ = self.write();
    }
}

/// The effect of an event on the session, beside its output.
enum Told {
    Nothing,
    Opened(sockeye_client::Opened),
    Message,
    Control(&'static str, Vec<u8>),
    Reason(String),
    Closed(Closed),
}
