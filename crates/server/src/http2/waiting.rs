//! Complete requests of HTTP/2 that wait until the peer has taken answers.

use sockeye_reactor::Key;

use super::requests::serve_fields;
use crate::app::App;
use crate::cause::CloseCause;
use crate::connection::{Phase, Rare};
use crate::state::Core;
use crate::trunk::Branch;

/// Whether a complete request on the trunk `key` waits: the peer has to take answers first, or other requests wait.
/// The frames behind it are taken in, as one of them may open a window (RFC 9113 §5.2.2). A WebSocket never waits: its
/// answer has no content, and its bytes may follow at once.
pub(super) fn must_wait(core: &Core, key: Key) -> bool {
    let Some(connection) = core.connections.get(key) else { return false };
    let Phase::Rare(Rare::Http2(trunk)) = &connection.phase else { return false };
    trunk.contents.next_complete().is_some() || connection.owes_reading(&core.limits)
}

/// Serves complete requests of the trunk `key` that waited, until its share of the turn is spent or the peer has to
/// take answers again. [server:http2-answers-wait]
pub(super) fn serve_waiting<A: App>(core: &mut Core, app: &mut A, key: Key) {
    let Some(trunk) = core.trunk(key) else { return };
    if !core::mem::take(&mut trunk.answers_again) {
        return;
    }
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
/// [server:http2-answers-bounded]
pub(super) fn has_unread_answers(core: &mut Core, key: Key) -> bool {
    core.trunk(key).is_some_and(|trunk| {
        trunk.answer_bytes > trunk.protocol.limits().connection_window_bytes as usize
    })
}
