//! The room of a request that is answered later.

use sockeye_http1::Status;
use sockeye_reactor::{Key, Time};

use crate::app::{Header, Hold, Opened, Refused, Reply, Wording};
use crate::connection::{Core, Room};
use crate::http::{self, HttpRoom, Terms};
use crate::{App, CloseCause, Context, Deadline, StreamKey};

/// A request under way between its last byte and its response.
pub(crate) struct HeldRoom {
    /// Where the connection goes back to, with what came behind the request.
    pub(crate) http: Box<HttpRoom>,
    terms: Terms,
    /// When the server answers by itself.
    pub(crate) until: Time,
    /// What the response has beside its own headers.
    headers: Vec<Header>,
    /// The client has ended its direction.
    ended: bool,
}

const RETRY_AFTER: Header = Header::from_static("Retry-After", "1");

/// Holds the request that has just come.
pub(crate) fn open(
    core: &mut Core,
    key: Key,
    terms: Terms,
    hold: Hold,
) -> Option<(StreamKey, Opened<'static>)> {
    let until = core.now + hold.hold_ms.min(core.limits.hold_ms);
    let connection = core.connections.get_mut(key)?;
    let Room::Http(http) = core::mem::replace(&mut connection.room, Room::Gone) else {
        unreachable!("a request was served in another room");
    };
    let room =
        Room::Held(Box::new(HeldRoom { http, terms, until, headers: hold.headers, ended: false }));
    Some((core.begin_stream(key, room)?, Opened::Held))
}

/// The client sends nothing more; that it takes nothing more is not said. A publication that is
/// stored has to be answered. [server:hold-half-closed]
pub(crate) fn receive_end<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::Held(room) = &mut connection.room else { return };
    if !core::mem::replace(&mut room.ended, true) {
        let stream = StreamKey { socket: key, serial: connection.serial };
        app.on_half_close(stream, &mut Context { core });
    }
}

/// Writes the response; the connection goes back to where it was, or ends.
pub(crate) fn respond(core: &mut Core, key: Key, reply: &Reply, cause: CloseCause) {
    core.end_stream(key, cause);
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::Held(room) = core::mem::replace(&mut connection.room, Room::Gone) else {
        unreachable!("asked by the callers");
    };
    let HeldRoom { mut http, terms, headers, ended, .. } = *room;
    if ended {
        // Its end is read once more, behind what it sent before it: that is answered too.
        connection.readiness.assume_readable();
    }
    http.go_on(core.now);
    connection.room = Room::Http(http);
    // The client was waiting for us: its time between two requests begins now.
    connection.heard = core.now;
    // [server:hold-headers]
    http::write_reply(core, key, terms, reply, &headers);
    core.after_visit(key);
}

/// The deadline has come: answers that there is no answer, in the application's words.
pub(crate) fn time_out<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let stream = StreamKey { socket: key, serial: connection.serial };
    let (status, reason) = (Status::SERVICE_UNAVAILABLE, "there was no answer in time");
    let refused = Refused { status, reason, head: None, stream: Some(stream) };
    let wording = app.refusal(&refused).unwrap_or_else(no_answer);
    give_up_with(core, key, wording, CloseCause::Timeout(Deadline::Hold));
}

/// Answers that there is no answer.
pub(crate) fn give_up(core: &mut Core, key: Key, cause: CloseCause) {
    give_up_with(core, key, no_answer(), cause);
}

fn no_answer() -> Wording {
    Wording::text("try again\n")
}

fn give_up_with(core: &mut Core, key: Key, wording: Wording, cause: CloseCause) {
    let Wording { headers, body } = wording;
    let reply = Reply { status: Status::SERVICE_UNAVAILABLE, headers, body };
    respond(core, key, &reply.header(RETRY_AFTER), cause);
}
