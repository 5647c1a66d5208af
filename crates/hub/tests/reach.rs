//! How many a message will be offered to, before it is published.

use crate::support::{connect, hub, publish};
use sockeye_hub::Start;

/// A channel is unknown as long as it has neither a message nor a subscriber of its own: its patterns
/// count all the same.
#[test]
fn an_unknown_channel_reaches_the_members_of_its_patterns() {
    let mut hub = hub();
    assert_eq!(hub.reach("news:1"), 0, "there is nobody");
    connect(&mut hub, &["news:*", "other:1"], Start::Now);
    connect(&mut hub, &["news:>"], Start::Now);
    assert_eq!((hub.reach("news:1"), hub.reach("news:2:x"), hub.reach("other:2")), (2, 1, 0));
    assert_eq!(hub.stats().channels, 1, "nobody has made it known");
    publish(&mut hub, "news:1");
    assert_eq!(hub.reach("news:1"), 2, "it is known");
    connect(&mut hub, &["news:1", "news:*"], Start::Now);
    assert_eq!(hub.reach("news:1"), 4, "in each of two ways");
}
