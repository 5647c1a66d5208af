//! The static table, from its first index to its last.

use sockeye_hpack::{Decoder, Limits, write_field};

use crate::fields;

/// Appendix A: a line for each index, the name and the value.
const TABLE: &str = "
    :authority
    :method GET
    :method POST
    :path /
    :path /index.html
    :scheme http
    :scheme https
    :status 200
    :status 204
    :status 206
    :status 304
    :status 400
    :status 404
    :status 500
    accept-charset
    accept-encoding gzip, deflate
    accept-language
    accept-ranges
    accept
    access-control-allow-origin
    age
    allow
    authorization
    cache-control
    content-disposition
    content-encoding
    content-language
    content-length
    content-location
    content-range
    content-type
    cookie
    date
    etag
    expect
    expires
    from
    host
    if-match
    if-modified-since
    if-none-match
    if-range
    if-unmodified-since
    last-modified
    link
    location
    max-forwards
    proxy-authenticate
    proxy-authorization
    range
    referer
    refresh
    retry-after
    server
    set-cookie
    strict-transport-security
    transfer-encoding
    user-agent
    vary
    via
    www-authenticate
";

fn table() -> Vec<(String, String)> {
    let lines = TABLE
        .trim()
        .lines()
        .map(|line| line.trim().split_once(' ').unwrap_or_else(|| (line.trim(), "")));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn each_index_is_its_field() {
    let table = table();
    assert_eq!(table.len(), 61);
    let block: Vec<u8> = (1..=61).map(|index| 0x80 | index).collect();
    assert_eq!(fields(&mut Decoder::new(Limits::DEFAULT), &block), table);
}

#[test]
fn each_field_is_written_as_its_index() {
    for (index, (name, value)) in (1_u8..).zip(table()) {
        let mut block = Vec::new();
        write_field(&mut block, name.as_bytes(), value.as_bytes());
        match &*name {
            "authorization" | "cookie" | "proxy-authorization" | "set-cookie" => {
                assert_eq!(block, [0x1f, index - 15, 0], "{name} is never indexed");
            }
            _ => assert_eq!(block, [0x80 | index], "{name}: {value}"),
        }
    }
}
