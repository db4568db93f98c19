//! Row ids as dlt makes them: 10 bytes in base64. Rows of a root table have random ones, or hashes of their key or
//! content where a merge goes by these; child rows have a hash of their place.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Bytes of an id.
const ID_BYTES: usize = 10;
/// Characters of an id: base64 without padding.
const ID_LENGTH: usize = 14;

/// Text of an id of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowId([u8; ID_LENGTH]);

impl RowId {
    fn new(bytes: [u8; ID_BYTES]) -> Self {
        let mut text = [b'A'; ID_LENGTH];
        // Ten bytes are fourteen characters: there is room.
        let _ = STANDARD_NO_PAD.encode_slice(bytes, &mut text);
        Self(text)
    }

    /// The text.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Makes ids; keeps its buffer between them.
#[derive(Debug)]
pub(super) struct IdSource {
    random: fastrand::Rng,
    place: String,
}

impl IdSource {
    /// A source seeded by the operating system.
    pub(super) fn new() -> Self {
        Self { random: fastrand::Rng::new(), place: String::new() }
    }

    /// The id of a root row.
    pub(super) fn random(&mut self) -> RowId {
        let mut bytes = [0; ID_BYTES];
        self.random.fill(&mut bytes);
        RowId::new(bytes)
    }

    /// The id of a row with this key or content: the same for the same text.
    pub(super) fn of(text: &str) -> RowId {
        RowId::new(shake_128(text.as_bytes()))
    }

    /// The id of a child row: the same for the same parent row, table and place in the list. `rank` is not 0 where the
    /// table has the row of another list at this place: dlt gives both one id.
    pub(super) fn child(&mut self, parent: &str, table: &str, index: usize, rank: usize) -> RowId {
        self.place.clear();
        // Writing to a `String` cannot fail.
        let _ = write!(self.place, "{parent}_{table}_{index}");
        if rank > 0 {
            let _ = write!(self.place, "_{rank}");
        }
        RowId::new(shake_128(self.place.as_bytes()))
    }
}

/// The first bytes of SHAKE128. The `sha3` crate works out the block after them as well, which doubles the time,
/// and ids of child rows are a good part of the work on them.
fn shake_128(text: &[u8]) -> [u8; ID_BYTES] {
    /// Bytes taken in at a time.
    const RATE: usize = 168;
    let mut state = [0_u64; 25];
    let mut absorb = |block: &[u8; RATE]| {
        for (lane, bytes) in state.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane ^= u64::from_le_bytes(*bytes);
        }
        keccak::f1600(&mut state);
    };
    let (blocks, rest) = text.as_chunks::<RATE>();
    blocks.iter().for_each(&mut absorb);
    let mut last = [0; RATE];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x1f;
    last[RATE - 1] |= 0x80;
    absorb(&last);
    let mut digest = [0; ID_BYTES];
    for (byte, from) in digest.iter_mut().zip(state.iter().flat_map(|lane| lane.to_le_bytes())) {
        *byte = from;
    }
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha3::Shake128;
    use sha3::digest::{ExtendableOutput, Update, XofReader};

    use super::*;

    proptest! {
        #[test]
        fn the_hash_is_shake_128(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut hash = Shake128::default();
            hash.update(&text);
            let mut expected = [0; ID_BYTES];
            hash.finalize_xof().read(&mut expected);
            prop_assert_eq!(shake_128(&text), expected);
        }
    }

    #[test]
    fn child_ids_are_dlts() {
        // base64(shake_128(b"PARENT_t__l_0").digest(10)) without padding, by Python.
        assert_eq!(IdSource::new().child("PARENT", "t__l", 0, 0).as_str(), "y975BYAV+oPQBQ");
    }

    #[test]
    fn hashes_are_dlts() {
        // What dlt 1.31 gave a row of key 2.
        assert_eq!(IdSource::of(r#"{"id":2}"#).as_str(), "M6/KlLzJ2FeV/w");
    }

    #[test]
    fn random_ids_differ() {
        let mut ids = IdSource::new();
        let (first, second) = (ids.random(), ids.random());
        assert_ne!(first, second);
        assert_eq!(first.as_str().len(), ID_LENGTH);
    }
}
