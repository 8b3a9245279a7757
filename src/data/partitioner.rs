//! The partition a key belongs to, as Java's clients choose it.
//!
//! Events, labels and what `produce` writes meet by partition number, so every writer has to agree on it. Kafka's Java
//! clients (and Streams, Flink, Connect) use murmur2; librdkafka's default is CRC32, so our producers set
//! `partitioner=murmur2_random`. This is the same function, for the memory transport, for the way of an event through a
//! hop, and for telling a user in advance where a key goes. It does not choose partitions for records without a key.

/// The partition of `key` among `partitions`, as `BuiltInPartitioner.partitionForKey` of the Java client has it; 0 when
/// `partitions` is not positive.
///
/// ```
/// assert_eq!(driftless::transport::partition_for(b"kafka", 6), 4);
/// ```
pub fn partition_for(key: &[u8], partitions: i32) -> i32 {
    if partitions <= 0 {
        return 0;
    }
    (murmur2(key) & 0x7fff_ffff) % partitions
}

/// 32-bit MurmurHash2 (A. Appleby) with the seed of `org.apache.kafka.common.utils.Utils.murmur2`.
pub fn murmur2(data: &[u8]) -> i32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    // Kafka keys are far below 4 GiB; the length is taken modulo 2^32 as Java's int arithmetic does.
    let mut hash = SEED ^ data.len() as u32;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (at, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * at);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^= hash >> 15;
    hash as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_the_vectors_of_kafkas_utils_test() {
        let vectors: [(&[u8], i32); 6] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            (b"abc", 479_470_107),
        ];
        for (key, hash) in vectors {
            assert_eq!(murmur2(key), hash, "{}", String::from_utf8_lossy(key));
        }
    }

    #[test]
    fn a_negative_hash_still_gives_a_partition_in_range() {
        for partitions in [1, 2, 3, 7, 100] {
            assert!((0..partitions).contains(&partition_for(b"21", partitions)));
        }
        assert_eq!(partition_for(b"21", 0), 0);
    }
}
