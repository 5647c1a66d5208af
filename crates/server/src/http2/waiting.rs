//! Requests of HTTP/2 that wait until the peer has taken answers: complete ones, and those that the application holds.

use sockeye_reactor::Key;

use super::put_off::go_on;
use super::requests::serve_fields;
use crate::app::App;
use crate::budget::STREAM_UNITS;
use crate::cause::CloseCause;
use crate::connection::{Phase, Rare};
use crate::context::Context;
use crate::state::Core;
use crate::trunk::Branch;

/// Held requests of which a visit tells the application that they may be answered. Their answers are still to come,
/// and the first ones may fill the line again.
const NOTICES_MAX: usize = 8;

/// Whether a complete request on the trunk `key` waits: the peer has to take answers first, or other requests wait.
/// The frames behind it are taken in, as one of them may open a window (RFC 9113 §5.2.2). A WebSocket never waits: its
/// answer has no content, and its bytes may follow at once.
pub(super) fn must_wait(core: &Core, key: Key) -> bool {
    let Some(connection) = core.connections.get(key) else { return false };
    let Phase::Rare(Rare::Http2(trunk)) = &connection.phase else { return false };
    trunk.contents.next_complete().is_some() || connection.owes_reading(&core.limits)
}

/// Goes on with requests of the trunk `key` that waited, until its share of the turn is spent or the peer has to take
/// answers again. [server:http2-answers-wait]
pub(super) fn serve_waiting<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(trunk) = core.trunk(key) else { return };
    if !core::mem::take(&mut trunk.answers_again) {
        return;
    }
    tell_held(core, app, key);
    let mut served = false;
    loop {
        let Some(connection) = core.connections.get(key) else { return };
        let Phase::Rare(Rare::Http2(trunk)) = &connection.phase else { return };
        let Some(stream) = trunk.contents.next_complete() else { return };
        if connection.owes_reading(&core.limits) {
            return;
        }
        if served && core.budget.share_is_spent() {
            return core.answer_again(key);
        }
        served = true;
        let Some(branch) = trunk.branch(stream) else { return };
        serve_kept(core, app, branch);
    }
}

/// Serves the complete request that was kept on `branch`, unless too many answers wait for windows.
pub(super) fn serve_kept<A: App>(core: &mut Core, app: &mut A, branch: Key) {
    let Some(Branch { trunk, stream, .. }) = core.branch(branch) else { return };
    if has_unread_answers(core, trunk) {
        core.refuse_stream(trunk, stream);
        return core.abort(branch, CloseCause::Overflow);
    }
    if let Some(content) = core.take_content(branch) {
        serve_fields(core, app, branch, &content.fields, &content.body);
    }
}

/// Whether more of the answers on the trunk `key` waits for the peer than may come from it.
pub(super) fn has_unread_answers(core: &mut Core, key: Key) -> bool {
    core.trunk(key).is_some_and(|trunk| trunk.has_unread_answers())
}

/// Tells the application of held requests on the trunk `key` that may be answered, the oldest first.
/// [server:http2-held-answers-wait]
fn tell_held<A: App>(core: &mut Core, app: &mut A, key: Key) {
    for _ in 0..NOTICES_MAX {
        let Some(connection) = core.connections.get_mut(key) else { return };
        if connection.puts_off(&core.limits) {
            return;
        }
        let Phase::Rare(Rare::Http2(trunk)) = &mut connection.phase else { return };
        let Some(stream) = trunk.put_off.pop_first() else { return };
        let Some(stream) = trunk.branch(stream).and_then(|it| go_on(core, it)) else { continue };
        core.budget.spend(STREAM_UNITS);
        app.on_drained(stream, &mut Context { core });
    }
    // Their answers may take long. The next ones do not wait for that.
    core.answer_again(key);
}
