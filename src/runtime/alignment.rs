//! Shards held to each other's time: while there is a backlog none goes further ahead of the slowest than configured, in
//! event time, whether they are in one process or in several.
//!
//! A shard that would go beyond waits before its next record; nothing else changes, so what is computed stays the same.
//! Shards of this process are known at once. Those of others are known by a remark that goes with their committed offsets
//! and is asked for only while a shard waits. Invariant: no shard waits for ever. One that has read everything neither
//! waits nor is waited for, one that has not moved for a while is not waited for, whatever the reason, and the slowest
//! never waits.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::data::{Span, Timestamp};

/// One that has not moved for this long is not waited for until it does.
const PATIENCE: Duration = Duration::from_secs(60);
/// Everything read this recently is everything read; an idle shard says so every second.
const RECENT: Duration = Duration::from_secs(5);
/// Without a word from inside the process for this long, a shard may have gone elsewhere.
const LOCAL: Duration = Duration::from_secs(2);
/// How often others are asked for while a shard waits.
const PACE: Duration = Duration::from_millis(100);

/// Where a shard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// The time of what it takes next, as far as that waits, or of what it has taken last.
    pub at: Timestamp,
    /// Changes with everything it does.
    pub mark: u64,
    /// It has read everything there was, a moment ago, or waits for something that no record brings.
    pub is_at_end: bool,
}

/// What is known of a shard.
#[derive(Clone, Copy, Debug)]
struct Known {
    standing: Option<Standing>,
    /// When its mark was last seen to change; before that, since when it is waited for.
    moved: Instant,
    /// When it was last seen to have read everything.
    at_end: Option<Instant>,
    /// When it was last told inside the process.
    told: Option<Instant>,
    /// It commits without a remark: another version does its work.
    is_mute: bool,
}

impl Known {
    fn take(&mut self, standing: Standing, now: Instant) {
        let before = self.standing.replace(standing);
        if before.is_none_or(|before| (before.mark, before.at) != (standing.mark, standing.at)) {
            self.moved = now;
        }
        self.is_mute = false;
    }

    fn is_at_end(&self, now: Instant) -> bool {
        self.at_end.is_some_and(|at| now.saturating_duration_since(at) < RECENT)
    }

    fn is_waited_for(&self, now: Instant) -> bool {
        !self.is_mute && !self.is_at_end(now) && now.saturating_duration_since(self.moved) < PATIENCE
    }
}

/// What the workers of a stage know of its shards.
#[derive(Debug, Default)]
pub(super) struct Alignment {
    /// `None`: no shard waits for another.
    max_skew: Option<Span>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    shards: BTreeMap<i32, Known>,
    asked: Option<Instant>,
}

impl Alignment {
    /// Of so many shards none is to be further ahead of another than `max_skew`.
    pub(super) fn new(max_skew: Option<Span>, shards: i32, now: Instant) -> Self {
        let unknown = Known { standing: None, moved: now, at_end: None, told: None, is_mute: false };
        let state = State { shards: (0..shards).map(|shard| (shard, unknown)).collect(), asked: None };
        Alignment { max_skew: max_skew.filter(|_| shards > 1), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole, so a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far a shard may go now.
    pub(super) fn until(&self, shard: i32, now: Instant) -> Timestamp {
        let Some(max_skew) = self.max_skew else { return Timestamp::MAX };
        let state = self.state();
        if state.shards.get(&shard).is_some_and(|own| own.is_at_end(now)) {
            return Timestamp::MAX;
        }
        let others = state.shards.iter().filter(|(other, known)| **other != shard && known.is_waited_for(now));
        let slowest = others.map(|(_, known)| known.standing.map_or(Timestamp::MIN, |standing| standing.at)).min();
        slowest.map_or(Timestamp::MAX, |slowest| slowest.plus(max_skew))
    }

    /// Takes in where a shard of this process stands.
    pub(super) fn tell(&self, shard: i32, standing: Standing, now: Instant) {
        if self.max_skew.is_none() {
            return;
        }
        if let Some(known) = self.state().shards.get_mut(&shard) {
            known.take(standing, now);
            known.told = Some(now);
            if standing.is_at_end {
                known.at_end = Some(now);
            }
        }
    }

    /// What a commit of the shard is to say, as it stands.
    pub(super) fn remark(&self, shard: i32, standing: Standing, now: Instant) -> Option<String> {
        self.max_skew?;
        let is_at_end = self.state().shards.get(&shard).is_some_and(|known| known.is_at_end(now));
        Some(Standing { is_at_end, ..standing }.to_string())
    }

    /// Whether others are to be asked for now; then not again for a moment.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let mut state = self.state();
        let is_due = state.asked.is_none_or(|asked| now.saturating_duration_since(asked) >= PACE);
        if is_due {
            state.asked = Some(now);
        }
        is_due
    }

    /// Takes in what commits said, by shard; nothing of one that has committed nothing.
    pub(super) fn hear(&self, remarks: &BTreeMap<i32, String>, now: Instant) {
        for (shard, known) in &mut self.state().shards {
            let is_here = known.told.is_some_and(|told| now.saturating_duration_since(told) < LOCAL);
            let Some(remark) = remarks.get(shard).filter(|_| !is_here) else { continue };
            let Some(standing) = Standing::parse(remark) else {
                known.is_mute = true;
                continue;
            };
            // What was said before it was listened to may be old.
            let is_new = known.standing.is_some_and(|before| before.mark != standing.mark);
            if standing.is_at_end && is_new {
                known.at_end = Some(now);
            } else if !standing.is_at_end {
                known.at_end = None;
            }
            known.take(standing, now);
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "driftless/1 {} {} {}", self.at.millis(), self.mark, u8::from(self.is_at_end))
    }
}

impl Standing {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_prefix("driftless/1 ")?.split(' ');
        let at = Timestamp::from_millis(words.next()?.parse().ok()?);
        let mark = words.next()?.parse().ok()?;
        Some(Standing { at, mark, is_at_end: words.next()? == "1" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn standing(ms: i64) -> Standing {
        Standing { at: at(ms), mark: ms.unsigned_abs(), is_at_end: false }
    }

    fn aligned(shards: i32, now: Instant) -> Alignment {
        Alignment::new(Some(Span::from_millis(100)), shards, now)
    }

    fn said(standing: Standing) -> BTreeMap<i32, String> {
        [(1, standing.to_string())].into()
    }

    #[test]
    fn a_shard_goes_as_far_as_the_slowest_of_the_others_and_the_skew_on_top() {
        let now = Instant::now();
        let alignment = aligned(3, now);
        assert_eq!(
            alignment.until(0, now),
            Timestamp::MIN.plus(Span::from_millis(100)),
            "nothing is known of the others"
        );
        alignment.tell(1, standing(1_000), now);
        alignment.tell(2, standing(5_000), now);
        assert_eq!(
            [0, 1, 2].map(|shard| alignment.until(shard, now)),
            [at(1_100), Timestamp::MIN.plus(Span::from_millis(100)), Timestamp::MIN.plus(Span::from_millis(100))]
        );
        alignment.tell(0, standing(1_050), now);
        assert_eq!([0, 1, 2].map(|shard| alignment.until(shard, now)), [at(1_100), at(1_150), at(1_100)]);
        assert_eq!(Alignment::default().until(0, now), Timestamp::MAX);
        assert_eq!(aligned(1, now).until(0, now), Timestamp::MAX, "there is no other");
    }

    #[test]
    fn one_that_has_read_everything_and_one_that_does_not_move_are_not_waited_for() {
        let now = Instant::now();
        let alignment = aligned(2, now);
        alignment.tell(1, Standing { is_at_end: true, ..standing(1_000) }, now);
        assert_eq!([0, 1].map(|shard| alignment.until(shard, now)), [Timestamp::MAX; 2], "live, nobody waits");
        assert_eq!(alignment.until(0, now + RECENT), at(1_100), "it has said nothing since");
        assert_eq!(alignment.until(0, now + PATIENCE), Timestamp::MAX);
        alignment.tell(1, standing(1_001), now + PATIENCE);
        assert_eq!(alignment.until(0, now + PATIENCE + RECENT), at(1_101));
    }

    #[test]
    fn what_another_process_says_counts_from_its_second_word_on_where_it_says_that_it_has_read_everything() {
        let now = Instant::now();
        let alignment = aligned(2, now);
        let at_end = |mark| Standing { mark, is_at_end: true, ..standing(1_000) };
        alignment.hear(&said(at_end(1)), now);
        assert_eq!(alignment.until(0, now), at(1_100), "it may have been said long ago");
        alignment.hear(&said(at_end(2)), now);
        assert_eq!(alignment.until(0, now), Timestamp::MAX);
        alignment.hear(&said(Standing { mark: 3, ..standing(2_000) }), now);
        assert_eq!(alignment.until(0, now), at(2_100));
    }

    #[test]
    fn a_shard_of_this_process_is_not_overheard_until_it_has_gone() {
        let now = Instant::now();
        let alignment = aligned(2, now);
        alignment.tell(1, standing(1_000), now);
        alignment.hear(&said(standing(50)), now);
        assert_eq!(alignment.until(0, now), at(1_100));
        alignment.hear(&said(standing(2_000)), now + LOCAL);
        assert_eq!(alignment.until(0, now + LOCAL), at(2_100));
    }

    #[test]
    fn one_that_commits_without_a_remark_is_not_waited_for_and_one_that_never_did_is_for_a_while() {
        let now = Instant::now();
        let alignment = aligned(2, now);
        alignment.hear(&BTreeMap::new(), now);
        assert!(alignment.until(0, now) < at(0));
        assert_eq!(alignment.until(0, now + PATIENCE), Timestamp::MAX);
        for other in ["", "by hand", "driftless/1 x 2 0", "driftless/1 1"] {
            let alignment = aligned(2, now);
            alignment.hear(&[(1, other.to_owned())].into(), now);
            assert_eq!(alignment.until(0, now), Timestamp::MAX, "{other}");
        }
    }

    #[test]
    fn others_are_asked_for_at_most_ten_times_a_second() {
        let now = Instant::now();
        let alignment = aligned(2, now);
        assert_eq!([0, 99, 100].map(|ms| alignment.is_due(now + Duration::from_millis(ms))), [true, false, true]);
    }
}
