//! Deadlines: what each room is waiting for, and what happens when it does not come.

use sockeye_http1::Status;
use sockeye_reactor::{Key, Time};
use sockeye_websocket::CloseCode;

use crate::connection::{Awaits, Connection, Core, Room};
use crate::{App, CloseCause, Context, Deadline, Limits, StreamKey, held, http, websocket};

/// What is due when a connection's deadline has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The peer is given up.
    GiveUp(Deadline),
    /// A peer that took nothing for so long is tried once more, and then given up.
    LastWrite,
    /// A silent WebSocket is asked for a sign of life.
    Ping,
    /// A silent event stream gives one.
    Heartbeat,
    /// A stream that the application wanted to be left alone by is read again.
    Resume,
}

impl Connection {
    /// The next moment at which something is due. Activity moves it by storing a time; nobody
    /// has to tell the wheel.
    pub(crate) fn deadline(&self, limits: &Limits) -> (Time, Due) {
        let stall = self.stalled + limits.write_stall_ms;
        // Nobody looks whether the peer is silent, so its silence says nothing.
        if self.resting != Time::NEVER && self.resting <= stall {
            return (self.resting, Due::Resume);
        }
        // While bytes wait for the peer this is the only clock: it cannot answer what it has not
        // got yet, and perhaps it is not even read from.
        if self.stalled != Time::NEVER {
            return (stall, Due::LastWrite);
        }
        self.room_deadline(limits)
    }

    /// The peer has taken everything that waited: the other clocks, which stood still, go on.
    pub(crate) fn caught_up(&mut self, now: Time, limits: &Limits) {
        (self.stalled, self.heard) = (Time::NEVER, now);
        match &mut self.room {
            Room::Http(room) => room.restart(now),
            Room::WebSocket(room) => {
                match room.awaits {
                    Awaits::Nothing => {}
                    Awaits::Pong => room.awaits_at = now,
                    Awaits::Close(_) => room.awaits_at = now + limits.close_ms,
                }
                if let Some(under_way) = &mut room.under_way {
                    under_way.since = now;
                }
            }
            // A held request's time is the application's, which a slow reader does not stretch.
            Room::Events(_) | Room::Held(_) | Room::Tunnel(_) | Room::Leaving(_) | Room::Gone => {}
        }
    }

    fn room_deadline(&self, limits: &Limits) -> (Time, Due) {
        match &self.room {
            Room::Http(_) if self.readiness.is_handshaking() => {
                (self.heard + limits.handshake_ms, Due::GiveUp(Deadline::Handshake))
            }
            Room::Http(room) => {
                let (at, deadline) = room.deadline(self.heard, limits);
                (at, Due::GiveUp(deadline))
            }
            Room::WebSocket(room) => {
                let at = room.awaits_at;
                let life = match room.awaits {
                    Awaits::Nothing => (self.heard + limits.ping_ms, Due::Ping),
                    Awaits::Pong => (at + limits.pong_ms, Due::GiveUp(Deadline::Pong)),
                    Awaits::Close(_) => return (at, Due::GiveUp(Deadline::Close)),
                };
                let since = room.under_way.as_ref().map_or(Time::NEVER, |part| part.since);
                let message = (since + limits.message_ms, Due::GiveUp(Deadline::Message));
                if message.0 < life.0 { message } else { life }
            }
            Room::Events(room) => (room.spoke + limits.heartbeat_ms, Due::Heartbeat),
            Room::Held(room) => (room.until, Due::GiveUp(Deadline::Hold)),
            // [server:tunnel-silence]
            Room::Tunnel(room) => {
                let spoke = if room.spoke > self.heard { room.spoke } else { self.heard };
                (spoke + limits.tunnel_ms, Due::GiveUp(Deadline::Tunnel))
            }
            Room::Leaving(leaving) => (leaving.until, Due::GiveUp(Deadline::Close)),
            Room::Gone => (Time::NEVER, Due::GiveUp(Deadline::Close)),
        }
    }
}

/// The wheel named `key`, armed for `at`: does what is due, or arms for the moment to which
/// activity has moved the deadline.
pub(crate) fn fire<A: App>(core: &mut Core, app: &mut A, key: Key, at: Time) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    if !connection.timer.fire(at) {
        return;
    }
    let (deadline, due) = connection.deadline(&core.limits);
    if deadline <= core.now {
        match due {
            Due::GiveUp(deadline) => give_up(core, app, key, deadline),
            // This turn's flush will tell.
            Due::LastWrite => return try_write(core, key),
            Due::Ping => ping(core, key),
            Due::Heartbeat => heartbeat(core, app, key),
            Due::Resume => core.resume(key),
        }
    }
    core.arm(key);
}

/// Lists `key` for a write although the poller did not name it: it does so only once a good part
/// of the socket's buffer is free, which takes a slow reader longer than any deadline.
fn try_write(core: &mut Core, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    connection.readiness.assume_writable();
    core.touch(key);
}

pub(crate) fn give_up<A: App>(core: &mut Core, app: &mut A, key: Key, deadline: Deadline) {
    let cause = CloseCause::Timeout(deadline);
    match deadline {
        // [rfc9110:15.5.9-request-timeout]
        Deadline::Head | Deadline::Body => {
            core.stats.timeouts += 1;
            let reason = match deadline {
                Deadline::Body => "the body did not come in time",
                _ => "the head did not come in time",
            };
            http::refuse(core, app, key, Status::REQUEST_TIMEOUT, reason);
        }
        Deadline::Message => {
            core.stats.timeouts += 1;
            websocket::refuse(core, key, CloseCode::POLICY_VIOLATION);
        }
        // No fault of the peer's: the connection simply is not kept any longer.
        // [rfc9112:9.5-idle-close]
        Deadline::KeepAlive => core.leave(key, cause),
        // [server:hold-deadline]
        Deadline::Hold => {
            core.stats.timeouts += 1;
            held::time_out(core, app, key);
        }
        Deadline::Handshake
        | Deadline::Pong
        | Deadline::Close
        | Deadline::WriteStall
        | Deadline::Tunnel => {
            core.stats.timeouts += 1;
            core.cut(key, cause);
        }
    }
}

/// Any byte will do for an answer (RFC 6455 §5.5.2). [rfc6455:5.5.2-ping-keeps-alive]
fn ping(core: &mut Core, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::WebSocket(room) = &mut connection.room else { return };
    (room.awaits, room.awaits_at) = (Awaits::Pong, core.now);
    if room.protocol.ping(b"", connection.outbox.tail(&mut core.pool)).is_ok() {
        core.touch(key);
    }
}

/// HTML 9.2.7: proxies drop what is silent. [html:9.2.7-heartbeat]
fn heartbeat<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(connection) = core.connections.get_mut(key) else { return };
    let Room::Events(room) = &mut connection.room else { return };
    // The next one is due after another silence, whatever the application makes of this one.
    room.spoke = core.now;
    // What waits already is sign of life enough, once the peer reads it.
    if connection.outbox.is_empty() {
        let stream = StreamKey { socket: key, serial: connection.serial };
        app.on_heartbeat(stream, &mut Context { core });
    }
}
