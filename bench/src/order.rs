//! The order in which alternatives are measured: by chance. In a fixed one,
//! each always finds the machine as the same other has left it.

use linecast_protocol::random::Random;

/// All `items`, shuffled (Fisher and Yates).
pub(crate) fn shuffled<'a, T>(items: &'a [T], random: &mut Random) -> Vec<&'a T> {
    let mut order: Vec<&T> = items.iter().collect();
    for last in (1..order.len()).rev() {
        let other = random.next_u64() % (last as u64 + 1);
        order.swap(last, other as usize);
    }
    order
}

/// A generator that no other run has.
pub(crate) fn random() -> Random {
    Random::new(linecast_net::clock::now_ns() ^ u64::from(std::process::id()) << 48)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_comes_about_equally_often() {
        let mut random = Random::new(1);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let order: Vec<u8> = shuffled(&[1, 2, 3], &mut random)
                .into_iter()
                .copied()
                .collect();
            *seen.entry(order).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|n| (850..1_150).contains(n)), "{seen:?}");
    }
}
