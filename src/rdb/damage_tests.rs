//! Payloads that are no values, and properties over made and damaged ones.

use super::encode::finish;
use super::tests::{bytes, string};
use super::*;
use proptest::prelude::*;

/// Sound footers around what is no value; redis-server 7.0.15 with `sanitize-dump-payload yes` says "Bad data format" too.
#[test]
fn refuses_what_is_no_value() {
    for (name, hex) in [
        ("no type", "0a005d9b5c400f7fa2da"),
        ("an unknown type", "0801610a0024854e1e803c0337"),
        ("a type of 7.4", "1601610a00a654ec91fa59c227"),
        ("a string that ends early", "0040c8610a009482ad617b62c696"),
        ("a string without length", "000a005d9b5c400f7fa2da"),
        (
            "an unknown length form",
            "008261616161616161616161616161616161616161610a00d97bed1afd7a79e3",
        ),
        (
            "an unknown special string",
            "00c461616161616161616161616161616161616161610a004439404ac2720ab6",
        ),
        (
            "a compressed string of the wrong length",
            "00c3020200610a002f8f37d6b6bf2450",
        ),
        (
            "a compressed string that cannot be so long",
            "00c30281000000100000000000610a0040ca0aa9c6885cd2",
        ),
        ("an empty list", "01000a005bf825cc6c174356"),
        ("an empty set", "02000a003ace39009b8939e8"),
        ("an empty hash", "04000a00933196c0279295bf"),
        ("an empty sorted set", "05000a009552ef4c44fa7433"),
        ("an empty quicklist", "12000a0069f6845b6a1bbf57"),
        (
            "a quicklist of an empty node",
            "0e010b0b0000000a0000000000ff0a00129b664f68f99dde",
        ),
        (
            "a quicklist node of unknown kind",
            "12010301610a0077414581d2bbfc1c",
        ),
        ("a list that ends early", "013001610a000cc18bfcd2730f21"),
        (
            "a set with a member twice",
            "0202016101610a0057be762fc2d6523a",
        ),
        (
            "a sorted set with a member twice",
            "050201610000000000000000016100000000000000000a00c78336c6696ca4ac",
        ),
        (
            "a score that is not a number",
            "05010161000000000000f87f0a00f0f929a906545927",
        ),
        (
            "a text score that is not a number",
            "03010161fd0a00d3936749eadf3ed5",
        ),
        (
            "a hash ziplist without the last value",
            "0d0e0e0000000a0000000100000161ff0a007f54b001bdf8ff12",
        ),
        (
            "a hash ziplist with a field twice",
            "0d1717000000130000000400000161030162030161030163ff0a00afab6c5be04b2637",
        ),
        (
            "an intset of odd width",
            "0b0c0300000002000000010002000a0056ccd7ad151aa875",
        ),
        (
            "an intset of the wrong length",
            "0b0a020000000200000001000a00c9a3d0723249227c",
        ),
        (
            "an intset that is too long",
            "0b0e02000000020000000100020003000a0098cf4dd09e278f0b",
        ),
        (
            "a ziplist of the wrong length",
            "0a0f0e0000000a0000000100000161ffff0a00c980a3173a8befa8",
        ),
        (
            "a ziplist with a wrong end offset",
            "0a11110000000a0000000200000161030162ff0a00af20cdda96e2e7a6",
        ),
        (
            "a ziplist with a wrong count",
            "0a11110000000d0000000300000161030162ff0a0004463c092177c90d",
        ),
        (
            "a ziplist with a wrong previous length",
            "0a11110000000d0000000200000161020162ff0a0036f8bcb309be3dcf",
        ),
        (
            "a zipmap without end",
            "09060101660100610a000772cc2fa1af278a",
        ),
        (
            "a zipmap of another count",
            "0907020166010061ff0a00692defbb5c1f9265",
        ),
        (
            "a listpack with the wrong length",
            "100b0a000000020001010201ff0a001a10564567a1d7d8",
        ),
        (
            "a listpack with a wrong count",
            "100b0b000000030001010201ff0a0073842018a3396c51",
        ),
        (
            "a listpack with a wrong back length",
            "100b0b000000020001020201ff0a0040567d02a409e841",
        ),
        (
            "a hash listpack without the last value",
            "10090900000001000101ff0a0043ffa81add4a0c6d",
        ),
        (
            "a hash listpack with a field twice",
            "100f0f00000004000101020101010301ff0a00da6b2de8edd02278",
        ),
        (
            "a listpack element of unknown kind",
            "100b0b00000002000101f501ff0a009defa0500b880343",
        ),
        (
            "an intset out of order",
            "0b0c0200000002000000020001000a0099699f900a67a49f",
        ),
    ] {
        assert_eq!(decode(&bytes(hex)), Err(RdbError::Data), "{name}");
    }
    // Redis reads this score as 0, and this integer on into the footer.
    for hex in [
        "110c0c00000002000101817802ff0a0034c8f87a04fc585f",
        "00c2010a00412d82f645f78ace",
    ] {
        assert_eq!(decode(&bytes(hex)), Err(RdbError::Data), "{hex}");
    }
}

#[test]
fn back_lengths_grow_where_redis_lets_them() {
    for (string_len, back_len) in [
        (16_377, &[0x7f, 0xfe][..]),
        (16_378, &[0x00, 0xff, 0xff]),
        (2_097_145, &[0x7f, 0xff, 0xfe]),
        (2_097_146, &[0x00, 0xff, 0xff, 0xff]),
    ] {
        let text = vec![b'x'; string_len];
        let element = [
            &[0xf0][..],
            &(string_len as u32).to_le_bytes(),
            &text,
            back_len,
        ]
        .concat();
        let total_len = (4 + 2 + element.len() + 1) as u32;
        let listpack = [&total_len.to_le_bytes()[..], &[1, 0], &element, &[0xff]].concat();
        assert_eq!(compact::listpack(&listpack), Ok(vec![text]), "{string_len}");
    }
}

#[test]
fn streams_and_modules_are_told_apart() {
    for tag in [6, 7, 15, 19, 21] {
        assert_eq!(
            decode(&finish(vec![tag, 1, 2, 3])),
            Err(RdbError::Unsupported)
        );
    }
}

#[test]
fn the_footer_is_checked_first() {
    let good = encode_string(b"value");
    for len in 0..FOOTER_LEN {
        assert_eq!(decode(&good[..len]), Err(RdbError::Footer));
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << bit;
            assert_eq!(
                decode(&damaged),
                Err(RdbError::Footer),
                "byte {at} bit {bit}"
            );
        }
    }
    for (version, expected) in [
        (1, Ok(string(b"v"))),
        (11, Ok(string(b"v"))),
        (12, Err(RdbError::Footer)),
        (256, Err(RdbError::Footer)),
    ] {
        let mut payload = vec![0, 1, b'v'];
        payload.extend_from_slice(&u16::to_le_bytes(version));
        payload.extend_from_slice(&crate::text::crc::crc64(0, &payload).to_le_bytes());
        assert_eq!(decode(&payload), expected, "version {version}");
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..20),
        2 => any::<i64>().prop_flat_map(|wide| (0u32..64).prop_map(move |shift| (wide >> shift).to_string().into_bytes())),
        1 => (0usize..20_000).prop_map(|len| vec![b'v'; len]),
    ]
}

fn value() -> impl Strategy<Value = RdbValue> {
    let score = any::<f64>().prop_filter("a number", |score| !score.is_nan());
    prop_oneof![
        text().prop_map(RdbValue::String),
        prop::collection::vec(text(), 1..80).prop_map(RdbValue::List),
        prop::collection::hash_set(text(), 1..80)
            .prop_map(|members| RdbValue::Set(members.into_iter().collect())),
        prop::collection::hash_map(text(), text(), 1..80)
            .prop_map(|pairs| RdbValue::Hash(pairs.into_iter().collect())),
        prop::collection::hash_map(text(), score, 1..80)
            .prop_map(|pairs| RdbValue::Zset(pairs.into_iter().collect())),
    ]
}

proptest! {
    #[test]
    fn reads_back_what_it_wrote(value in value()) {
        prop_assert_eq!(decode(&encode(&value)), Ok(value));
    }

    #[test]
    fn any_body_is_read_without_a_panic(tag in 0u8..24, body: Vec<u8>) {
        let _ = decode(&body);
        let _ = decode(&finish([&[tag][..], &body].concat()));
    }

    /// Compact encodings with a sound length in front, so that the walk gets to see the damage.
    #[test]
    fn damaged_values_are_read_without_a_panic(which in 0..DAMAGED.len(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut payload = bytes(DAMAGED[which]);
        let body_len = payload.len() - FOOTER_LEN;
        for (index, byte) in changes {
            payload[index.index(body_len)] = byte;
        }
        payload.truncate(body_len);
        if let Ok(value) = decode(&finish(payload)) {
            prop_assert_eq!(decode(&encode(&value)), Ok(value));
        }
    }
}

/// One payload of each compact encoding.
const DAMAGED: &[&str] = &[
    "00000a005d9b5c400f7fa2da",
    "00c340b37a980361626361e0ff02e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1c9070162630a00f381e5600c4d8134",
    "120102c33f40b41fb40000000c008161028001dfff027f01d00002cfff02f1ff7f03f200008004f305ffffff7f05f420244000038009bf78e035000340e04079e036000142ff0a00db6659b9b69b1acc",
    "0b0e0200000003000000fdff01002c010a0097c61939c9944742",
    "020301610162c0030a00341d6479b07d48e5",
    "1016160000000600816602817602816e02640180018001ff0a00c8257a99477c0b31",
    "04010166c30c412c017777e0ff00e017000177770a006264fe017672acf8",
    "10c31340880b880000000200816602e07b77e07100017dff0a00dfaf28c06cc01a46",
    "11c33e405116510000000a00816202842d322e350581640293302e3130e005000c3114816102010181650297312ee0051a103031652b3330301881630283696e6604ff0a00de00e1bc0aba9f89",
    "0504c3094064016d6de05700016d6d000000000000f03f01649a9999999999b93f017a0000000000000080016e000000000000f0ff0a00d018aabf4d3e085f",
    "0a409898000000940000001200000161030002f102fd02fe0d03feff03fe7f03fe8003c0800004c0008004f000800005f000008005d00000800006d00000008006e000000080000000000ae000000000000000800a404078787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878430179ff06000c7262c85d103c91",
    "0e0310100000000d000000020000016103f2ff0b0b0000000a0000000000ff41444401000040010000030000412c787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878fe2f010000016207fef9ff0900838bd48638d705f1",
    "0d4081810000007c000000060000016603017603f60240647777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777767017103c0d4feff0900576be4848117137b",
    "0c20200000001a000000060000016103feff0301620303322e3505f80203696e66ff0900f6822957872acf73",
    "0910020166030061626301670102783f3fff060065746ddeeb3ab0c1",
    "01030161c0ffc304080061a0000600a48c709a24612d1e",
    "0304016104322e32350162fe0163ff0164142d302e31303030303030303030303030303030310600d40f1597a1af429c",
    "14121200000004008161028162020701dff702ff0b00ada5dbadde6cb75f",
];
