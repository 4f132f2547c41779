//! TFRecord framing: `length u64 | masked crc of length u32 | data | masked crc of data u32`, little-endian.
//!
//! The CRC is CRC-32C (Castagnoli, RFC 3720), masked because a CRC of data that contains CRCs is weak: `((crc >> 15) |
//! (crc << 17)) + 0xa282ead8` (TensorFlow, `core/lib/io/record_writer.h` and `core/lib/hash/crc32c.h`).

/// Frames one record.
pub(crate) fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let crc = |bytes: &[u8]| masked(crc32c::crc32c(bytes)).to_le_bytes();
    [&length[..], &crc(&length), data, &crc(data)].concat()
}

fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3720, appendix B.4.
    #[test]
    fn crcs_of_the_rfc() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (bytes, crc) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
        ] {
            assert_eq!(crc32c::crc32c(bytes), crc);
        }
    }

    /// The masked value that TensorBoard's `masked_crc32c` computes for the check string of CRC catalogues,
    /// "123456789".
    #[test]
    fn the_mask_is_tensorboards() {
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked(0xe306_9283), 0xc78a_b0e5);
    }
}
