//! Routes: the resource that a request names, and the methods that it takes.

use sockeye_http::Method as HttpMethod;

/// A resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource<'p> {
    /// `GET /v1/sse`
    Events,
    /// `GET /v1/ws`
    Socket,
    /// `GET /v1/poll`
    Poll,
    /// `GET /v1/position`
    Position,
    /// `POST /v1/publish`
    Publish,
    /// `POST /v1/batch`
    Batch,
    /// `POST /v1/channels/{channel}`; the name as it stands in the path
    Channel(&'p str),
    /// `POST /v1/channels/{channel}/close`
    Close(&'p str),
    /// `GET /v1/channels/{channel}/history`
    History(&'p str),
    /// `GET /v1/channels/{channel}/presence`
    Presence(&'p str),
    /// `POST /v1/tickets`
    Tickets,
    /// `POST /v1/users/{user}/disconnect`; the name as it stands in the path
    Disconnect(&'p str),
    /// `GET /v1/nodes`
    Nodes,
    /// `GET /healthz`
    Health,
    /// `GET /readyz`
    Ready,
    /// `GET /metrics`
    Metrics,
}

/// The methods of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    /// GET: a handshake has no HEAD (RFC 6455 §4.1).
    Open,
    /// GET, or HEAD.
    Read,
    /// POST.
    Write,
}

impl<'p> Resource<'p> {
    /// The resource at `path`, which has no query.
    pub(crate) fn at(path: &'p str) -> Option<Self> {
        match path {
            "/healthz" => return Some(Self::Health),
            "/readyz" => return Some(Self::Ready),
            "/metrics" => return Some(Self::Metrics),
            _ => {}
        }
        let path = path.strip_prefix("/v1/")?;
        match path {
            "sse" => Some(Self::Events),
            "ws" => Some(Self::Socket),
            "poll" => Some(Self::Poll),
            "position" => Some(Self::Position),
            "publish" => Some(Self::Publish),
            "batch" => Some(Self::Batch),
            "tickets" => Some(Self::Tickets),
            "nodes" => Some(Self::Nodes),
            _ => match path.strip_prefix("users/") {
                Some(path) => Self::of_user(path),
                None => Self::of_channel(path.strip_prefix("channels/")?),
            },
        }
    }

    /// As for a channel.
    fn of_user(path: &'p str) -> Option<Self> {
        match path.split_once('/') {
            Some((user, "disconnect")) if !user.is_empty() => Some(Self::Disconnect(user)),
            Some(_) | None => None,
        }
    }

    /// A `/` in a channel's name is written `%2F`, so one that stands here ends the name.
    fn of_channel(path: &'p str) -> Option<Self> {
        match path.split_once('/') {
            None if path.is_empty() => None,
            None => Some(Self::Channel(path)),
            Some(("", _)) => None,
            Some((channel, "close")) => Some(Self::Close(channel)),
            Some((channel, "history")) => Some(Self::History(channel)),
            Some((channel, "presence")) => Some(Self::Presence(channel)),
            Some(_) => None,
        }
    }

    /// Whether its requests count against the rate limit of requests. Publications and streams have
    /// limits of their own.
    pub(crate) const fn is_rated(self) -> bool {
        match self {
            Self::Poll
            | Self::Position
            | Self::History(_)
            | Self::Presence(_)
            | Self::Tickets
            | Self::Nodes
            | Self::Disconnect(_) => true,
            Self::Events
            | Self::Socket
            | Self::Publish
            | Self::Batch
            | Self::Channel(_)
            | Self::Close(_)
            | Self::Health
            | Self::Ready
            | Self::Metrics => false,
        }
    }

    /// Whether requests to it publish messages, and do nothing else with a channel.
    pub(crate) const fn publishes(self) -> bool {
        match self {
            Self::Publish | Self::Batch | Self::Channel(_) => true,
            Self::Socket
            | Self::Events
            | Self::Poll
            | Self::Position
            | Self::Tickets
            | Self::Nodes
            | Self::Disconnect(_)
            | Self::Close(_)
            | Self::History(_)
            | Self::Presence(_)
            | Self::Health
            | Self::Ready
            | Self::Metrics => false,
        }
    }

    /// The methods that it takes.
    pub(crate) const fn method(self) -> Method {
        match self {
            Self::Publish
            | Self::Batch
            | Self::Channel(_)
            | Self::Close(_)
            | Self::Tickets
            | Self::Disconnect(_) => Method::Write,
            Self::Socket => Method::Open,
            Self::Events
            | Self::Poll
            | Self::Position
            | Self::History(_)
            | Self::Presence(_)
            | Self::Nodes
            | Self::Health
            | Self::Ready
            | Self::Metrics => Method::Read,
        }
    }
}

impl Method {
    /// Whether the method of that name is one of these.
    pub(crate) fn takes(self, method: HttpMethod<'_>) -> bool {
        match self {
            Self::Open => method == HttpMethod::GET,
            Self::Read => matches!(method, HttpMethod::GET | HttpMethod::HEAD),
            Self::Write => method == HttpMethod::POST,
        }
    }

    /// For the `Allow` header.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Self::Open => "GET",
            Self::Read => "GET, HEAD",
            Self::Write => "POST",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_has_one_path() {
        let table = [
            ("/v1/sse", Resource::Events, Method::Read),
            ("/v1/ws", Resource::Socket, Method::Open),
            ("/v1/poll", Resource::Poll, Method::Read),
            ("/v1/position", Resource::Position, Method::Read),
            ("/v1/publish", Resource::Publish, Method::Write),
            ("/v1/batch", Resource::Batch, Method::Write),
            ("/v1/tickets", Resource::Tickets, Method::Write),
            ("/v1/users/a%2Fb/disconnect", Resource::Disconnect("a%2Fb"), Method::Write),
            ("/v1/channels/chat:7", Resource::Channel("chat:7"), Method::Write),
            ("/v1/channels/a%2Fb/close", Resource::Close("a%2Fb"), Method::Write),
            ("/v1/channels/a/history", Resource::History("a"), Method::Read),
            ("/v1/channels/a/presence", Resource::Presence("a"), Method::Read),
            ("/v1/nodes", Resource::Nodes, Method::Read),
            ("/healthz", Resource::Health, Method::Read),
            ("/readyz", Resource::Ready, Method::Read),
            ("/metrics", Resource::Metrics, Method::Read),
        ];
        for (path, resource, method) in table {
            assert_eq!(Resource::at(path), Some(resource), "{path}");
            assert_eq!(resource.method(), method, "{path}");
        }
    }

    #[test]
    fn what_is_allowed_is_what_is_taken() {
        for method in [Method::Open, Method::Read, Method::Write] {
            let allowed: Vec<&str> = method.allow().split(", ").collect();
            for name in ["GET", "HEAD", "POST", "PUT", "OPTIONS", "get", ""] {
                let takes = HttpMethod::new(name).is_ok_and(|name| method.takes(name));
                assert_eq!(takes, allowed.contains(&name), "{method:?} {name}");
            }
        }
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in [
            "/",
            "",
            "/v1",
            "/v1/",
            "/v1/sse/",
            "/v2/sse",
            "/v1/channels",
            "/v1/channels/",
            "/v1/channels//close",
            "/v1/channels/a/",
            "/v1/channels/a/b",
            "/v1/channels/a/history/",
            "/v1/users",
            "/v1/nodes/",
            "/v1/users/a",
            "/v1/users//disconnect",
            "/v1/users/a/disconnect/",
            "/HEALTHZ",
        ] {
            assert_eq!(Resource::at(path), None, "{path}");
        }
    }
}
