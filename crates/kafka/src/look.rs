//! The log, as its leader tells.

use sockeye_backbone::{LogEnds, Trouble, TroubleKind};

use crate::ends;
use crate::link::Link;
use crate::range::Range;
use crate::settings;
use crate::shared::Shared;
use crate::topic::{Cluster, Life, Topic};

/// The topic, and the offsets that it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) topic: Topic,
    pub(crate) identity: u64,
    pub(crate) range: Range,
}

impl Look {
    pub(crate) fn ends(&self) -> LogEnds {
        self.range.ends(self.identity)
    }
}

/// Asks for the topic, its settings and its ends, and checks that this server is the leader. `None` if there is no topic.
/// `known` is the high watermark that was told of a topic before, or zero.
pub(crate) async fn look(
    link: &mut Link<'_>,
    shared: &Shared,
    known: impl Fn(Life) -> i64,
) -> Result<Option<Look>, Trouble> {
    let cluster = Cluster::describe(link).await?;
    let Some(topic) = cluster.topic else { return Ok(None) };
    let place = link.place;
    if cluster.address(topic.leader, place.server) != Some(place.server) {
        return Err(place.trouble(TroubleKind::NoLeader, "does not lead the topic now"));
    }
    let Some(batch_bytes_max) = settings::check(link, topic).await? else { return Ok(None) };
    shared.note_batch_bytes_max(batch_bytes_max);
    let range = ends::ask(link, &shared.topic_name(), topic.life, known(topic.life)).await?;
    Ok(range.map(|range| Look { topic, identity: cluster.identity(), range }))
}
