//! Every input.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sockeye_proxy::properties::{self as checks, fuzz};
use sockeye_proxy::{Header, HopField, Limits, Version, write_v1, write_v2};

use crate::replay::replay;

fn headers() -> impl Strategy<Value = Header> {
    prop_oneof![
        Just(Header::Local),
        Just(Header::Unknown),
        any::<([u8; 4], [u8; 4], u16, u16)>().prop_map(|(a, b, from, to)| Header::Client {
            source: (a, from).into(),
            destination: (b, to).into(),
        }),
        any::<([u8; 16], [u8; 16], u16, u16)>().prop_map(|(a, b, from, to)| Header::Client {
            source: (a, from).into(),
            destination: (b, to).into(),
        }),
        any::<([u8; 4], [u8; 16], u16, u16)>().prop_map(|(a, b, from, to)| Header::Client {
            source: (a, from).into(),
            destination: (b, to).into(),
        }),
    ]
}

/// A header with some of its bytes changed, and bytes behind it.
fn nearly() -> impl Strategy<Value = (Version, Vec<u8>)> {
    let changes = vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    let version = select(vec![Version::V1, Version::V2]);
    (version, headers(), vec(any::<u8>(), 0..40), changes, vec(any::<u8>(), 0..9)).prop_map(
        |(version, header, fields, changes, behind)| {
            let mut bytes = Vec::new();
            match version {
                Version::V1 => write_v1(&header, &mut bytes),
                Version::V2 => write_v2(&header, &fields, &mut bytes),
            }
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.extend(behind);
            (version, bytes)
        },
    )
}

fn limits(v2_bytes_max: u16) -> Limits {
    let mut limits = Limits::default();
    limits.v2_bytes_max = v2_bytes_max;
    limits
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        header in headers(),
        fields in vec(any::<u8>(), 0..300),
        behind in vec(any::<u8>(), 0..50),
    ) {
        checks::headers_round_trip(header, &fields, &behind);
    }

    /// [proxy:bounded] [proxy:no-byte-behind]
    #[test]
    fn the_decoder_is_the_oracle(
        (version, bytes) in nearly(),
        bound in select(vec![0, 12, 36, 50, 2_048]),
        pieces in vec(0_usize..60, 0..5),
    ) {
        checks::decoder_equals_oracle(version, limits(bound), &bytes, &pieces);
    }

    /// [proxy:rightmost-untrusted]
    #[test]
    fn forged_fronts(front in vec("[ -~]{0,30}|(for=|\"|\\\\|,|;|=|x|10.0.0.1|::){0,12}", 0..4)) {
        let lines: Vec<&[u8]> = front.iter().map(String::as_bytes).collect();
        for field in [HopField::XForwardedFor, HopField::Forwarded] {
            checks::a_forged_front_names_nobody(field, &lines);
        }
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..200), pieces in vec(0_usize..60, 0..5)) {
        for version in [Version::V1, Version::V2] {
            checks::decoder_equals_oracle(version, limits(100), &bytes, &pieces);
        }
    }
}

#[test]
fn the_corpora_hold() {
    replay(fuzz::TARGETS);
}
