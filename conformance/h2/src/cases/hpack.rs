//! Header compression (RFC 7541), in both directions.

use sockeye_cases::{Outcome, failed};

use crate::hpack::Block;
use crate::peer::Peer;
use crate::row::{Case, Row, free, sends, table};
use crate::target::{Site, Target};
use crate::want::Want;
use crate::wire::{COMPRESSION_ERROR, HEADER_TABLE_SIZE, PROTOCOL_ERROR, WHOLE, headers};

const INTEGER: &str = "RFC 7541 §5.1";
const STRING: &str = "RFC 7541 §5.2";
const UPDATE: &str = "RFC 7541 §6.3";
const INDEX: &str = "RFC 7541 §2.3.3";
const WRONG: Want = Want::Goaway(&[COMPRESSION_ERROR]);
const SERVED: Want = Want::Status(1, &[200]);

pub(super) fn cases() -> impl Iterator<Item = Case> {
    table(WRONGS).chain(table(RIGHTS))
}

/// The page's request with something behind its fields.
fn ends_with(site: &Site, bytes: &[u8]) -> Vec<u8> {
    headers(1, WHOLE, site.get().raw(bytes))
}

const WRONGS: &[Row] = &[
    sends("hpack/index-0", "RFC 7541 §6.1", "Index 0", |site| ends_with(site, &[0x80]), WRONG),
    sends(
        "hpack/index-62",
        INDEX,
        "Index 62 of an empty dynamic table",
        |site| ends_with(site, &[0xbe]),
        WRONG,
    ),
    sends(
        "hpack/index-70",
        INDEX,
        "Index 70 of an empty dynamic table",
        |site| ends_with(site, &[0xc6]),
        WRONG,
    ),
    sends(
        "hpack/index-large",
        INDEX,
        "Index 10,000",
        |site| headers(1, WHOLE, site.get().indexed(10_000)),
        WRONG,
    ),
    sends(
        "hpack/name-index-62",
        INDEX,
        "A literal whose name is entry 62",
        |site| headers(1, WHOLE, site.get().named(62, b"x")),
        WRONG,
    ),
    sends(
        "hpack/name-index-never",
        INDEX,
        "A never indexed literal whose name is entry 100",
        |site| ends_with(site, &[0x1f, 85, 1, b'x']),
        WRONG,
    ),
    sends(
        "hpack/name-index-incremental",
        INDEX,
        "An indexed literal whose name is entry 63",
        |site| ends_with(site, &[0x7f, 0, 1, b'x']),
        WRONG,
    ),
    sends(
        "hpack/integer-cut",
        INTEGER,
        "A block that ends within an integer",
        |site| ends_with(site, &[0xff]),
        WRONG,
    ),
    sends(
        "hpack/integer-cut-longer",
        INTEGER,
        "A block that ends within a longer integer",
        |site| ends_with(site, &[0xff, 0x80, 0x80]),
        WRONG,
    ),
    sends(
        "hpack/integer-overflow",
        INTEGER,
        "An index of 2^35",
        |site| ends_with(site, &[0xff, 0x80, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        WRONG,
    ),
    sends(
        "hpack/integer-endless",
        INTEGER,
        "An integer of 100 bytes of zeros",
        |site| {
            let zeros = [&[0xff][..], &[0x80; 100], &[0]].concat();
            ends_with(site, &zeros)
        },
        WRONG,
    ),
    sends(
        "hpack/integer-64-bits",
        INTEGER,
        "A string length of 2^64 and more",
        |site| ends_with(site, &[0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        WRONG,
    ),
    sends(
        "hpack/string-cut",
        STRING,
        "A block that ends within a string",
        |site| ends_with(site, &[0, 5, b'a', b'b']),
        WRONG,
    ),
    sends(
        "hpack/string-missing",
        STRING,
        "A block that ends before a value",
        |site| ends_with(site, &[0, 1, b'a']),
        WRONG,
    ),
    sends(
        "hpack/string-length-huge",
        STRING,
        "A string that claims 1 MiB",
        |site| ends_with(site, &[0, 0x7f, 0x81, 0xff, 0x3f]),
        WRONG,
    ),
    sends(
        "hpack/huffman-eos",
        STRING,
        "A Huffman string with EOS",
        |site| ends_with(site, &[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xfc]),
        WRONG,
    ),
    sends(
        "hpack/huffman-eos-behind",
        STRING,
        "A Huffman string with EOS behind a letter",
        |site| ends_with(site, &[0, 1, b'x', 0x85, 0x1f, 0xff, 0xff, 0xff, 0xff]),
        WRONG,
    ),
    sends(
        "hpack/huffman-padding-8",
        STRING,
        "A Huffman padding of 8 bits",
        |site| ends_with(site, &[0, 1, b'x', 0x82, 0x1f, 0xff]),
        WRONG,
    ),
    sends(
        "hpack/huffman-padding-long",
        STRING,
        "A Huffman padding of 19 bits",
        |site| ends_with(site, &[0, 1, b'x', 0x83, 0x1f, 0xff, 0xff]),
        WRONG,
    ),
    sends(
        "hpack/huffman-padding-zeros",
        STRING,
        "A Huffman padding of zeros",
        |site| ends_with(site, &[0, 1, b'x', 0x81, 0x18]),
        WRONG,
    ),
    sends(
        "hpack/huffman-padding-mixed",
        STRING,
        "A Huffman padding with a zero in it",
        |site| ends_with(site, &[0, 1, b'x', 0x81, 0x1e]),
        WRONG,
    ),
    sends(
        "hpack/huffman-name",
        STRING,
        "A wrong padding in a name",
        |site| ends_with(site, &[0, 0x81, 0x18, 1, b'x']),
        WRONG,
    ),
    sends(
        "hpack/update-too-large",
        UPDATE,
        "A table size update above the server's bound",
        |site| headers(1, WHOLE, Block::new().table_size(1 << 20).raw(site.get())),
        WRONG,
    ),
    sends(
        "hpack/update-4097",
        UPDATE,
        "A table size update to 4,097 without permission",
        |site| headers(1, WHOLE, Block::new().table_size(4097).raw(site.get())),
        Want::Any(&[WRONG, SERVED]),
    ),
    sends(
        "hpack/update-behind",
        "RFC 7541 §4.2",
        "A table size update behind the fields",
        |site| headers(1, WHOLE, site.get().table_size(100)),
        WRONG,
    ),
    sends(
        "hpack/update-between",
        "RFC 7541 §4.2",
        "A table size update between fields",
        |site| {
            headers(
                1,
                WHOLE,
                Block::new().indexed(2).table_size(100).raw(&site.get().as_ref()[13..]),
            )
        },
        WRONG,
    ),
    sends(
        "hpack/empty-block",
        "RFC 9113 §8.3.1",
        "An empty block",
        |_| headers(1, WHOLE, []),
        Want::Malformed(1),
    ),
    sends(
        "hpack/block-cut-by-end",
        "RFC 9113 §4.3",
        "The error of an unfinished block counts for the connection",
        |site| {
            let block = site.get().as_ref().to_vec();
            headers(1, WHOLE, &block[..block.len() - 1])
        },
        WRONG,
    ),
    free("hpack/evicted", "RFC 7541 §4.3", "An entry that a size update evicted", |target| {
        two(
            target,
            |site| site.get().entry("x-gone", "1"),
            |site| Block::new().table_size(0).raw(site.get()).indexed(62),
            &WRONG,
        )
    }),
    free(
        "hpack/too-large-empties",
        "RFC 7541 §4.4",
        "An entry larger than the table empties it",
        |target| {
            two(
                target,
                |site| site.get().entry("x-kept", "1").entry("x-large", vec![b'x'; 4_090]),
                |site| site.get().indexed(62),
                &WRONG,
            )
        },
    ),
    free(
        "hpack/own-table",
        "RFC 9113 §4.3",
        "Entries of another connection are not there",
        |target| {
            let mut other = Peer::ready(target)?;
            other.send(&headers(1, WHOLE, target.site.get().entry("x-mine", "1")));
            other.expect_answer(1)?;
            let mut peer = Peer::ready(target)?;
            peer.send(&headers(1, WHOLE, target.site.get().indexed(62)));
            WRONG.judge(&mut peer, true).map(|_| ())
        },
    ),
];

const RIGHTS: &[Row] = &[
    sends(
        "hpack/static",
        "RFC 7541 §6.1",
        "A request of static entries",
        |site| {
            let scheme = if site.scheme == "https" { 7 } else { 6 };
            let block = Block::new().indexed(2).indexed(scheme).named(4, site.page.as_bytes());
            headers(1, WHOLE, block.named(1, site.authority.as_bytes()))
        },
        SERVED,
    ),
    sends(
        "hpack/never-indexed",
        "RFC 7541 §6.2.3",
        "Fields that are never indexed",
        |site| headers(1, WHOLE, site.get().never("authorization", "Basic eDp5").never("x-a", "b")),
        Want::Status(1, &[200, 401, 403]),
    ),
    sends(
        "hpack/huffman",
        STRING,
        "A request in Huffman code",
        |site| {
            let block =
                Block::new().coded(b":method", b"GET").coded(b":scheme", site.scheme.as_bytes());
            let block = block.coded(b":path", site.page.as_bytes());
            headers(
                1,
                WHOLE,
                block.coded(b":authority", site.authority.as_bytes()).coded(b"x-a", b""),
            )
        },
        SERVED,
    ),
    sends(
        "hpack/huffman-any-byte",
        STRING,
        "Bytes above 127 in Huffman code",
        |site| {
            let value: Vec<u8> = (0x80..=0xff).collect();
            headers(1, WHOLE, site.get().coded(b"x-bytes", &value))
        },
        SERVED,
    ),
    sends(
        "hpack/integer-long-form",
        INTEGER,
        "A length with zeros behind it, in four bytes",
        |site| {
            let text = vec![b'x'; 127 + 5];
            headers(
                1,
                WHOLE,
                site.get().raw([&[0, 1, b'x', 0x7f, 0x85, 0x80, 0][..], &text].concat()),
            )
        },
        Want::Any(&[SERVED, WRONG]),
    ),
    sends(
        "hpack/two-updates",
        "RFC 7541 §4.2",
        "Two table size updates at the start of a block",
        |site| headers(1, WHOLE, Block::new().table_size(0).table_size(4096).raw(site.get())),
        SERVED,
    ),
    free(
        "hpack/dynamic",
        "RFC 7541 §2.3.2",
        "A request of entries of the request before",
        |target| {
            let fill = |site: &Site| {
                let block = Block::new().entry(":method", "GET").entry(":scheme", site.scheme);
                block.entry(":path", &site.page).entry(":authority", &site.authority)
            };
            two(
                target,
                fill,
                |_| Block::new().indexed(65).indexed(64).indexed(63).indexed(62),
                &Want::Status(3, &[200]),
            )
        },
    ),
    free("hpack/duplicates", "RFC 7541 §2.3.2", "An entry twice", |target| {
        two(
            target,
            |site| site.get().entry("x-a", "1").entry("x-a", "1"),
            |site| site.get().indexed(62).indexed(63),
            &Want::Status(3, &[200]),
        )
    }),
    free(
        "hpack/name-of-entry",
        "RFC 7541 §6.2.1",
        "A literal whose name is a dynamic entry",
        |target| {
            two(
                target,
                |site| site.get().entry("x-a", "1"),
                |site| site.get().named(62, b"2"),
                &Want::Status(3, &[200]),
            )
        },
    ),
    free("hpack/many-entries", "RFC 7541 §4.3", "500 requests that each evict entries", |target| {
        let mut peer = Peer::ready(target)?;
        for at in 0..500_u32 {
            let block = target.site.get().entry("x-a", format!("{at:0>40}")).indexed(62);
            peer.send(&headers(2 * at + 1, WHOLE, block));
            peer.expect_answer(2 * at + 1)?;
        }
        Ok(())
    }),
    free(
        "hpack/server-obeys-0",
        "RFC 7541 §4.2",
        "A server that is told of no table uses none",
        |target| {
            let mut peer = Peer::ready_with(target, &[(HEADER_TABLE_SIZE, 0)])?;
            (0..5).try_for_each(|at| peer.expect_page(target, 2 * at + 1))
        },
    ),
    free(
        "hpack/server-obeys-change",
        "RFC 7541 §4.2",
        "A server whose table is taken away goes on",
        |target| {
            let mut peer = Peer::ready(target)?;
            (0..5).try_for_each(|at| peer.expect_page(target, 2 * at + 1))?;
            let acks = peer.acks;
            peer.set(&[(HEADER_TABLE_SIZE, 0)]);
            if !peer.until(|peer| peer.acks > acks) {
                return failed("the acknowledgement", peer.story());
            }
            (5..10).try_for_each(|at| peer.expect_page(target, 2 * at + 1))
        },
    ),
    free(
        "hpack/server-table-large",
        "RFC 9113 §6.5.2",
        "A table of 2^32 - 1 bytes for the server's fields",
        |target| {
            let mut peer = Peer::ready_with(target, &[(HEADER_TABLE_SIZE, u32::MAX)])?;
            (0..3).try_for_each(|at| peer.expect_page(target, 2 * at + 1))
        },
    ),
    sends(
        "hpack/malformed-is-no-error",
        "RFC 9113 §8.1.1",
        "Fields that are wrong, in a block that is right",
        |site| headers(1, WHOLE, site.get().entry("X-Upper", "1")),
        Want::Any(&[Want::Malformed(1), Want::Reset(1, &[PROTOCOL_ERROR])]),
    ),
];

/// A request that is answered, and a second one.
fn two(
    target: &Target,
    first: fn(&Site) -> Block,
    second: fn(&Site) -> Block,
    want: &Want,
) -> Outcome {
    let mut peer = Peer::ready(target)?;
    peer.send(&headers(1, WHOLE, first(&target.site)));
    peer.expect_answer(1)?;
    peer.send(&headers(3, WHOLE, second(&target.site)));
    want.judge(&mut peer, true).map(|_| ())
}
