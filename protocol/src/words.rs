//! Fingerprints as words, to compare by voice.
//!
//! *Security*: eight words are 64 bits of a hash of both keys. Whoever wants to stand between two parties unnoticed has
//! to find keys that give the same words on both sides, while both operators read them to each other (CHK-107).

use crate::canonical::digest;
use crate::identity::PeerId;

/// How many words a fingerprint has.
pub const FINGERPRINT_WORDS: usize = 8;

/// The words of a pair of nodes, the same on both sides.
pub fn fingerprint(a: &PeerId, b: &PeerId) -> String {
    let digest = digest("tacit/fingerprint/1", &[a.min(b), a.max(b)]);
    let words = digest.as_bytes().iter().take(FINGERPRINT_WORDS).map(|&byte| WORDS[usize::from(byte)]);
    words.collect::<Vec<_>>().join(" ")
}

/// One word a byte: short, common, and different in their first four letters.
pub const WORDS: [&str; 256] = [
    "acid", "acorn", "actor", "adult", "agent", "album", "alley", "amber", "anchor", "angle", "ankle", "apple",
    "apron", "arch", "arrow", "atlas", "attic", "autumn", "bacon", "badge", "bagel", "bamboo", "banjo", "barn",
    "basket", "beach", "bell", "bench", "berry", "bike", "bird", "bison", "blade", "block", "board", "bonus", "bottle",
    "bowl", "brick", "broom", "bucket", "bugle", "bundle", "butter", "cabin", "cactus", "camel", "candle", "carpet",
    "castle", "cedar", "cello", "chair", "cherry", "cider", "circle", "clock", "cloud", "cobra", "coffee", "comet",
    "copper", "coral", "cotton", "crane", "cube", "curtain", "daisy", "dance", "dawn", "debate", "delta", "desert",
    "diary", "dinner", "doctor", "dollar", "donkey", "dragon", "drum", "dune", "eagle", "earth", "echo", "elbow",
    "elm", "ember", "engine", "envoy", "error", "essay", "evening", "exit", "fabric", "falcon", "farmer", "feather",
    "fence", "ferry", "field", "finger", "flag", "flute", "forest", "fossil", "frog", "funnel", "galaxy", "garden",
    "gate", "giant", "ginger", "glove", "goat", "gold", "grape", "guitar", "gulf", "habit", "hammer", "harbor", "hawk",
    "hazel", "helmet", "herb", "hill", "hobby", "honey", "hotel", "hunter", "igloo", "impact", "index", "inlet",
    "iron", "island", "ivory", "jacket", "jaguar", "jelly", "jewel", "jigsaw", "judge", "jungle", "karate", "kettle",
    "kiosk", "kitchen", "koala", "label", "ladder", "lagoon", "lantern", "lemon", "letter", "lily", "lizard",
    "lobster", "lunar", "magnet", "mango", "maple", "marble", "meadow", "melon", "metal", "mint", "mirror", "monkey",
    "moon", "motor", "museum", "napkin", "needle", "nest", "noble", "noodle", "nurse", "oasis", "ocean", "olive",
    "onion", "opera", "orbit", "otter", "oven", "oyster", "paddle", "palace", "panda", "parrot", "pearl", "pencil",
    "piano", "pillow", "planet", "pocket", "pony", "potato", "prince", "pumpkin", "quarry", "queen", "quiz", "rabbit",
    "radio", "raven", "reef", "ribbon", "river", "robot", "rocket", "ruby", "saddle", "salmon", "saturn", "scarf",
    "school", "shadow", "silver", "siren", "spider", "stable", "sugar", "summer", "sword", "tablet", "tango", "temple",
    "thunder", "tiger", "timber", "toast", "tower", "trumpet", "tulip", "tunnel", "turtle", "umbrella", "uncle",
    "urban", "valley", "velvet", "violin", "volcano", "wagon", "walnut", "water", "whale", "window", "winter",
    "wizard", "yacht", "yellow", "zebra", "zinc",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Identity;

    #[test]
    fn words_differ_in_their_first_four_letters() {
        let starts: BTreeSet<&str> = WORDS.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!(starts.len(), WORDS.len());
        assert!(WORDS.iter().all(|w| (3..=8).contains(&w.len()) && w.bytes().all(|b| b.is_ascii_lowercase())));
    }

    #[test]
    fn both_sides_read_the_same_words() {
        let [a, b, c] = [1, 2, 3].map(|seed| Identity::from_seed(&[seed; 32]).peer());
        assert_eq!(fingerprint(&a, &b), fingerprint(&b, &a));
        assert_ne!(fingerprint(&a, &b), fingerprint(&a, &c));
        assert_eq!(fingerprint(&a, &b).split(' ').count(), FINGERPRINT_WORDS);
    }
}
