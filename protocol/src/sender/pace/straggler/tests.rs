use super::*;

const PACKET_BITS: u64 = 10_000;
/// A thousand packets a second.
const FLOOR_BPS: u64 = 10_000_000;
/// How often receivers report here.
const STEP_MS: u64 = 20;

struct Group {
    stragglers: Stragglers,
    now: Time,
}

/// What a receiver gets and loses, in packets a second.
#[derive(Clone, Copy)]
struct Gets(u64, u64);

impl Group {
    fn new() -> Group {
        let now = Time::from_ns(1_000_000_000);
        let mut stragglers = Stragglers::new(Some(FLOOR_BPS), PACKET_BITS);
        stragglers.begin(now);
        Group { stragglers, now }
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    fn report(&mut self, member: usize, received: u64, lost: u64) -> Option<u64> {
        let report = PaceReport {
            member,
            received,
            lost,
            ..PaceReport::default()
        };
        self.stragglers.report(self.now, &report)
    }

    /// Lets everybody report for a time; gives the first straggler, what it
    /// sustains, and after how many milliseconds that was known.
    fn run(&mut self, ms: u64, group: &[Gets]) -> Option<(usize, u64, u64)> {
        for step in 1..=ms / STEP_MS {
            self.wait(STEP_MS);
            for (member, &Gets(received, lost)) in group.iter().enumerate() {
                let of_step =
                    |pps: u64| pps * step * STEP_MS / 1_000 - pps * (step - 1) * STEP_MS / 1_000;
                let found = self.report(member, of_step(received), of_step(lost));
                if let Some(bps) = found {
                    return Some((member, bps, step * STEP_MS));
                }
            }
        }
        None
    }
}

#[test]
fn a_receiver_that_sustains_less_than_the_floor_is_a_straggler() {
    let mut group = Group::new();
    let found = group.run(4_000, &[Gets(1_000, 0), Gets(400, 600)]);
    let (member, bps, ms) = found.expect("one is slow");
    assert_eq!(member, 1);
    assert!((3_900_000..4_100_000).contains(&bps), "{bps}");
    assert!((2_000..2_600).contains(&ms), "{ms}");
}

#[test]
fn a_pause_of_a_second_is_none() {
    let mut group = Group::new();
    for _ in 0..5 {
        let all = [Gets(1_000, 0); 2];
        assert_eq!(group.run(1_000, &all), None);
        // Nothing is heard of the second, and then of all that it lost.
        assert_eq!(group.run(1_000, &all[..1]), None);
        assert_eq!(group.report(1, 0, 1_000), None);
    }
}

#[test]
fn a_second_and_a_half_of_losses_are_none() {
    let mut group = Group::new();
    for _ in 0..5 {
        assert_eq!(group.run(1_500, &[Gets(1_000, 0), Gets(100, 900)]), None);
        assert_eq!(group.run(500, &[Gets(1_000, 0), Gets(1_000, 0)]), None);
    }
}

#[test]
fn when_everybody_is_slow_nobody_is_a_straggler() {
    let mut group = Group::new();
    let all = [Gets(400, 600), Gets(300, 700), Gets(500, 500)];
    assert_eq!(group.run(10_000, &all), None);
    // One that completed like this kept up no better.
    group.stragglers.complete(group.now, 2, true);
    assert_eq!(group.run(10_000, &all[..2]), None);
}

#[test]
fn getting_a_little_less_than_others_is_no_slowness() {
    let mut group = Group::new();
    // One just sustains the floor, the other just does not.
    assert_eq!(group.run(10_000, &[Gets(780, 220), Gets(700, 300)]), None);
}

#[test]
fn loss_of_the_path_own_is_no_slowness() {
    let mut group = Group::new();
    assert_eq!(group.run(500, &[Gets(10_000, 0), Gets(4_000, 6_000)]), None);
    assert_eq!(group.run(10_000, &[Gets(1_000, 0), Gets(400, 600)]), None);
}

#[test]
fn loss_that_grows_with_the_rate_is_slowness() {
    let mut group = Group::new();
    assert_eq!(group.run(500, &[Gets(10_000, 0), Gets(400, 9_600)]), None);
    let found = group.run(4_000, &[Gets(1_000, 0), Gets(400, 600)]);
    assert_eq!(found.map(|(member, ..)| member), Some(1));
}

#[test]
fn the_slowest_is_first_and_the_next_is_judged_anew() {
    let mut group = Group::new();
    let all = [Gets(1_000, 0), Gets(600, 400), Gets(200, 800)];
    let found = group.run(4_000, &all);
    assert_eq!(found.map(|(member, ..)| member), Some(2));
    group.stragglers.forget(2);
    group.stragglers.begin(group.now);
    assert_eq!(group.run(1_900, &all[..2]), None);
    assert_eq!(group.run(4_000, &[Gets(1_000, 0), Gets(1_000, 0)]), None);
}

#[test]
fn who_reads_too_slowly_for_the_window_is_a_straggler_where_others_are_ahead() {
    for behind in [false, true] {
        let mut group = Group::new();
        let mut found = None;
        for _ in 0..200 {
            group.wait(STEP_MS);
            assert_eq!(group.report(0, 4, 0), None, "held by the other");
            let report = PaceReport {
                member: 1,
                received: 4,
                lost: 0,
                holds: true,
                behind,
            };
            found = found.or(group.stragglers.report(group.now, &report));
        }
        assert_eq!(found.is_some(), behind);
    }
}

#[test]
fn one_that_took_the_whole_image_early_has_kept_up() {
    assert!(is_slow_beside_one_that_completed(true));
    // What was there from an earlier session says nothing of this one's path.
    assert!(!is_slow_beside_one_that_completed(false));
}

fn is_slow_beside_one_that_completed(whole: bool) -> bool {
    let mut group = Group::new();
    group.wait(10);
    group.stragglers.complete(group.now, 0, whole);
    let late = PaceReport {
        member: 1,
        received: 8,
        lost: 12,
        ..PaceReport::default()
    };
    let mut found = None;
    for _ in 0..200 {
        group.wait(STEP_MS);
        found = found.or(group.stragglers.report(group.now, &late));
    }
    found.is_some()
}

#[test]
fn who_is_sent_less_than_the_floor_is_not_judged_by_what_it_gets() {
    let mut group = Group::new();
    let all = [Gets(300, 0), Gets(200, 100)];
    assert_eq!(group.run(10_000, &all), None);
}

#[test]
fn without_a_floor_nobody_is_too_slow() {
    let mut group = Group::new();
    group.stragglers = Stragglers::new(None, PACKET_BITS);
    assert_eq!(group.run(10_000, &[Gets(1_000, 0), Gets(0, 1_000)]), None);
}
