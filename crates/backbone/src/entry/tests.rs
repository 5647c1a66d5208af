use proptest::prelude::*;

use super::*;

/// One entry of each kind of the first version, with all fields that it had on its first day.
fn samples() -> Vec<(&'static str, Entry<'static>)> {
    let horizon = Horizon {
        count: 2,
        through: 100,
        through_ms: 1_700_000_000_000,
        told_after: 150,
        told_through: 290,
        refused: &[1, 2],
        passed: &[0x85, 1],
        epoch: 9,
        identity: 4,
        rules: rules(),
        at: 290,
        nodes: vec![KnownNode {
            node: 5,
            last: 23,
            seen: 280,
            leased: 270,
            until_ms: 20,
            reads: None,
        }],
    };
    let birth = Birth { epoch: 9, nonce: 7, time_ms: 1_700_000_000_000, identity: 4 };
    let evidence = Evidence::OtherWitness;
    let epoch = NewEpoch { epoch: 10, ends: 9, after: 300, node: 5, evidence, identity: 4 };
    let name = "a.example";
    let lease = Lease { name, ..lease() };
    let bodies = [
        ("birth", Body::Birth(birth)),
        ("epoch", Body::Epoch(epoch)),
        ("config", Body::Config(rules())),
        ("horizon", Body::Horizon(horizon)),
        ("node", Body::Node(lease)),
        ("offer", Body::Offer(offer())),
        ("offer with everything", Body::Offer(full_offer())),
    ];
    let mut samples: Vec<_> = bodies.map(|(name, body)| (name, Entry::new(body))).into();
    let (fence, number) = (1_700_000_000_000, 3);
    let witness = Witness { nonce: 7, epoch: 9, fence, number, seq: 300, chain: 1 << 60 };
    samples.push(("witness", Entry { witness: Some(witness), body: Body::Offer(offer()) }));
    samples
}

/// What the second version has, and what the first one has had since.
fn later_samples() -> Vec<(&'static str, Entry<'static>)> {
    let program = Some("0.2.0");
    let lease = Lease { reads: Some(2), program, rules: Some(rules().digest()), ..lease() };
    let known =
        KnownNode { node: 5, last: 23, seen: 280, leased: 270, until_ms: 20, reads: Some(2) };
    let Some((_, Entry { body: Body::Horizon(horizon), .. })) = samples().into_iter().nth(3) else {
        unreachable!("the fourth one is a horizon")
    };
    let horizon = Horizon { nodes: vec![known], ..horizon };
    let disconnect = Disconnect { node: 5, ticket: 24, time_ms: 1_700_000_000_001, user: "ann" };
    [
        ("node that says what it reads", Body::Node(lease)),
        ("horizon with such a node", Body::Horizon(horizon)),
        ("disconnect", Body::Disconnect(disconnect)),
    ]
    .map(|(name, body)| (name, Entry::new(body)))
    .into()
}

/// The entries of the third version.
fn third_samples() -> Vec<(&'static str, Entry<'static>)> {
    let issue = Issue {
        node: 5,
        ticket: 25,
        time_ms: 1_700_000_000_001,
        epoch: 9,
        hash: &[0x11; 32],
        life_ms: 30_000,
        holder: &[0x22; 16],
        tickets_max: 100_000,
        per_holder_max: 100,
    };
    let redeem = Redeem { node: 6, ticket: 3, time_ms: 1_700_000_000_002, hash: &[0x11; 32] };
    [
        ("issue of a nameless ticket", Body::Issue(Issue { holder: &[], ..issue.clone() })),
        ("issue", Body::Issue(issue)),
        ("redeem", Body::Redeem(redeem)),
    ]
    .map(|(name, body)| (name, Entry::new(body)))
    .into()
}

fn lease() -> Lease<'static> {
    Lease {
        node: 5,
        time_ms: 10,
        until_ms: 20,
        ticket: 1,
        name: "a",
        identity: 4,
        reads: None,
        program: None,
        rules: None,
        heard: None,
    }
}

fn rules() -> Rules {
    let rest = SpaceRules { message_bytes_max: 65_536, key_ms: 300_000 };
    let chat = NamespaceRules { name: "chat".into(), rules: SpaceRules { key_ms: 1, ..rest } };
    Rules {
        keys_max: 1_000_000,
        key_bytes_max: 128,
        ended_max: 262_144,
        remembered_max: 1_000_000,
        rest,
        namespaces: vec![chat],
    }
}

fn offer() -> Offer<'static> {
    Offer {
        node: u64::MAX,
        ticket: 24,
        time_ms: 1_700_000_000_001,
        channel: "chat:1",
        payload: Payload { event: None, data: Data::Text("hello"), ttl_ms: None, date_ms: None },
        ends: false,
        key: None,
        expect: None,
    }
}

fn full_offer() -> Offer<'static> {
    let payload = Payload {
        event: Some("said"),
        data: Data::Json("{\"a\": 1}"),
        ttl_ms: Some(5_000),
        date_ms: Some(1_700_000_000_000),
    };
    Offer { payload, ends: true, key: Some("k"), expect: Some(299), ..offer() }
}

/// The entry of the fourth version, and the lease of its time.
fn fourth_samples() -> Vec<(&'static str, Entry<'static>)> {
    let program = Some("0.2.0");
    let rules = Some(rules().digest());
    let lease = Lease { reads: Some(4), program, rules, heard: Some(290), ..lease() };
    let members = vec![
        PresentMember { user: "ann", streams: Some(2) },
        PresentMember { user: "bob", streams: None },
    ];
    let rooms = vec![
        PresentRoom { channel: "chat:1", nameless: 3, members },
        PresentRoom { channel: "chat:2", nameless: 0, members: Vec::new() },
    ];
    let (time_ms, begins) = (1_700_000_000_001, true);
    let present = Present { node: 5, ticket: 26, time_ms, begins, ends: false, rooms };
    [("node that says what it has heard", Body::Node(lease)), ("present", Body::Present(present))]
        .map(|(name, body)| (name, Entry::new(body)))
        .into()
}

/// The entries of the fifth version.
fn fifth_samples() -> Vec<(&'static str, Entry<'static>)> {
    let import = Import {
        epoch: 9,
        nonce: 7,
        time_ms: 1_700_000_000_000,
        identity: 4,
        head: 290,
        horizon: 12,
        check: 0xf_ffff,
        runs: vec![ImportedRun { first: 1, tag: 5 }, ImportedRun { first: 200, tag: 6 }],
        plan: 1 << 60,
    };
    let Offer { channel, payload, .. } = full_offer();
    let message =
        ImportedMessage { seq: 17, time_ms: 1_700_000_000_000, channel, payload, ends: true };
    let ended = ImportedChannel { name: "chat:1", floor: 0, last: 17, ended: true };
    let cut = ImportedChannel { name: "chat:2", floor: 15, last: 16, ended: false };
    let key = ImportedKey { channel: "chat:1", key: "k", seq: 17, until_ms: 1_700_000_300_000 };
    let parts = [
        ("imported message", ImportedPart::Message(message)),
        ("imported channels", ImportedPart::Channels(vec![ended, cut])),
        ("imported keys", ImportedPart::Keys(vec![key])),
        ("end of an import", ImportedPart::End),
    ];
    let part = |number, part| Body::Imported(Imported { nonce: 7, number, part });
    let parts = parts.into_iter().zip(0..).map(|((name, it), number)| (name, part(number, it)));
    let bodies = [("import", Body::Import(import))].into_iter().chain(parts);
    bodies.map(|(name, body)| (name, Entry::new(body))).collect()
}

/// The bytes of each sample, as version 1 has been written from its first day.
const GOLDEN: &str = include_str!("../../tests/golden/v1.txt");

/// The same of what came with version 2.
const GOLDEN_2: &str = include_str!("../../tests/golden/v2.txt");

/// The same of what came with version 3.
const GOLDEN_3: &str = include_str!("../../tests/golden/v3.txt");

/// The same of what came with version 4.
const GOLDEN_4: &str = include_str!("../../tests/golden/v4.txt");

/// The same of what came with version 5.
const GOLDEN_5: &str = include_str!("../../tests/golden/v5.txt");

fn golden() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let all = [GOLDEN, GOLDEN_2, GOLDEN_3, GOLDEN_4, GOLDEN_5];
    all.into_iter().flat_map(str::lines).map(|line| {
        let (name, hex) = line.split_once(": ").expect("a name and bytes");
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        (name, (0..hex.len()).step_by(2).map(byte).collect())
    })
}

#[test]
fn every_kind_has_the_bytes_that_it_has_always_had() {
    let hex = |bytes: &[u8]| bytes.iter().map(|it| format!("{it:02x}")).collect::<String>();
    let lines = |samples: &[(&str, Entry<'_>)]| {
        let lines = samples.iter();
        let lines = lines.map(|(name, entry)| format!("{name}: {}\n", hex(&entry.encode())));
        lines.collect::<String>()
    };
    let (first, later, third) = (samples(), later_samples(), third_samples());
    let (fourth, fifth) = (fourth_samples(), fifth_samples());
    assert_eq!(lines(&first), GOLDEN);
    assert_eq!(lines(&later), GOLDEN_2);
    assert_eq!(lines(&third), GOLDEN_3);
    assert_eq!(lines(&fourth), GOLDEN_4);
    assert_eq!(lines(&fifth), GOLDEN_5);
    let all = [first, later, third, fourth, fifth].concat();
    for ((name, bytes), (_, entry)) in golden().zip(&all) {
        assert_eq!(Entry::decode(&bytes).as_ref(), Ok(entry), "{name}");
        assert_eq!(bytes[1], entry.body.version(), "{name}");
    }
}

#[test]
fn a_program_of_the_first_version_reads_what_needs_no_later_one() {
    for (name, bytes) in golden() {
        let read = Entry::decode_up_to(FIRST_VERSION, &bytes);
        match name {
            "disconnect" => assert_eq!(read, Err(Unreadable::Newer(2))),
            "issue" | "issue of a nameless ticket" | "redeem" => {
                assert_eq!(read, Err(Unreadable::Newer(3)));
                assert_eq!(Entry::decode_up_to(2, &bytes), read);
            }
            "present" => {
                assert_eq!(read, Err(Unreadable::Newer(4)));
                assert_eq!(Entry::decode_up_to(3, &bytes), read);
            }
            name if name.contains("import") => {
                assert_eq!(read, Err(Unreadable::Newer(5)));
                assert_eq!(Entry::decode_up_to(4, &bytes), read);
            }
            _ => assert!(read.is_ok(), "{name}: {read:?}"),
        }
    }
    // A kind of a later version, under an earlier one.
    let early = [
        (&later_samples()[2].1, 1),
        (&third_samples()[2].1, 2),
        (&fourth_samples()[1].1, 3),
        (&fifth_samples()[0].1, 4),
    ];
    for (sample, version) in early {
        let mut early = sample.encode().to_vec();
        early[1] = version;
        assert_eq!(Entry::decode(&early), Err(Unreadable::Foreign));
    }
}

#[test]
fn fields_that_are_added_later_are_passed_over() {
    // A lease with an eleventh field, and an entry with a third one.
    let bytes = [0x8a, 5, 10, 20, 1, 0x61, b'a', 4, 0xf6, 0xf6, 0xf6, 0xf6];
    let mut longer = bytes.to_vec();
    longer[0] = 0x8b;
    longer.push(0x18);
    longer.push(99);
    for (count, tail) in [(0x82, &[][..]), (0x83, &[0xf5][..])] {
        let body = [&[count, 0xf6, 0x82, 4, 0x81][..], &longer, tail].concat();
        let bytes = [&[MAGIC, VERSION][..], &body].concat();
        assert_eq!(Entry::decode(&bytes), Ok(Entry::new(Body::Node(lease()))));
    }
}

#[test]
fn later_versions_and_foreign_bytes_are_told_apart() {
    let (_, good) = golden().next().expect("there are some");
    let with = |version: u8| [&[MAGIC, version], &good[2..]].concat();
    assert_eq!(Entry::decode(&with(6)), Err(Unreadable::Newer(6)));
    assert_eq!(Entry::decode(&with(0)), Err(Unreadable::Foreign));
    let longer = [&good[..], &[0]].concat();
    for bytes in
        [&b""[..], b"S", b"S\x01", b"{\"a\": 1}", &good[1..], &good[..good.len() - 1], &longer]
    {
        assert_eq!(Entry::decode(bytes), Err(Unreadable::Foreign), "{bytes:?}");
    }
    // A kind that this version does not have.
    assert_eq!(
        Entry::decode(&[MAGIC, VERSION, 0x82, 0xf6, 0x82, 22, 0x80]),
        Err(Unreadable::Foreign)
    );
}

#[test]
fn declared_lengths_take_no_memory() {
    // A list of 2^60 namespaces, a text and bytes of 2^62: of none is there anything.
    for hostile in [
        &[0x82, 0xf6, 0x82, 2, 0x81, 0x86, 1, 1, 1, 1, 0x82, 1, 1, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0]
            [..],
        &[0x82, 0xf6, 0x82, 4, 0x81, 0x85, 1, 1, 1, 1, 0x7b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x82, 0xf6, 0x82, 3, 0x81, 0x87, 1, 1, 1, 1, 1, 0x5b, 0x40, 0, 0, 0, 0, 0, 0, 0],
        &[0x82, 0xf6, 0x82, 18, 0x81, 0x86, 1, 1, 1, 0xf5, 0xf5, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        &[0x82, 0xf6, 0x82, 20, 0x81, 0x89, 1, 1, 1, 1, 1, 1, 1, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        &[0x82, 0xf6, 0x82, 21, 0x81, 0x83, 1, 1, 0x82, 1, 0x81, 0x9b, 0x10, 0, 0, 0, 0, 0, 0, 0],
        &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[0x9f; 4096],
        &[0xd8; 4096],
    ] {
        let bytes = [&[MAGIC, VERSION][..], hostile].concat();
        assert_eq!(Entry::decode(&bytes), Err(Unreadable::Foreign), "{hostile:?}");
    }
}

proptest! {
    /// Bytes that were changed, cut or exchanged give an entry or an error. An entry that they give comes back
    /// from its own bytes.
    #[test]
    fn hostile_bytes_never_panic(
        sample in 0..21_usize,
        other in 0..21_usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let all: Vec<_> = golden().map(|(_, bytes)| bytes).collect();
        let at = cut.index(all[sample].len());
        let mut bytes = all[sample].clone();
        if other != sample {
            let tail = at.min(all[other].len());
            bytes = [&bytes[..at], &all[other][tail..]].concat();
        }
        for (index, byte) in changes {
            if !bytes.is_empty() {
                let index = index.index(bytes.len());
                bytes[index] = byte;
            }
        }
        if let Ok(entry) = Entry::decode(&bytes) {
            let again = entry.encode();
            prop_assert_eq!(Entry::decode(&again), Ok(entry));
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = [&[MAGIC, VERSION][..], &bytes].concat();
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert!(entry.encode().len() <= bytes.len(), "ours is the shortest form");
        }
    }
}
