//! The two checksums of Redis: CRC-16 for the cluster slot of a key, CRC-64 at the end of a DUMP payload.

/// Slots of a cluster.
pub const SLOT_COUNT: u16 = 16_384;

/// The cluster slot of `key`, in `0..SLOT_COUNT`.
///
/// If the key has a `{` and a `}` behind it with something between the two, only that (the hash tag) is hashed.
/// Source: Redis Cluster specification; `keyHashSlot` of redis-server 7.0.15.
pub fn slot(key: &[u8]) -> u16 {
    crc16(hash_tag(key).unwrap_or(key)) % SLOT_COUNT
}

fn hash_tag(key: &[u8]) -> Option<&[u8]> {
    let open = memchr::memchr(b'{', key)?;
    let behind = &key[open + 1..];
    let length = memchr::memchr(b'}', behind)?;
    (length > 0).then_some(&behind[..length])
}

/// CRC-16/XMODEM: polynomial 0x1021, start value 0, bits not reflected.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        crc << 8 ^ CRC16_TABLE[usize::from((crc >> 8) as u8 ^ byte)]
    })
}

/// Continues the CRC-64 of the bytes so far, which is 0 at the start, with `bytes`.
///
/// Polynomial 0xad93d23594c935a9 ("Jones"), bits reflected, no final inversion. Source: `crc64` of redis-server 7.0.15.
pub fn crc64(crc: u64, bytes: &[u8]) -> u64 {
    let mut crc = crc;
    let (words, rest) = bytes.as_chunks::<8>();
    for &word in words {
        // Eight table look-ups that do not wait for each other, in place of eight that do.
        let mixed = (crc ^ u64::from_le_bytes(word)).to_le_bytes();
        crc = (0..8).fold(0, |sum, at| {
            sum ^ CRC64_TABLES[7 - at][usize::from(mixed[at])]
        });
    }
    rest.iter().fold(crc, |crc, &byte| {
        crc >> 8 ^ CRC64_TABLES[0][usize::from(crc as u8 ^ byte)]
    })
}

static CRC16_TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = crc << 1 ^ if crc & 0x8000 != 0 { 0x1021 } else { 0 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// Table `n` holds the CRC of a byte that `n` zero bytes follow.
static CRC64_TABLES: [[u64; 256]; 8] = {
    /// The polynomial with its bits reflected.
    const POLYNOMIAL: u64 = 0xad93_d235_94c9_35a9u64.reverse_bits();
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let shorter = tables[zeros - 1][byte];
            tables[zeros][byte] = shorter >> 8 ^ tables[0][(shorter & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn check_values_of_the_catalogues() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc64(0, b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc16(b""), 0);
        assert_eq!(crc64(0, b""), 0);
    }

    /// Answered by `CLUSTER KEYSLOT` of redis-server 7.0.15.
    #[test]
    fn slots_as_redis_computes_them() {
        for (key, expected) in [
            (&b""[..], 0),
            (&b"a"[..], 15495),
            (&b"foo"[..], 12182),
            (&b"123456789"[..], 12739),
            (&b"{user1000}.following"[..], 3443),
            (&b"{user1000}.followers"[..], 3443),
            (&b"foo{}{bar}"[..], 8363),
            (&b"foo{{bar}}zap"[..], 4015),
            (&b"foo{bar}{zap}"[..], 5061),
            (&b"{}"[..], 15257),
            (&b"{"[..], 4092),
            (&b"}{a}"[..], 15495),
            (&b"a{b"[..], 13340),
            (&b"{a}"[..], 15495),
            (&b"\xff\0\x80"[..], 7915),
            (&b"key:000000000042"[..], 7803),
        ] {
            assert_eq!(slot(key), expected, "{}", key.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn crc64_goes_on_from_any_split(bytes: Vec<u8>, split: prop::sample::Index) {
            let (head, tail) = bytes.split_at(split.index(bytes.len() + 1));
            let bitwise = bytes.iter().fold(0u64, |crc, &byte| {
                (0..8).fold(crc ^ u64::from(byte), |crc, _| {
                    crc >> 1 ^ if crc & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 }
                })
            });
            prop_assert_eq!(crc64(0, &bytes), bitwise);
            prop_assert_eq!(crc64(crc64(0, head), tail), bitwise);
        }
    }
}
