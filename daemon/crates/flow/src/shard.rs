//! Shuffle sharding: a flow's hand of queues, dealt by a number.
//!
//! Two flows seldom have the same hand, so one that fills all its queues leaves others one of theirs.

/// Deals `hand` different queues of `queues`; each hand is as likely as any other.
pub(crate) fn deal(mut number: u64, queues: u32, hand: u32) -> Vec<u32> {
    let mut dealt: Vec<u32> = Vec::with_capacity(hand as usize);
    for left in (queues.saturating_sub(hand) + 1..=queues).rev() {
        let left = u64::from(left);
        let mut card = (number % left) as u32;
        number /= left;
        // The place among those that are left is one among all, behind the lower ones dealt.
        let mut lower: Vec<u32> = dealt.clone();
        lower.sort_unstable();
        for known in lower {
            if card >= known {
                card += 1;
            }
        }
        dealt.push(card);
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_has_different_queues_and_every_hand_is_dealt() {
        let mut hands = std::collections::BTreeSet::new();
        for number in 0..5 * 4 * 3 {
            let mut hand = deal(number, 5, 3);
            assert!(hand.iter().all(|queue| *queue < 5));
            hands.insert(hand.clone());
            hand.sort_unstable();
            hand.dedup();
            assert_eq!(hand.len(), 3);
        }
        assert_eq!(hands.len(), 60);
        assert_eq!(deal(u64::MAX, 1, 1), [0]);
        let mut all = deal(u64::MAX, 4, 4);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    }
}
