//! Payloads that redis-server wrote, and payloads that it restored.

use super::*;

pub(super) fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(digit).collect()
}

pub(super) fn string(value: &[u8]) -> RdbValue {
    RdbValue::String(value.to_vec())
}

fn strings(items: &[&str]) -> Vec<Vec<u8>> {
    items.iter().map(|item| item.as_bytes().to_vec()).collect()
}

fn list(items: &[&str]) -> RdbValue {
    RdbValue::List(strings(items))
}

fn set(items: &[&str]) -> RdbValue {
    RdbValue::Set(strings(items))
}

fn hash(pairs: &[(&str, &str)]) -> RdbValue {
    RdbValue::Hash(
        pairs
            .iter()
            .map(|(field, value)| (field.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect(),
    )
}

fn zset(pairs: &[(&str, f64)]) -> RdbValue {
    RdbValue::Zset(
        pairs
            .iter()
            .map(|(member, score)| (member.as_bytes().to_vec(), *score))
            .collect(),
    )
}

/// With the order that is none taken out.
fn sorted(value: RdbValue) -> RdbValue {
    match value {
        RdbValue::Set(mut members) => {
            members.sort();
            RdbValue::Set(members)
        }
        RdbValue::Hash(mut pairs) => {
            pairs.sort();
            RdbValue::Hash(pairs)
        }
        RdbValue::Zset(mut pairs) => {
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            RdbValue::Zset(pairs)
        }
        ordered => ordered,
    }
}

fn check(name: &str, hex: &str, value: RdbValue) {
    assert_eq!(decode(&bytes(hex)).map(sorted), Ok(sorted(value)), "{name}");
}

/// Answers of redis-server 7.0.15 to DUMP.
#[test]
fn reads_what_redis_dumps() {
    check("an empty string", "00000a005d9b5c400f7fa2da", string(b""));
    check(
        "a short string",
        "000568656c6c6f0a006372df766534200a",
        string(b"hello"),
    );
    check(
        "an 8-bit integer",
        "00c0800a009966326d2f0c5bd9",
        string(b"-128"),
    );
    check(
        "a 16-bit integer",
        "00c139300a009d94ea2793fc08b9",
        string(b"12345"),
    );
    check(
        "a 32-bit integer",
        "00c2000000800a00c74f873e33558187",
        string(b"-2147483648"),
    );
    check(
        "an integer of more than 32 bits",
        "000a323134373438333634380a00e7b129a34c1d76ee",
        string(b"2147483648"),
    );
    check(
        "a compressed string",
        "00c340b37a980361626361e0ff02e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1ff07e1c9070162630a00f381e5600c4d8134",
        RdbValue::String(b"abc".repeat(5000)),
    );
    check(
        "a string with a 14-bit length",
        "004046797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979797979790a00f38ea4ee64785eff",
        RdbValue::String(vec![b'y'; 70]),
    );
    check(
        "a list in one listpack",
        "120102c33f40b41fb40000000c008161028001dfff027f01d00002cfff02f1ff7f03f200008004f305ffffff7f05f420244000038009bf78e035000340e04079e036000142ff0a00db6659b9b69b1acc",
        list(&[
            "a",
            "",
            "-1",
            "127",
            "-4096",
            "4095",
            "32767",
            "-8388608",
            "2147483647",
            "-9223372036854775808",
            &"x".repeat(63),
            &"y".repeat(64),
        ]),
    );
    check(
        "a list with a node for one large element",
        "1203020e0e000000010085736d616c6c06ff02c340f68000004e2f072f4e00000100f0202006007ae0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0be0003019ca5ff020c0c000000010083656e6404ff0a0006f55747aabc624e",
        list(&["small", &"z".repeat(20_000), "end"]),
    );
    check(
        "a list of several nodes",
        "12030215150000000200856974656d3006856974656d3106ff0215150000000200856974656d3206856974656d3306ff020e0e0000000100856974656d3406ff0a00a130de1298e1e0fd",
        list(&["item0", "item1", "item2", "item3", "item4"]),
    );
    check(
        "a list in a compressed listpack",
        "120102c34089506f0a6f1000006400a873616d65e01b030029e0ff29e1142de1ff25e1ff25e10907e2ff21e10919e00313e1ff25e10515e0070fe1ff25e10919e00313e1ff25e10515e0070fe1ff25e10919e00313e1ff25e10515e0070fe1ff25e10919e00313e1ff25e10515e0070fe1ff25e10919e00313e1ff25e10515e0070fe1ff25e10919e00313e14b250129ff0a0030039dd21f786f4d",
        RdbValue::List(vec![b"same".repeat(10); 100]),
    );
    check(
        "a set of 16-bit integers",
        "0b0e0200000003000000fdff01002c010a0097c61939c9944742",
        set(&["-3", "1", "300"]),
    );
    check(
        "a set of 32-bit integers",
        "0b14040000000300000090eefeff01000000020000000a005d9df7da2f43d06b",
        set(&["-70000", "1", "2"]),
    );
    check(
        "a set of 64-bit integers",
        "0b180800000002000000ffffffffffffffff00f2052a010000000a007c5c26b46e56fe62",
        set(&["-1", "5000000000"]),
    );
    check(
        "a set of strings",
        "020301610162c0030a00341d6479b07d48e5",
        set(&["a", "b", "3"]),
    );
    check(
        "a set of integers as strings",
        "0203c046c2c063ffffc0010a00b9c0953157ca4269",
        set(&["1", "-40000", "70"]),
    );
    check(
        "a small hash",
        "1016160000000600816602817602816e02640180018001ff0a00c8257a99477c0b31",
        hash(&[("f", "v"), ("n", "100"), ("", "")]),
    );
    check(
        "a hash with a large value",
        "04010166c30c412c017777e0ff00e017000177770a006264fe017672acf8",
        hash(&[("f", &"w".repeat(300))]),
    );
    check(
        "a small hash, 123 bytes of value",
        "10c31340880b880000000200816602e07b77e07100017dff0a00dfaf28c06cc01a46",
        hash(&[("f", &"w".repeat(123))]),
    );
    check(
        "a small hash, 124 bytes of value",
        "10c31340890b890000000200816602e07c77e07200017eff0a002ad973871e319a59",
        hash(&[("f", &"w".repeat(124))]),
    );
    check(
        "a small hash, 125 bytes of value",
        "10c313408a0b8a0000000200816602e07d77e07300017fff0a00ff2c0b7c09b13a47",
        hash(&[("f", &"w".repeat(125))]),
    );
    check(
        "a small hash, 126 bytes of value",
        "10c314408c0b8c0000000200816602e07e77e07400020180ff0a0051f80d4003bc3094",
        hash(&[("f", &"w".repeat(126))]),
    );
    check(
        "a small hash, 127 bytes of value",
        "10c314408d0b8d0000000200816602e07f77e07500020181ff0a0070abcf928378a287",
        hash(&[("f", &"w".repeat(127))]),
    );
    check(
        "a small hash, 16378 bytes of value",
        "10c340d2800000400c0e0c4000000200816602f0fa3f000077e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e000000300ffffff0a007e13f05f232fadd7",
        hash(&[("f", &"w".repeat(16378))]),
    );
    check(
        "a small hash, 16379 bytes of value",
        "10c340d2800000400d0e0d4000000200816602f0fb3f000077e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0010003018080ff0a00a78d0e2c0e65f80b",
        hash(&[("f", &"w".repeat(16379))]),
    );
    check(
        "a small hash, 16380 bytes of value",
        "10c340d2800000400e0e0e4000000200816602f0fc3f000077e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0020003018081ff0a0016ea6ed67f787299",
        hash(&[("f", &"w".repeat(16380))]),
    );
    check(
        "a small hash, 16381 bytes of value",
        "10c340d2800000400f0e0f4000000200816602f0fd3f000077e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0ff00e0030003018082ff0a009f51a420d9ad8382",
        hash(&[("f", &"w".repeat(16381))]),
    );
    check(
        "a small sorted set",
        "11c33e405116510000000a00816202842d322e350581640293302e3130e005000c3114816102010181650297312ee0051a103031652b3330301881630283696e6604ff0a00de00e1bc0aba9f89",
        zset(&[
            ("a", 1.0),
            ("b", -2.5),
            ("c", f64::INFINITY),
            ("d", 0.1),
            ("e", 1e300),
        ]),
    );
    check(
        "a sorted set with a large member",
        "0504c3094064016d6de05700016d6d000000000000f03f01649a9999999999b93f017a0000000000000080016e000000000000f0ff0a00d018aabf4d3e085f",
        zset(&[
            (&"m".repeat(100), 1.0),
            ("n", f64::NEG_INFINITY),
            ("d", 0.1),
            ("z", -0.0),
        ]),
    );
}

/// The encodings of other versions, put together by hand; all but the one of 7.2 restored by redis-server 7.0.15 with this
/// content.
#[test]
fn reads_older_and_newer_encodings() {
    check(
        "a list in a ziplist (up to 3.2)",
        "0a409898000000940000001200000161030002f102fd02fe0d03feff03fe7f03fe8003c0800004c0008004f000800005f000008005d00000800006d00000008006e000000080000000000ae000000000000000800a404078787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878430179ff06000c7262c85d103c91",
        list(&[
            "a",
            "",
            "0",
            "12",
            "13",
            "-1",
            "127",
            "-128",
            "128",
            "-32768",
            "32768",
            "-8388608",
            "8388608",
            "-2147483648",
            "2147483648",
            "-9223372036854775808",
            &"x".repeat(64),
            "y",
        ]),
    );
    check(
        "a quicklist of ziplists (up to 6.2), one of them empty",
        "0e0310100000000d000000020000016103f2ff0b0b0000000a0000000000ff41444401000040010000030000412c787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878fe2f010000016207fef9ff0900838bd48638d705f1",
        list(&["a", "1", &"x".repeat(300), "b", "-7"]),
    );
    check(
        "a hash in a ziplist (up to 6.2)",
        "0d4081810000007c000000060000016603017603f60240647777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777777767017103c0d4feff0900576be4848117137b",
        hash(&[("f", "v"), ("5", &"w".repeat(100)), ("q", "-300")]),
    );
    check(
        "a sorted set in a ziplist (up to 6.2)",
        "0c20200000001a000000060000016103feff0301620303322e3505f80203696e66ff0900f6822957872acf73",
        zset(&[("a", -1.0), ("b", 2.5), ("7", f64::INFINITY)]),
    );
    check(
        "a hash in a zipmap (up to 2.4)",
        "0910020166030061626301670102783f3fff060065746ddeeb3ab0c1",
        hash(&[("f", "abc"), ("g", "x")]),
    );
    check(
        "a list of strings (up to 3.0)",
        "01030161c0ffc304080061a0000600a48c709a24612d1e",
        list(&["a", "-1", "aaaaaaaa"]),
    );
    check(
        "a sorted set with scores as text (up to 3.2)",
        "0304016104322e32350162fe0163ff0164142d302e31303030303030303030303030303030310600d40f1597a1af429c",
        zset(&[
            ("a", 2.25),
            ("b", f64::INFINITY),
            ("c", f64::NEG_INFINITY),
            ("d", -0.1),
        ]),
    );
    check(
        "a hash with 32-bit and 64-bit lengths",
        "048000000001810000000000000001664001760a00e1796ffd5fec3090",
        hash(&[("f", "v")]),
    );
    check(
        "a set in a listpack (7.2)",
        "14121200000004008161028162020701dff702ff0b00ada5dbadde6cb75f",
        set(&["a", "b", "7", "-9"]),
    );
    check(
        "bytes behind the value",
        "000161747261696c696e670a005cfb569542a2c319",
        string(b"a"),
    );
}

/// Restored by redis-server 7.0.15 with this content.
#[test]
fn writes_what_redis_restores() {
    for (value, hex) in [
        (string(b""), "00000a005d9b5c400f7fa2da"),
        (string(b"hello"), "000568656c6c6f0a006372df766534200a"),
        (string(b"127"), "00c07f0a000db5eb315254c514"),
        (string(b"-129"), "00c17fff0a001760822854808480"),
        (string(b"70000"), "00c2701101000a0001a408fe953095a5"),
        (
            string(b"2147483648"),
            "000a323134373438333634380a00e7b129a34c1d76ee",
        ),
        (string(b"007"), "00033030370a007258e27b4c69bad9"),
        (
            string(&[b'x'; 64]),
            "004040787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878780a00376c9d023dc52973",
        ),
        (
            list(&["a", "", "12", "b"]),
            "0104016100c00c01620a0030994e47bbeeeee6",
        ),
        (set(&["a", "1", ""]), "02030161c001000a0005c0da6ece1edb85"),
        (
            hash(&[("f", "v"), ("n", "-5")]),
            "040201660176016ec0fb0a005f2489b6e7862416",
        ),
        (
            zset(&[
                ("a", 1.5),
                ("b", f64::NEG_INFINITY),
                ("c", -0.0),
                ("d", 1e-310),
            ]),
            "05040161000000000000f83f0162000000000000f0ff0163000000000000008001642be6708b681200000a00480e62c23cd7aeba",
        ),
    ] {
        assert_eq!(encode(&value), bytes(hex), "{value:?}");
    }
}
