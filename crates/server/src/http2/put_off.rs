//! Held requests of HTTP/2 that are put off: their peers have to take other answers first.

use sockeye_reactor::Key;

use crate::connection::{Phase, Single, find};
use crate::key::StreamKey;
use crate::state::Core;
use crate::stream::Kind;
use crate::trunk::Branch;

/// Whether the answer to the held request `stream` has to wait for its peer. If so, the application is told when it may
/// come. [server:http2-held-answers-wait]
pub(crate) fn put_off(core: &mut Core, stream: StreamKey) -> bool {
    let Some(open) = find(&mut core.connections, stream) else { return false };
    let branch = open.connection;
    let Some(Branch { trunk, stream: id, .. }) = core.branch(branch) else { return false };
    let Some(carrier) = core.connections.get(trunk) else { return false };
    if !carrier.puts_off(&core.limits) {
        go_on(core, branch);
        return false;
    }
    let Some(open) = find(&mut core.connections, stream) else { return false };
    let Kind::Held(held) = &mut open.stream.kind else { return false };
    held.put_off(core.now);
    if let Some(trunk) = core.trunk(trunk) {
        trunk.put_off.insert(id);
    }
    true
}

/// The held request on `branch` may be answered. Returns its stream if it was put off.
pub(super) fn go_on(core: &mut Core, branch: Key) -> Option<StreamKey> {
    let Branch { trunk, stream, .. } = core.branch(branch)?;
    let connection = core.connections.get_mut(branch)?;
    let Phase::Single(Single { stream: Some(open), .. }) = &mut connection.phase else {
        return None;
    };
    let Kind::Held(held) = &mut open.kind else { return None };
    if !held.go_on(core.now) {
        return None;
    }
    let of = StreamKey::new(open.id, branch);
    core.trunk(trunk)?.put_off.remove(&stream);
    core.arm(branch);
    Some(of)
}
