//! A request as we send it, byte for byte, and a response as we read it.

use crate::case::{Outcome, failed};
use crate::digest::accept_key;
use crate::target::Url;

/// The sample nonce of RFC 6455 §1.3.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A request under construction: each line is written as it stands here.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: Vec<u8>,
    pub(crate) version: String,
    /// Header lines without their line ends.
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) line_end: &'static str,
    /// Bytes before the request line and after the head.
    pub(crate) before: Vec<u8>,
    pub(crate) after: Vec<u8>,
}

impl Request {
    /// A GET with nothing but a `Host`.
    pub(crate) fn get(url: &Url) -> Self {
        Self {
            method: "GET".to_owned(),
            target: url.target.clone().into_bytes(),
            version: "HTTP/1.1".to_owned(),
            lines: vec![format!("Host: {}", url.authority()).into_bytes()],
            line_end: "\r\n",
            before: Vec::new(),
            after: Vec::new(),
        }
    }

    /// A correct opening handshake (RFC 6455 §4.1).
    pub(crate) fn upgrade(url: &Url) -> Self {
        let mut request = Self::get(url);
        request.add("Upgrade", "websocket");
        request.add("Connection", "Upgrade");
        request.add("Sec-WebSocket-Key", KEY);
        request.add("Sec-WebSocket-Version", "13");
        request
    }

    pub(crate) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.line([format!("{name}: ").as_bytes(), value.as_ref()].concat());
    }

    /// Adds a line as it stands.
    pub(crate) fn line(&mut self, line: impl AsRef<[u8]>) {
        self.lines.push(line.as_ref().to_vec());
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let prefix = format!("{}:", name.to_ascii_lowercase()).into_bytes();
        self.lines.retain(|line| !line.to_ascii_lowercase().starts_with(&prefix));
    }

    pub(crate) fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.remove(name);
        self.add(name, value);
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = self.before.clone();
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        out.extend_from_slice(&self.target);
        out.extend_from_slice(format!(" {}{}", self.version, self.line_end).as_bytes());
        for line in &self.lines {
            out.extend_from_slice(line);
            out.extend_from_slice(self.line_end.as_bytes());
        }
        out.extend_from_slice(self.line_end.as_bytes());
        out.extend_from_slice(&self.after);
        out
    }
}

/// A response head as it stood on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) version: String,
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Response {
    /// Reads a head that ends with an empty line, or says what is wrong with it.
    pub(crate) fn read(head: &[u8]) -> Result<Self, String> {
        let text: String = head.iter().copied().map(char::from).collect();
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let mut parts = status_line.splitn(3, ' ');
        let (version, status) = (parts.next().unwrap_or_default(), parts.next());
        let status = status.filter(|s| s.len() == 3).and_then(|s| s.parse().ok());
        let (true, Some(status)) = (version.starts_with("HTTP/1."), status) else {
            return Err(format!("a bad status line {status_line:?}"));
        };
        let headers = lines.map(header).collect::<Result<_, _>>()?;
        Ok(Self { version: version.to_owned(), status, headers })
    }

    /// The values of all lines of that name.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The elements of a list header over all its lines, in lower case.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let elements = self.all(name).join(",").to_ascii_lowercase();
        let elements = elements.split(',').map(|element| element.trim().to_owned());
        elements.filter(|element| !element.is_empty()).collect()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The status must be one of these.
    pub(crate) fn expect_status(&self, statuses: &[u16]) -> Outcome {
        match statuses.contains(&self.status) {
            true => Ok(()),
            false => failed(format!("a status of {statuses:?}"), self.status),
        }
    }

    /// The rule of RFC 6455 §4.1 that a 101 breaks, if it breaks one.
    pub(crate) fn upgrade_fault(&self) -> Option<String> {
        let accept = self.all("sec-websocket-accept");
        if accept != [accept_key(KEY)] {
            return Some(format!("Sec-WebSocket-Accept {accept:?}"));
        }
        if !self.list("upgrade").contains(&"websocket".to_owned()) {
            return Some(format!("Upgrade {:?}", self.all("upgrade")));
        }
        if !self.list("connection").contains(&"upgrade".to_owned()) {
            return Some(format!("Connection {:?}", self.all("connection")));
        }
        None
    }
}

fn header(line: &str) -> Result<(String, String), String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let (name, value) = line.split_once(':').ok_or_else(|| format!("a header line {line:?}"))?;
    if name.is_empty() || !name.chars().all(is_token) {
        return Err(format!("a header name {name:?}"));
    }
    if value.contains(['\r', '\n', '\0']) {
        return Err(format!("a header value {value:?}"));
    }
    Ok((name.to_ascii_lowercase(), value.trim_matches([' ', '\t']).to_owned()))
}
