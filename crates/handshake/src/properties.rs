//! What holds for every input, as plain functions that panic where it does not: proptest, fuzz
//! targets and corpus replay call the same ones.

pub mod fuzz;

use crate::extension::{EXTENSIONS_MAX, PARAMS_MAX};
use crate::{Accept, Challenge, ClientRequest, Extensions, ExtensionsError, Origins, Policy};
use crate::{Reject, VerifyError, decide, supported_versions};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use sockeye_http::Status;
use sockeye_http1::{HeadEnd, HeaderStorage, Limits, RequestHead, ResponseHead};
use sockeye_http1::{ResponseFraming, Version};

/// The nonce of RFC 6455 §1.3, whose key the corpora hold.
const NONCE: [u8; 16] = *b"the sample nonce";

/// One extension as plain values: its name, and its parameters.
pub type PlainExtension = (String, Vec<(String, Option<String>)>);

/// Whatever head arrives, [`decide`] answers it: with an acceptance that keeps to the request, or
/// with a refusal that is one complete response.
pub fn server_answers(head: &[u8]) {
    let mut storage = HeaderStorage::new();
    let Ok(head) = RequestHead::parse(head, &mut storage, &Limits::DEFAULT) else { return };
    let subprotocols = &["chat", "superchat"];
    for origins in [Origins::Any, Origins::SameHost, Origins::List(&["http://example.com"])] {
        let policy = Policy { subprotocols, origins };
        match decide(&head, &policy) {
            Ok(accept) => check_accept(&head, &accept),
            Err(reject) => check_reject(reject),
        }
    }
}

/// An acceptance follows only from a request that says, read with the crudest of means, what it
/// has to say.
fn check_accept(head: &RequestHead<'_, '_>, accept: &Accept<'_>) {
    let lines = |name: &str| {
        let same_name = head.headers().iter().filter(|(one, _)| one.eq_ignore_ascii_case(name));
        let values = same_name.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        values.collect::<Vec<_>>()
    };
    let names = |name: &str, token: &str| {
        let lower = lines(name).join(",").to_lowercase();
        lower.split(',').any(|element| element.trim_matches([' ', '\t']) == token)
    };
    assert_eq!((head.method(), head.version()), (sockeye_http::Method::GET, Version::Http11));
    assert!(names("upgrade", "websocket") && names("connection", "upgrade"));
    assert_eq!(lines("sec-websocket-version"), ["13"]);
    assert_eq!(lines("sec-websocket-key").first().map(String::len), Some(24));
    assert_eq!(lines("sec-websocket-key").len(), 1);
    assert!(lines("origin").len() <= 1 && lines("transfer-encoding").is_empty());
    if let Some(chosen) = accept.subprotocol() {
        assert!(names("sec-websocket-protocol", chosen), "it was offered");
    }

    let mut out = Vec::new();
    let all_offers = accept.offers();
    accept.write_response(all_offers, &[], &mut out).expect("what was offered can be accepted");
    let mut storage = HeaderStorage::new();
    // An answer to offers that fill a whole head may be longer than that head.
    let mut limits = Limits::DEFAULT;
    limits.head_bytes_max = 32 * 1024;
    limits.line_bytes_max = 32 * 1024;
    let response = ResponseHead::parse(&out, &mut storage, &limits).expect("a head and no more");
    assert_eq!(response.status(), Status::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers().all("sec-websocket-accept").count(), 1);
    let again = Extensions::parse(response.headers().all("sec-websocket-extensions"));
    assert_eq!(again.as_ref(), Ok(all_offers));
}

/// A refusal is one complete response that ends the connection.
fn check_reject(reject: Reject) {
    let mut out = Vec::new();
    reject.write_response(None, &mut out);
    let end = HeadEnd::for_response().find(&out, &Limits::DEFAULT);
    let end = end.ok().flatten().expect("a complete head");
    let (head, body) = out.split_at_checked(end).expect("the head ends inside");
    let mut storage = HeaderStorage::new();
    let response = ResponseHead::parse(head, &mut storage, &Limits::DEFAULT).expect("good HTTP");
    assert_eq!(response.status(), reject.status());
    assert!(response.status().code() >= 400 && response.headers().has_token("connection", "close"));
    let method = if reject == Reject::MethodHead { "HEAD" } else { "GET" };
    let framed = match response.body(method) {
        ResponseFraming::Length(len) => usize::try_from(len).ok(),
        ResponseFraming::None => Some(0),
        ResponseFraming::Chunked | ResponseFraming::UntilClose => None,
    };
    assert_eq!(framed, Some(body.len()));
}

/// Whatever answer arrives, the client settles it, and accepts none without the right key.
pub fn client_settles(head: &[u8]) {
    let mut storage = HeaderStorage::new();
    let Ok(response) = ResponseHead::parse(head, &mut storage, &Limits::DEFAULT) else { return };
    assert!(supported_versions(&response).count() <= head.len());
    let offered = Extensions::parse([&b"permessage-deflate, foo"[..]]).expect("well-formed");
    let request = ClientRequest {
        subprotocols: &["chat", "superchat"],
        extensions: &offered,
        ..ClientRequest::new("example.com", "/")
    };
    match Challenge::new(NONCE).verify(&response, &request) {
        Ok(accepted) => {
            let key: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
            assert!(response.headers().all("sec-websocket-accept").eq([key]));
            assert!(accepted.subprotocol.is_none_or(|one| request.subprotocols.contains(&one)));
            assert!(accepted.extensions.iter().all(|one| offered.contains(one.name())));
        }
        Err(VerifyError::Status(status)) => assert_ne!(status, Status::SWITCHING_PROTOCOLS),
        Err(_) => assert_eq!(response.status(), Status::SWITCHING_PROTOCOLS),
    }
}

/// Extensions are read as a naive parser reads them, from lines parted by LF, and their canonical
/// text means the same.
pub fn extensions_agree(text: &[u8]) {
    let lines = text.split(|&byte| byte == b'\n');
    let parsed = Extensions::parse(lines.clone());
    match (parsed, oracle(&lines.collect::<Vec<_>>().join(&b", "[..]))) {
        (Ok(list), expected) => {
            assert_eq!(Some(plain(&list)), expected);
            let again = Extensions::parse([list.as_str().as_bytes()]);
            assert_eq!(again.as_ref(), Ok(&list));
            assert!(list.as_str().len() <= text.len().saturating_mul(2), "at most a space each");
        }
        (Err(ExtensionsError::Malformed), expected) => assert_eq!(expected, None),
        // Which of the two comes first, the excess or a fault behind it, the oracle cannot tell.
        (Err(ExtensionsError::TooMany), expected) => assert!(expected.is_none_or(|list| {
            list.len() > EXTENSIONS_MAX || list.iter().any(|(_, params)| params.len() > PARAMS_MAX)
        })),
    }
}

/// Extensions that are written, however strangely, are read again. `style` decides between the
/// spellings that mean the same.
pub fn extensions_round_trip(extensions: &[PlainExtension], style: &[u8]) {
    let mut styles = style.iter().copied().cycle();
    let mut style = || styles.next().unwrap_or_default();
    let mut text = String::new();
    for (name, params) in extensions {
        text.push_str(pick([",", " ,\t", ",,", ", "], style()));
        text.push_str(name);
        for (name, value) in params {
            text.push_str(pick([";", "; ", " ;", "\t;\t"], style()));
            text.push_str(name);
            let Some(value) = value else { continue };
            text.push_str(pick(["=", "= ", " =", "\t=\t"], style()));
            match style() % 3 {
                0 => text.push_str(value),
                1 => text.extend(["\"", value, "\""]),
                _ => {
                    text.push('"');
                    for byte in value.chars() {
                        text.extend(["\\".repeat(usize::from(style() % 2)), byte.to_string()]);
                    }
                    text.push('"');
                }
            }
        }
    }
    let lines: &[&[u8]] = if extensions.is_empty() { &[] } else { &[text.as_bytes()] };
    let list = Extensions::parse(lines.iter().copied()).expect("well-formed");
    assert_eq!(plain(&list), extensions, "{text}");
}

fn pick(spellings: [&str; 4], style: u8) -> &str {
    spellings.into_iter().cycle().nth(usize::from(style)).unwrap_or_default()
}

/// Both ends of a handshake, and what they have to agree on.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// The client's nonce.
    pub nonce: [u8; 16],
    /// What the client asks for.
    pub request: ClientRequest<'a>,
    /// What the server speaks.
    pub policy: Policy<'a>,
    /// What the server accepts of the extensions.
    pub accepted: &'a Extensions,
}

impl Handshake<'_> {
    /// A client's request, decided upon, answered and verified, gives both sides the same terms;
    /// another client's key does not fit.
    pub fn completes(&self) {
        let challenge = Challenge::new(self.nonce);
        let mut request = Vec::new();
        challenge.write_request(&self.request, &mut request).expect("a valid request");
        let mut storage = HeaderStorage::new();
        let head = RequestHead::parse(&request, &mut storage, &Limits::DEFAULT).expect("good HTTP");
        let accept = decide(&head, &self.policy).expect("a valid handshake");
        assert_eq!(accept.offers(), self.request.extensions);
        let mut supported = self.policy.subprotocols.iter().copied();
        let expected = supported.find(|one| self.request.subprotocols.contains(one));
        assert_eq!(accept.subprotocol(), expected);

        let mut response = Vec::new();
        accept.write_response(self.accepted, &[], &mut response).expect("offered extensions");
        let mut storage = HeaderStorage::new();
        let head =
            ResponseHead::parse(&response, &mut storage, &Limits::DEFAULT).expect("good HTTP");
        let accepted = challenge.verify(&head, &self.request).expect("a valid answer");
        assert_eq!(accepted.subprotocol, expected);
        assert_eq!(&accepted.extensions, self.accepted);

        let another = Challenge::new(self.nonce.map(|byte| byte ^ 1));
        assert_eq!(another.verify(&head, &self.request), Err(VerifyError::AcceptMismatch));
    }
}

fn plain(list: &Extensions) -> Vec<PlainExtension> {
    let owned = |(name, value): (&str, Option<&str>)| (name.to_string(), value.map(String::from));
    list.iter().map(|one| (one.name().to_string(), one.params().map(owned).collect())).collect()
}

/// The grammar read top-down by splitting: slow, and hard to get wrong.
fn oracle(text: &[u8]) -> Option<Vec<PlainExtension>> {
    if text.is_empty() {
        return None;
    }
    let text: Vec<char> = text.iter().map(|&byte| char::from(byte)).collect();
    let mut list = Vec::new();
    for element in split(&text, ',') {
        if trim(&element).is_empty() {
            continue;
        }
        let mut parts = split(&element, ';').into_iter();
        let name = oracle_token(&trim(&parts.next()?))?;
        let params = parts.map(|part| oracle_param(&part)).collect::<Option<Vec<_>>>()?;
        list.push((name, params));
    }
    if list.is_empty() { None } else { Some(list) }
}

fn oracle_param(part: &[char]) -> Option<(String, Option<String>)> {
    let mut sides = split(part, '=').into_iter();
    let name = oracle_token(&trim(&sides.next()?))?;
    let Some(value) = sides.next() else { return Some((name, None)) };
    let value = trim(&value);
    let value = match (value.strip_prefix(&['"']), sides.next()) {
        (_, Some(_)) => return None,
        (Some(quoted), None) => oracle_token(&unquote(quoted)?)?,
        (None, None) => oracle_token(&value)?,
    };
    Some((name, Some(value)))
}

/// Unescapes up to the closing quote, which must be the end.
fn unquote(quoted: &[char]) -> Option<Vec<char>> {
    match quoted {
        ['"'] => Some(Vec::new()),
        ['"', ..] | [] | ['\\'] => None,
        ['\\', escaped, rest @ ..] => Some([&[*escaped][..], &unquote(rest)?[..]].concat()),
        [plain, rest @ ..] => Some([&[*plain][..], &unquote(rest)?[..]].concat()),
    }
}

fn oracle_token(text: &[char]) -> Option<String> {
    let is_token = |one: &char| one.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(*one);
    (!text.is_empty() && text.iter().all(is_token)).then(|| text.iter().collect())
}

fn trim(text: &[char]) -> Vec<char> {
    let text: String = text.iter().collect();
    text.trim_matches([' ', '\t']).chars().collect()
}

/// Splits at each separator outside quotes.
fn split(text: &[char], separator: char) -> Vec<Vec<char>> {
    let (mut parts, mut part) = (Vec::new(), Vec::new());
    let (mut quoted, mut escaped) = (false, false);
    for &one in text {
        if one == separator && !quoted {
            parts.push(core::mem::take(&mut part));
            continue;
        }
        quoted ^= one == '"' && !escaped;
        escaped = quoted && one == '\\' && !escaped;
        part.push(one);
    }
    parts.push(part);
    parts
}
