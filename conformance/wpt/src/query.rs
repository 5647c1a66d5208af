//! The parameters of a request, by name.

use sockeye_http::{QueryPairs, RequestHead};

/// The parameters of a request.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn of(head: &RequestHead<'_, '_>) -> Self {
        let pairs = QueryPairs::new(head.query().unwrap_or(""));
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The first value of that name.
    pub(crate) fn first(&self, name: &str) -> Option<String> {
        self.0.iter().find(|(it, _)| it == name).map(|(_, value)| value.clone())
    }

    pub(crate) fn first_or(&self, name: &str, default: &str) -> String {
        self.first(name).unwrap_or_else(|| default.to_owned())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(it, _)| it == name)
    }

    /// The first value of that name as a number; 0 if there is none.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.first(name).and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// The value of a cookie that the request brings.
pub(crate) fn cookie(head: &RequestHead<'_, '_>, name: &str) -> Option<String> {
    let lines: Vec<_> = head.headers().all("cookie").map(String::from_utf8_lossy).collect();
    let mut pairs = lines.iter().flat_map(|line| line.split(';'));
    pairs.find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then(|| value.to_owned())
    })
}

/// The first line of that name as text.
pub(crate) fn header(head: &RequestHead<'_, '_>, name: &str) -> Option<String> {
    head.headers().all(name).next().map(|value| String::from_utf8_lossy(value).into_owned())
}
