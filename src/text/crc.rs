//! Checksums.
/// The cluster slot of a key.
pub fn slot(key: &[u8]) -> u16 {
    let open = key.iter().position(|&b| b == b'{');
    let tag = open.and_then(|o| {
        let rest = &key[o + 1..];
        rest.iter()
            .position(|&b| b == b'}')
            .filter(|&n| n > 0)
            .map(|n| &rest[..n])
    });
    let mut crc = 0u16;
    for &byte in tag.unwrap_or(key) {
        crc ^= u16::from(byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 != 0 {
                (crc << 1) ^ 0x1021
            } else {
                crc << 1
            };
        }
    }
    crc & 0x3fff
}
