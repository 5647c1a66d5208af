//! Properties of the machines that hold whatever a server sends, for this crate's tests and the fuzz targets.

mod fleet;
pub mod fuzz;
mod http2;
mod show;

pub use self::fleet::fleet;
pub use self::http2::http2;

use sockeye_reactor::Time;

use crate::{
    ConnectOptions, Entropy, Error, EventSourceOptions, Limits, Machine, Reconnect, Url, sans_io,
    websocket,
};

/// Small, so that short inputs reach them.
const LIMITS: Limits = {
    let mut limits = Limits::DEFAULT;
    limits.head.head_bytes_max = 400;
    limits.head.headers_max = 8;
    limits.head.line_bytes_max = 200;
    limits.head.target_bytes_max = 100;
    limits.chunked.extension_bytes_max = 8;
    limits.chunked.trailer_bytes_max = 16;
    limits.interim_responses_max = 2;
    limits.refusal_bytes_max = 20;
    limits
};
const EVENT_BYTES_MAX: usize = 60;
const MESSAGE_BYTES_MAX: u64 = 300;

/// An event source tells the same of a response however it is cut, and holds no more than its limits.
///
/// # Panics
/// If the property does not hold.
pub fn event_source(wire: &[u8], cuts: &[u8], reconnects: bool) {
    let whole = source_trace(wire, &[], reconnects);
    let cut = source_trace(wire, cuts, reconnects);
    assert_eq!(whole, cut, "cut by {cuts:?}");
}

fn source_trace(wire: &[u8], cuts: &[u8], reconnects: bool) -> Vec<String> {
    let mut options = EventSourceOptions::new("http://host/path").expect("a URL");
    options.event_bytes_max = EVENT_BYTES_MAX;
    options.comments = crate::Comments::Report;
    options.reconnect = if reconnects { Reconnect::Standard } else { Reconnect::Never };
    let machine = sans_io::EventSource::new(options, LIMITS, entropy()).expect("they are good");
    trace(machine, wire, cuts, |event| show::source_event(&event))
}

/// A WebSocket client tells and answers the same however what comes is cut, and holds no more than its limits.
/// `wire` is what comes behind a good handshake, or in its place.
///
/// # Panics
/// If the property does not hold.
pub fn web_socket(wire: &[u8], cuts: &[u8], handshake: Handshake) {
    let prefix = handshake.bytes();
    let wire = [prefix.as_bytes(), wire].concat();
    let whole = socket_trace(&wire, &[], handshake);
    let cut = socket_trace(&wire, cuts, handshake);
    assert_eq!(whole, cut, "cut by {cuts:?}");
}

/// What a server has answered to a WebSocket's handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    /// Nothing yet.
    Ahead,
    /// The right thing.
    Done,
    /// The right thing, with compression.
    Compressed,
}

impl Handshake {
    fn bytes(self) -> String {
        if self == Self::Ahead {
            return String::new();
        }
        // The key of sixteen bytes 0.
        let accept = sockeye_handshake::accept_key(b"AAAAAAAAAAAAAAAAAAAAAA==");
        let accept = core::str::from_utf8(&accept).expect("base64");
        let more = match self {
            Self::Compressed => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            Self::Ahead | Self::Done => "",
        };
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
        )
    }
}

fn socket_trace(wire: &[u8], cuts: &[u8], handshake: Handshake) -> Vec<String> {
    let mut options = ConnectOptions::new("ws://host/path").expect("a URL");
    options.limits = websocket::Limits::DEFAULT;
    options.limits.frame_bytes_max = MESSAGE_BYTES_MAX;
    options.limits.message_bytes_max = MESSAGE_BYTES_MAX;
    options.limits.fragments_max = 8;
    options.limits.overhead_bytes_max = 40;
    options.limits.replies_bytes_max = 100;
    if handshake == Handshake::Done {
        options.compression = None;
    }
    let machine = sans_io::WebSocket::new(options, LIMITS, entropy()).expect("they are good");
    trace(machine, wire, cuts, |event| show::socket_event(&event))
}

/// A subscription tells the same of a hub's answer however it is cut, as long as it asks for one thing only.
///
/// # Panics
/// If the property does not hold.
#[cfg(feature = "hub")]
pub fn subscription(wire: &[u8], cuts: &[u8], transport: crate::Transport, cursor: Option<&str>) {
    let prefix = match transport {
        crate::Transport::WebSocket => Handshake::Done.bytes().replace(
            "Upgrade: websocket",
            "Sec-WebSocket-Protocol: sockeye.v1.json\r\nUpgrade: websocket",
        ),
        _ => String::new(),
    };
    let wire = [prefix.as_bytes(), wire].concat();
    let told = |cuts| {
        let url = Url::parse("http://host/").expect("a URL");
        let mut options = crate::SubscriptionOptions::new(url, &["a", "b"]);
        options.transports = vec![transport];
        options.cursor = cursor.map(str::to_owned);
        options.message_bytes_max = 1000;
        let machine =
            sans_io::Subscription::new(options, LIMITS, entropy()).expect("they are good");
        trace(machine, &wire, cuts, |event| show::subscription_event(&event))
    };
    let (whole, cut) = (told(&[]), told(cuts));
    // Bytes behind an answer are no answer to a request that was not sent yet, so the time of input matters.
    let asks_once = |told: &[String]| told.concat().matches(" HTTP/1.1\r\nHost:").count() == 1;
    if asks_once(&whole) && asks_once(&cut) {
        assert_eq!(whole, cut, "cut by {cuts:?}");
    }
}

/// A URL that parses can be written into a request, and parsing its text again gives the same URL. The same holds for
/// the URL that a reference leads to.
///
/// # Panics
/// If the property does not hold.
pub fn url(base: &str, reference: &str) {
    let Ok(base) = Url::parse(base) else { return };
    stays_itself(&base);
    if let Ok(found) = base.resolve(reference) {
        stays_itself(&found);
        assert_eq!(found.resolve("").as_ref(), Ok(&found), "the empty reference leads elsewhere");
    }
    if let Ok(found) = base.with_target(reference) {
        stays_itself(&found);
        assert_eq!(found.peer(), base.peer());
    }
}

fn stays_itself(url: &Url) {
    let is_visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(url.target().starts_with('/') && is_visible(url.target()), "{:?}", url.target());
    assert!(!url.target().contains('#') && is_visible(url.authority()), "{url}");
    assert_eq!(Url::parse(&url.to_string()).as_ref(), Ok(url), "{url}");
}

/// Runs a machine over one connection with this input, cut in pieces, and then without it. Time stands still.
fn trace<M: Machine>(
    mut machine: M,
    wire: &[u8],
    cuts: &[u8],
    show: impl Fn(M::Event<'_>) -> String,
) -> Vec<String> {
    let mut told = Vec::new();
    let mut out = Vec::new();
    run(&mut machine, &mut [], &mut out, &mut told, &show);
    if machine.peer().is_some() {
        machine.connected(Time::default(), &mut out);
    }
    let mut rest = wire;
    let mut cuts = cuts.iter();
    while !rest.is_empty() && machine.peer().is_some() {
        let len = cuts.next().map_or(rest.len(), |&cut| usize::from(cut) + 1).min(rest.len());
        let (piece, more) = rest.split_at(len);
        rest = more;
        run(&mut machine, &mut piece.to_vec(), &mut out, &mut told, &show);
    }
    told.push(format!("wanted: {:?}", machine.peer()));
    let why = if machine.peer().is_some() { Error::Ended } else { Error::HungUp };
    machine.disconnected(Time::default(), why);
    run(&mut machine, &mut [], &mut out, &mut told, &show);
    told.push(format!("sent: {}", String::from_utf8_lossy(&out)));
    told.push(format!("over: {}, wanted: {:?}", machine.is_over(), machine.peer()));
    told
}

/// Gives a machine its input until it has nothing more to tell.
fn run<M: Machine>(
    machine: &mut M,
    mut input: &mut [u8],
    out: &mut Vec<u8>,
    told: &mut Vec<String>,
    show: &impl Fn(M::Event<'_>) -> String,
) {
    // Each byte tells something at most, beside what there is at the beginning and the end.
    for _ in 0..input.len() + 20 {
        match machine.next(Time::default(), &mut input, out, &mut |event| show(event)) {
            Ok(Some(event)) => told.push(event),
            Ok(None) => {
                assert!(input.is_empty() || machine.peer().is_none(), "input is left over");
                return;
            }
            Err(error) => {
                told.push(format!("error: {}", show::error(&error)));
                let again = machine.next(Time::default(), &mut &mut [][..], out, &mut |_| ());
                assert!(matches!(again, Ok(None)) && machine.is_over(), "a failed machine goes on");
                return;
            }
        }
    }
    panic!("it tells without end");
}

fn entropy() -> Entropy {
    Entropy::from_fn(|bytes| bytes.fill(0))
}
