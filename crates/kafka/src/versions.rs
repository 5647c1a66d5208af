//! The versions of requests that a server and this driver both speak.

use kafka_protocol::messages::{
    ApiVersionsResponse, CreateTopicsRequest, DeleteRecordsRequest, DescribeConfigsRequest,
    FetchRequest, FindCoordinatorRequest, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest,
    ListOffsetsRequest, MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest,
    SyncGroupRequest,
};
use kafka_protocol::protocol::{Request, VersionRange};

/// What is used of each request: the key, the oldest version that has what is needed, and the newest one that was
/// tried.
const USED: [(i16, &str, VersionRange); 15] = [
    (ProduceRequest::KEY, "Produce", range(3, 13)),
    (FetchRequest::KEY, "Fetch", range(5, 17)),
    (ListOffsetsRequest::KEY, "ListOffsets", range(1, 9)),
    // Version 4 lets a client forbid that the request creates the topic.
    (MetadataRequest::KEY, "Metadata", range(4, 12)),
    (CreateTopicsRequest::KEY, "CreateTopics", range(4, 7)),
    (DeleteRecordsRequest::KEY, "DeleteRecords", range(0, 2)),
    (DescribeConfigsRequest::KEY, "DescribeConfigs", range(1, 4)),
    (36, "SaslAuthenticate", range(0, 2)),
    (FindCoordinatorRequest::KEY, "FindCoordinator", range(0, 3)),
    (JoinGroupRequest::KEY, "JoinGroup", range(2, 5)),
    (SyncGroupRequest::KEY, "SyncGroup", range(1, 3)),
    (HeartbeatRequest::KEY, "Heartbeat", range(1, 3)),
    (LeaveGroupRequest::KEY, "LeaveGroup", range(1, 2)),
    (OffsetCommitRequest::KEY, "OffsetCommit", range(2, 7)),
    (OffsetFetchRequest::KEY, "OffsetFetch", range(2, 7)),
];

/// Requests that are asked for only where they are needed.
const OPTIONAL: [i16; 9] = [
    DeleteRecordsRequest::KEY,
    36,
    FindCoordinatorRequest::KEY,
    JoinGroupRequest::KEY,
    SyncGroupRequest::KEY,
    HeartbeatRequest::KEY,
    LeaveGroupRequest::KEY,
    OffsetCommitRequest::KEY,
    OffsetFetchRequest::KEY,
];

/// Fetches name a topic by its identifier from this version on, appends from the next one.
pub(crate) const FETCH_BY_ID: i16 = 13;
pub(crate) const PRODUCE_BY_ID: i16 = 13;

const fn range(min: i16, max: i16) -> VersionRange {
    VersionRange { min, max }
}

/// The versions of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions(Vec<(i16, VersionRange)>);

impl Versions {
    /// The versions that a server lists. An error names the request of which there is none.
    pub(crate) fn new(listed: &ApiVersionsResponse) -> Result<Self, &'static str> {
        let mut versions = Vec::new();
        for (key, name, used) in USED {
            let listed = listed.api_keys.iter().find(|api| api.api_key == key);
            let common = listed.map(|api| used.intersect(&range(api.min_version, api.max_version)));
            match common.filter(|common| !common.is_empty()) {
                Some(common) => versions.push((key, common)),
                None if OPTIONAL.contains(&key) => {}
                None => return Err(name),
            }
        }
        Ok(Self(versions))
    }

    /// The newest version of a request, if there is one; no newer one than `max`.
    pub(crate) fn of(&self, key: i16, max: i16) -> Option<i16> {
        let (_, range) = self.0.iter().find(|(it, _)| *it == key)?;
        Some(range.max.min(max)).filter(|version| *version >= range.min)
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::api_versions_response::ApiVersion;

    use super::*;

    fn listed(change: impl Fn(i16) -> Option<(i16, i16)>) -> ApiVersionsResponse {
        let api = |key: i16| {
            let (min, max) = change(key)?;
            let api = ApiVersion::default().with_api_key(key);
            Some(api.with_min_version(min).with_max_version(max))
        };
        let keys = USED.iter().filter_map(|(key, ..)| api(*key)).collect();
        ApiVersionsResponse::default().with_api_keys(keys)
    }

    #[test]
    fn the_newest_version_that_both_speak_is_taken() {
        let versions = Versions::new(&listed(|_| Some((0, 11)))).expect("enough");
        assert_eq!(versions.of(FetchRequest::KEY, i16::MAX), Some(11));
        assert_eq!(versions.of(FetchRequest::KEY, 9), Some(9));
        assert_eq!(versions.of(MetadataRequest::KEY, i16::MAX), Some(11));
        assert_eq!(versions.of(FetchRequest::KEY, 4), None, "it lacks what is needed");
    }

    #[test]
    fn a_server_that_is_too_old_or_too_new_is_named() {
        let old = listed(|key| Some((0, if key == MetadataRequest::KEY { 3 } else { 20 })));
        assert_eq!(Versions::new(&old).expect_err("too old"), "Metadata");
        let new = listed(|key| Some((if key == FetchRequest::KEY { 18 } else { 0 }, 20)));
        assert_eq!(Versions::new(&new).expect_err("too new"), "Fetch");
        let lacks = listed(|key| (key != DeleteRecordsRequest::KEY).then_some((0, 20)));
        let versions = Versions::new(&lacks).expect("it does without");
        assert_eq!(versions.of(DeleteRecordsRequest::KEY, i16::MAX), None);
    }
}
