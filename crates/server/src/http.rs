//! The HTTP/1.1 room: requests in, answers out, one at a time.

mod body;

use sockeye_http1::{
    Body, BodyFraming, Error, HeadEnd, HeaderStorage, HeaderValue, Persistence, RequestHead,
    Response, ScannedHead, Status, Version,
};
use sockeye_reactor::{Key, Time};

use crate::app::{Answer, EventStream, Header, Opened, Refused, Reply, Request, Wording};
use crate::connection::{Core, Room};
use crate::events::{EventsRoom, Framing};
use crate::held;
use crate::{App, CloseCause, Context, Deadline, Limits, StreamKey, drain, tunnel, websocket};
use body::{Pending, whole_body};

/// A connection between requests, or inside one.
pub(crate) struct HttpRoom {
    /// Bytes received: the head under way, or what follows the present request.
    input: Vec<u8>,
    /// So many bytes at the front of `input` are used. They are moved out of the way once a read,
    /// not once a request, or a packet of many small requests would cost its square.
    used: usize,
    head_end: HeadEnd,
    stage: Stage,
    /// When the present request's first byte came; the time of accepting for the first one.
    started: Time,
    first: bool,
    /// Nobody has looked at `input` yet.
    unseen: bool,
}

/// How far the present request is.
enum Stage {
    Head,
    /// The head is complete and the body is not.
    Body(Box<Pending>),
}

/// A request whose bytes are complete.
struct Complete {
    head: Vec<u8>,
    body: Vec<u8>,
}

impl HttpRoom {
    pub(crate) fn new(now: Time) -> Self {
        Self {
            input: Vec::new(),
            used: 0,
            head_end: HeadEnd::new(),
            stage: Stage::Head,
            started: now,
            first: true,
            unseen: false,
        }
    }

    /// Whether the connection is kept between two requests. One on which no request has come yet
    /// is not: its first one may be on its way.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_idle() && !self.first
    }

    /// Whether no request is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.used == self.input.len() && matches!(self.stage, Stage::Head)
    }

    /// The head of the request whose body is under way.
    fn head(&self) -> Option<&[u8]> {
        match &self.stage {
            Stage::Head => None,
            Stage::Body(pending) => Some(&pending.head),
        }
    }

    /// Whether bytes are here that nobody has looked at: pipelined requests, served in order, one
    /// a turn, so that no connection keeps the others waiting. [rfc9112:9.3.2-in-order]
    pub(crate) fn has_leftover(&self) -> bool {
        self.unseen && self.used < self.input.len()
    }

    /// The clocks start afresh: the peer was not read from, or was busy with what it asked for.
    pub(crate) fn restart(&mut self, now: Time) {
        self.started = now;
        if let Stage::Body(pending) = &mut self.stage {
            pending.since = now;
        }
    }

    /// Bytes that are here and not used.
    pub(crate) fn waiting(&self) -> usize {
        self.input.len() - self.used
    }

    /// Takes in bytes for later.
    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        self.input.drain(..core::mem::take(&mut self.used));
        self.input.extend_from_slice(bytes);
    }

    /// The present request is answered: what came behind it is to be looked at.
    pub(crate) fn go_on(&mut self, now: Time) {
        (self.started, self.unseen) = (now, true);
    }

    pub(crate) fn deadline(&self, heard: Time, limits: &Limits) -> (Time, Deadline) {
        match &self.stage {
            Stage::Body(pending) => (pending.since + limits.body_ms, Deadline::Body),
            Stage::Head if self.first || !self.is_idle() => {
                (self.started + limits.head_ms, Deadline::Head)
            }
            Stage::Head => (heard + limits.keep_alive_ms, Deadline::KeepAlive),
        }
    }

    /// Takes in what was read, if anything was.
    fn take_in(&mut self, bytes: &[u8], now: Time) {
        if self.is_idle() && !self.first {
            self.started = now;
        }
        if !bytes.is_empty() {
            self.keep(bytes);
        }
        self.unseen = false;
    }

    /// The next request's head, once it is complete.
    fn find_head<'b>(
        &mut self,
        bytes: &'b [u8],
        limits: &Limits,
    ) -> Result<Option<ScannedHead<'b>>, Error> {
        let found = self.head_end.find_request(bytes, &limits.http)?;
        if found.is_some() {
            (self.head_end, self.first) = (HeadEnd::new(), false);
        }
        Ok(found)
    }

    /// Waits for a body whose head is here; `alone`: nothing of the body has come with it.
    fn expect_body(
        &mut self,
        (head, bytes): (&RequestHead<'_, '_>, &[u8]),
        alone: bool,
        (now, limits): (Time, &Limits),
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let too_long =
            matches!(head.body(), BodyFraming::Length(len) if len > limits.body_bytes_max as u64);
        // RFC 9110 §10.1.1: a client that waits is told to go on, unless its body is here already.
        // A body that is too long is refused below instead.
        // [rfc9110:10.1.1-continue] [rfc9110:10.1.1-final-instead]
        if head.expect_continue() && alone && !too_long {
            Response::new(Status::CONTINUE).write(Body::Empty, out);
        }
        self.stage = Stage::Body(Box::new(Pending::new(bytes, head.body(), now)));
        // [rfc9110:15.5.14-content-too-large]
        if too_long { Err(Error::ContentLengthTooBig) } else { Ok(()) }
    }

    fn take_body(&mut self, limits: &Limits) -> Result<Option<Complete>, Error> {
        let Stage::Body(pending) = &mut self.stage else { return Ok(None) };
        let mut input = &self.input[self.used..];
        let complete = pending.take(&mut input, limits.body_bytes_max)?;
        self.used = self.input.len() - input.len();
        if !complete {
            return Ok(None);
        }
        let Stage::Body(pending) = core::mem::replace(&mut self.stage, Stage::Head) else {
            return Ok(None);
        };
        Ok(Some(Complete { head: pending.head, body: pending.body }))
    }
}

/// Takes in bytes for the HTTP room of `key` and answers at most one request.
pub(crate) fn receive<A: App>(core: &mut Core, app: &mut A, key: Key, bytes: &[u8]) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::Http(room) = &mut connection.room else { return };
    room.take_in(bytes, core.now);
    let received = match room.stage {
        Stage::Head => receive_head(core, app, key),
        Stage::Body(_) => receive_body(core, app, key),
    };
    if let Err(error) = received {
        refuse(core, app, key, error.status(), &error.to_string());
    }
}

/// Looks for a head. A request of which all is here in one piece is answered where it lies; for a body in
/// chunks, or what is missing of one, the head is put by.
fn receive_head<A: App>(core: &mut Core, app: &mut A, key: Key) -> Result<(), Error> {
    let Some(connection) = core.connections.get_mut(key) else { return Ok(()) };
    let Room::Http(room) = &mut connection.room else { return Ok(()) };
    let (input, used) = (core::mem::take(&mut room.input), core::mem::take(&mut room.used));
    let Some(found) = room.find_head(&input[used..], &core.limits)? else {
        (room.input, room.used) = (input, used);
        core.settle(key);
        return Ok(());
    };
    let (bytes, rest) = input[used..].split_at(found.len());
    let used = used + bytes.len();
    let mut storage = HeaderStorage::new();
    let head = RequestHead::of(found, &mut storage, &core.limits.http)?;
    if let Some(body) = whole_body(head.body(), rest, core.limits.body_bytes_max) {
        let (used, peer) = (used + body.len(), connection.peer.address());
        serve(core, app, key, &Request { head: &head, body, peer });
        go_on_with(core, app, key, input, used);
        return Ok(());
    }
    let out = connection.outbox.tail(&mut core.pool);
    let expected = room.expect_body((&head, bytes), rest.is_empty(), (core.now, &core.limits), out);
    (room.input, room.used) = (input, used);
    expected.and_then(|()| receive_body(core, app, key))
}

/// Looks for the end of a body whose head was put by.
fn receive_body<A: App>(core: &mut Core, app: &mut A, key: Key) -> Result<(), Error> {
    let Some(connection) = core.connections.get_mut(key) else { return Ok(()) };
    let Room::Http(room) = &mut connection.room else { return Ok(()) };
    let Some(request) = room.take_body(&core.limits)? else {
        core.settle(key);
        return Ok(());
    };
    let (input, used) = (core::mem::take(&mut room.input), core::mem::take(&mut room.used));
    let mut storage = HeaderStorage::new();
    let head = RequestHead::parse(&request.head, &mut storage, &core.limits.http)?;
    let peer = connection.peer.address();
    serve(core, app, key, &Request { head: &head, body: &request.body, peer });
    go_on_with(core, app, key, input, used);
    Ok(())
}

/// What came behind a request, which used so many bytes of `input`, belongs to whatever room its
/// answer led to.
fn go_on_with<A: App>(core: &mut Core, app: &mut A, key: Key, mut input: Vec<u8>, used: usize) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    match &mut connection.room {
        Room::Http(room) => {
            // The next request's time begins with its first byte, and it is here.
            room.go_on(core.now);
            if used < input.len() {
                (room.input, room.used) = (input, used);
                core.look_again(key);
            }
        }
        Room::Held(room) => {
            if used < input.len() {
                (room.http.input, room.http.used) = (input, used);
            }
        }
        // A client must not send before it has seen the 101 (RFC 6455 §4.1), but frames that it
        // sent nevertheless are as good as later ones.
        Room::WebSocket(_) => websocket::receive(core, app, key, &mut input[used..]),
        Room::Tunnel(_) => tunnel::receive(core, app, key, &input[used..]),
        // [rfc9112:9.6-nothing-after-close]
        Room::Events(_) | Room::Leaving(_) | Room::Gone => {}
    }
}

/// The peer will send nothing more: a request under way stays incomplete, an answer under way is
/// still delivered.
pub(crate) fn receive_end(core: &mut Core, key: Key) {
    core.leave(key, CloseCause::Ended);
    if let Some(connection) = core.connections.get_mut(key)
        && let Room::Leaving(leaving) = &mut connection.room
    {
        leaving.ended = true;
    }
}

/// Answers with `status` in the application's words, or else a fixed text, and ends the connection:
/// where the next request would start is not known. Nothing of the peer's bytes is repeated.
pub(crate) fn refuse<A: App>(core: &mut Core, app: &mut A, key: Key, status: Status, reason: &str) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::Http(room) = &connection.room else { return };
    core.stats.refused += 1;
    let mut storage = HeaderStorage::new();
    let head = room.head().map(|head| RequestHead::parse(head, &mut storage, &core.limits.http));
    let head = head.and_then(Result::ok);
    // [server:refusal-words]
    let wording = app.refusal(&Refused { status, reason, head: head.as_ref(), stream: None });
    let wording = wording.unwrap_or_else(|| Wording::text(status.reason()));
    let body = content(head.is_some_and(|head| head.method() == "HEAD"), &wording.body);
    let response = Response::new(status).date(core.date).connection(Persistence::Close);
    add(response, &wording.headers).write(body, connection.outbox.tail(&mut core.pool));
    core.leave(key, CloseCause::Ended);
}

fn serve<A: App>(core: &mut Core, app: &mut A, key: Key, request: &Request<'_>) {
    core.stats.requests += 1;
    let head = request.head;
    match app.on_request(request, &mut Context { core }) {
        Answer::Reply(reply) => write_reply(core, key, Terms::of(head), &reply, &[]),
        Answer::WebSocket(upgrade, pending) => {
            let opened = websocket::open(core, app, key, head, &upgrade);
            announce(core, app, opened, pending);
        }
        Answer::EventStream(stream, pending) => {
            let opened = open_events(core, key, head, &stream);
            announce(core, app, opened, pending);
        }
        Answer::Hold(hold, pending) => {
            let opened = held::open(core, key, Terms::of(head), hold);
            announce(core, app, opened, pending);
        }
        Answer::Tunnel(pending) => {
            let opened = tunnel::open(core, key);
            announce(core, app, opened, pending);
        }
    }
    // A stream opened while the server goes away is told so at once, in its own language: a
    // browser's EventSource takes any status but 200 for the end of all tries.
    if core.draining {
        drain::dismiss(core, app, key);
    }
}

/// Tells the application whether the stream that it asked for is open.
fn announce<A: App>(
    core: &mut Core,
    app: &mut A,
    opened: Option<(StreamKey, Opened<'_>)>,
    pending: A::Pending,
) {
    match opened {
        Some((stream, opened)) => app.on_open(stream, pending, &opened, &mut Context { core }),
        None => app.on_unopened(pending, &mut Context { core }),
    }
}

/// What a response owes to the request that it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    is_head: bool,
    persistence: Persistence,
}

impl Terms {
    fn of(head: &RequestHead<'_, '_>) -> Self {
        Self { is_head: head.method() == "HEAD", persistence: head.connection() }
    }
}

/// Writes `reply`, with `more` headers behind its own.
pub(crate) fn write_reply(core: &mut Core, key: Key, terms: Terms, reply: &Reply, more: &[Header]) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    if reply.status.code() >= 400 {
        core.stats.refused += 1;
    }
    // [rfc9112:9.6-close-announced]
    let persistence = if core.draining { Persistence::Close } else { terms.persistence };
    let response = Response::new(reply.status).date(core.date).connection(persistence);
    let body = content(terms.is_head, &reply.body);
    let out = connection.outbox.tail(&mut core.pool);
    add(add(response, &reply.headers), more).write(body, out);
    match persistence {
        Persistence::Close => core.leave(key, CloseCause::Finished),
        Persistence::Persist | Persistence::KeepAlive => core.touch(key),
    }
}

/// RFC 9110 §9.3.2: HEAD gets the headers of GET and no content. [rfc9110:9.3.2-head-like-get]
const fn content(is_head: bool, body: &[u8]) -> Body<'_> {
    if is_head { Body::Length(body.len() as u64) } else { Body::Bytes(body) }
}

fn add<'a>(response: Response<'a>, headers: &'a [Header]) -> Response<'a> {
    headers.iter().map(Header::parts).fold(response, |to, (name, value)| to.header(name, value))
}

type Field = (sockeye_http1::HeaderName<'static>, HeaderValue<'static>);

const fn field(name: &'static str, value: &'static str) -> Field {
    (sockeye_http1::HeaderName::from_static(name), HeaderValue::from_static(value))
}

const EVENT_STREAM: Field = field("Content-Type", "text/event-stream");
/// `no-transform`: a proxy that compresses also collects.
const NO_STORE: Field = field("Cache-Control", "no-store, no-transform");
/// nginx would collect the stream in its buffers otherwise.
const NO_BUFFERING: Field = field("X-Accel-Buffering", "no");

fn open_events(
    core: &mut Core,
    key: Key,
    head: &RequestHead<'_, '_>,
    stream: &EventStream,
) -> Option<(StreamKey, Opened<'static>)> {
    let connection = core.connections.get_mut(key)?;
    // Nothing can follow a stream without end. [rfc9112:9.6-close-announced]
    let response = Response::new(Status::OK).date(core.date).connection(Persistence::Close);
    let response = [EVENT_STREAM, NO_STORE, NO_BUFFERING]
        .into_iter()
        .fold(response, |to, (name, value)| to.header(name, value));
    let response = add(response, &stream.headers);
    let out = connection.outbox.tail(&mut core.pool);
    let framing = match head.version() {
        Version::Http11 => Framing::Chunked,
        Version::Http10 => Framing::UntilClose,
    };
    match framing {
        Framing::Chunked => response.write(Body::Chunked, out),
        Framing::UntilClose => response.write_until_close(out),
    }
    if head.method() == "HEAD" {
        core.leave(key, CloseCause::Finished);
        return None;
    }
    let room = Room::Events(EventsRoom::open(framing, core.now, out));
    let stream = core.begin_stream(key, room)?;
    core.touch(key);
    Some((stream, Opened::EventStream))
}
