//! `GET /v1/nodes`: the nodes of the log that several machines share.

use sockeye_server::{Reply, Status};

use crate::Service;
use crate::dialect::reply::json;
use crate::dialect::requests::Cursors;
use crate::engine::Principal;
use crate::wire::reply::NodeLine;
use crate::wire::{self, Problem, Query};

impl Service {
    /// Lists the nodes whose leases have not ended; none if the log is that of one machine. [service:nodes]
    pub(super) fn nodes(&mut self, who: &Principal, query: &Query<'_>) -> Result<Reply, Problem> {
        self.known(query, &[], Cursors::Unknown)?;
        let checked = self.engine.check_operator(who);
        checked.map_err(|refusal| Problem::lacks_right(refusal, "nodes"))?;
        let nodes = self.engine.sequencing.nodes();
        let shared = self.engine.sequencing.shared_log().unwrap_or_default();
        let now_ms = self.engine.log_time.ms;
        let there = nodes.iter().filter(|node| node.until_ms > now_ms);
        let lines = there.map(|node| {
            // What this process knows of itself is newer than its lease.
            let (head, lag) = match node.is_own {
                true => (shared.head, shared.lag_entries),
                false => (node.head, node.lag_entries),
            };
            NodeLine {
                node: node.node,
                name: &node.name,
                release: node.release.as_deref(),
                entries: node.entries,
                rules: node.rules,
                head,
                lag,
                lease_ms: node.until_ms - now_ms,
                own: node.is_own,
            }
        });
        Ok(json(Status::OK, wire::reply::nodes(&lines.collect::<Vec<_>>())))
    }
}
