//! How far the shards of the stage before have come, as they say in the hop's topic.
//!
//! Invariant: the bound never goes back, and as long as records come no later than the configured lateness after others
//! of any shard, nothing with a rank before it comes any more. A shard that is at work is waited for. One that has had
//! nothing to read says up to which moment of the world that is true: it is not waited for where the others had come by
//! then. When nothing has come anywhere for longer than the lateness, everything that has come is given out.
//!
//! All of it follows from the records alone, so a replay comes to the same bound at the same place.

use std::collections::BTreeMap;

use crate::codec::Progress;
use crate::data::{BinaryError, Reader, Span, Timestamp, Writer};

/// Format of the encoded state.
const STATE_VERSION: u64 = 1;
/// Moments are told apart this finely; a moment is taken for later than it was.
const GRAIN: Span = Span::from_millis(50);
/// Most moments remembered.
const MOMENTS: usize = 256;

/// What the shards of the stage before have said.
#[derive(Clone, Debug)]
pub(super) struct Upstreams {
    state: State,
    committed: State,
    is_changed: bool,
    /// As of the beginning of a checkpoint that has not written it yet.
    pending: Option<Vec<u8>>,
    lateness: Span,
}

#[derive(Clone, Debug)]
struct State {
    /// The last word of each shard.
    said: Vec<Option<Progress>>,
    /// What was known to have come by which moment.
    by_moment: BTreeMap<Timestamp, Reached>,
    bound: Timestamp,
    /// Up to which moment the end of everything has been told to the monitor; `None` since there was more.
    told: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Reached {
    time: Timestamp,
    watermark: Timestamp,
}

impl Reached {
    fn or(self, other: Reached) -> Reached {
        Reached { time: self.time.max(other.time), watermark: self.watermark.max(other.watermark) }
    }
}

impl Upstreams {
    /// Nothing has been said by any of `shards` shards.
    pub(super) fn new(shards: i32, lateness: Span) -> Self {
        let said = vec![None; usize::try_from(shards).unwrap_or(0)];
        let state = State { said, by_moment: BTreeMap::new(), bound: Timestamp::MIN, told: None };
        Upstreams { committed: state.clone(), state, is_changed: false, pending: None, lateness }
    }

    /// Takes a word in.
    pub(super) fn hear(&mut self, progress: &Progress) {
        let State { said, by_moment, .. } = &mut self.state;
        let Some(of_shard) = usize::try_from(progress.shard).ok().and_then(|shard| said.get_mut(shard)) else { return };
        *of_shard = Some(*progress);
        self.is_changed = true;
        if progress.time != Timestamp::MIN {
            let reached = Reached { time: progress.time, watermark: progress.watermark };
            let moment = progress.at.plus(GRAIN).floor(GRAIN, Span::default());
            let known = by_moment.entry(moment).or_insert(reached);
            *known = known.or(reached);
        }
        self.forget();
        if let Some(bound) = self.reached() {
            self.state.bound = self.state.bound.max(bound);
        }
    }

    /// What comes from before this is late.
    pub(super) fn bound(&self) -> Timestamp {
        self.state.bound
    }

    /// The latest time that any of them has taken in.
    pub(super) fn time(&self) -> Timestamp {
        self.state.said.iter().flatten().map(|progress| progress.time).max().unwrap_or(Timestamp::MIN)
    }

    /// The moment up to which all of them have read everything; `None` if one has more to read.
    pub(super) fn idle(&self) -> Option<Timestamp> {
        let idle = self.state.said.iter().map(|said| said.as_ref().and_then(|progress| progress.idle));
        idle.collect::<Option<Vec<_>>>().and_then(|moments| moments.into_iter().min())
    }

    /// Whether the end of everything is to be told now, at most once a second.
    pub(super) fn tells_end(&mut self) -> bool {
        let Some(idle) = self.idle() else { return false };
        let is_due = self.state.told.is_none_or(|told| idle.since(told) >= 1_000);
        if is_due {
            self.state.told = Some(idle);
            self.is_changed = true;
        }
        is_due
    }

    /// There is more.
    pub(super) fn goes_on(&mut self) {
        if self.state.told.take().is_some() {
            self.is_changed = true;
        }
    }

    /// The bound as of the last words of all; `None` while one has said nothing.
    fn reached(&self) -> Option<Timestamp> {
        let each = self.state.said.iter().map(|said| {
            let progress = said.as_ref()?;
            let passed = progress.idle.and_then(|idle| self.passed_by(idle));
            Some(passed.map_or(progress.watermark, |passed| passed.max(progress.watermark)))
        });
        each.collect::<Option<Vec<_>>>().and_then(|bounds| bounds.into_iter().min())
    }

    /// What a shard that has read everything until `moment` can no longer bring.
    fn passed_by(&self, moment: Timestamp) -> Option<Timestamp> {
        let known = self.state.by_moment.range(..=moment);
        let passed = known.map(|(at, reached)| {
            let is_quiet = moment.since(*at) > self.lateness.millis();
            if is_quiet { reached.time.plus(Span::from_millis(1)) } else { reached.watermark }
        });
        passed.max()
    }

    /// Moments that all shards have left behind by more than the lateness count as one; where there are too many, every
    /// other one is taken for the one after it.
    fn forget(&mut self) {
        let behind = self.state.said.iter().map(|said| match said {
            Some(progress) => progress.idle.unwrap_or(progress.at),
            None => Timestamp::MIN,
        });
        let behind = behind.min().unwrap_or(Timestamp::MIN).minus(self.lateness).minus(GRAIN);
        let by_moment = &mut self.state.by_moment;
        while let (Some(first), Some(second)) = (by_moment.keys().next().copied(), by_moment.keys().nth(1).copied())
            && second < behind
        {
            merge(by_moment, first, second);
        }
        if by_moment.len() > MOMENTS {
            let moments: Vec<Timestamp> = by_moment.keys().copied().collect();
            moments.chunks_exact(2).for_each(|pair| merge(by_moment, pair[0], pair[1]));
        }
    }

    pub(super) fn commit(&mut self) {
        if std::mem::take(&mut self.is_changed) {
            self.committed.clone_from(&self.state);
        }
    }

    pub(super) fn rollback(&mut self) {
        if std::mem::take(&mut self.is_changed) {
            self.state.clone_from(&self.committed);
        }
    }

    /// Begins a checkpoint as of the last commit.
    pub(super) fn begin_checkpoint(&mut self) {
        let mut out = Writer::default();
        self.encode(&mut out);
        self.pending = Some(out.finish());
    }

    /// Appends the state, if the checkpoint has not got it yet; false if it has.
    pub(super) fn write_chunk(&mut self, out: &mut Writer) -> bool {
        let Some(bytes) = self.pending.take() else { return false };
        out.raw(&bytes);
        true
    }

    fn encode(&self, out: &mut Writer) {
        let State { said, by_moment, bound, told } = &self.state;
        out.unsigned(STATE_VERSION);
        out.signed(bound.millis());
        out.flag(told.is_some());
        out.signed(told.unwrap_or_default().millis());
        out.unsigned(by_moment.len() as u64);
        for (at, reached) in by_moment {
            out.signed(at.millis());
            out.signed(reached.time.millis());
            out.signed(reached.watermark.millis());
        }
        said.iter().flatten().for_each(|progress| progress.write(out));
    }

    /// Takes in what [`Upstreams::write_chunk`] wrote.
    pub(super) fn read_chunk(&mut self, reader: &mut Reader<'_>) -> Result<(), BinaryError> {
        reader.version("what the stage before has said", STATE_VERSION)?;
        let mut time = || reader.signed().map(Timestamp::from_millis);
        let bound = time()?;
        let is_told = reader.flag()?;
        let told = Timestamp::from_millis(reader.signed()?);
        let mut by_moment = BTreeMap::new();
        for _ in 0..reader.count()? {
            let mut time = || reader.signed().map(Timestamp::from_millis);
            let at = time()?;
            by_moment.insert(at, Reached { time: time()?, watermark: time()? });
        }
        let mut said = vec![None; self.state.said.len()];
        while !reader.is_at_end() {
            let progress = Progress::read(reader)?;
            let of_shard = usize::try_from(progress.shard).ok().and_then(|shard| said.get_mut(shard));
            *of_shard.ok_or(BinaryError::Invalid { what: "shard", at: 0 })? = Some(progress);
        }
        self.state = State { said, by_moment, bound, told: is_told.then_some(told) };
        self.is_changed = true;
        Ok(())
    }
}

fn merge(by_moment: &mut BTreeMap<Timestamp, Reached>, first: Timestamp, second: Timestamp) {
    if let Some(earlier) = by_moment.remove(&first)
        && let Some(later) = by_moment.get_mut(&second)
    {
        *later = later.or(earlier);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    /// A word of a shard whose lateness is 100 ms.
    fn word(shard: i32, time: i64, said_at: i64, idle: Option<i64>) -> Progress {
        Progress { shard, time: at(time), watermark: at(time - 100), at: at(said_at), idle: idle.map(at) }
    }

    fn upstreams() -> Upstreams {
        Upstreams::new(2, Span::from_millis(100))
    }

    #[test]
    fn the_slowest_shard_at_work_holds_the_bound() {
        let mut upstreams = upstreams();
        upstreams.hear(&word(0, 5_000, 0, None));
        assert_eq!(upstreams.bound(), Timestamp::MIN, "one has said nothing");
        upstreams.hear(&word(1, 900, 1, None));
        assert_eq!(upstreams.bound(), at(800));
        upstreams.hear(&word(1, 7_000, 2, None));
        assert_eq!(upstreams.bound(), at(4_900));
    }

    #[test]
    fn an_idle_shard_holds_the_bound_only_where_the_others_had_not_come_by_then() {
        let mut upstreams = upstreams();
        upstreams.hear(&word(0, 5_000, 1_000, None));
        upstreams.hear(&word(1, 900, 1_040, Some(990)));
        assert_eq!(upstreams.bound(), at(800), "what the other read after it had looked is not covered");
        upstreams.hear(&word(1, 900, 1_090, Some(1_060)));
        assert_eq!(upstreams.bound(), at(4_900));
        upstreams.hear(&word(0, 9_000, 2_000, None));
        assert_eq!(upstreams.bound(), at(4_900));
    }

    #[test]
    fn what_has_come_is_given_out_when_nothing_comes_for_longer_than_the_lateness() {
        let mut upstreams = upstreams();
        for (said_at, expected) in [(1_000, None), (1_100, Some(4_900)), (1_151, Some(5_001))] {
            upstreams.hear(&word(0, 5_000, 1_000, Some(said_at)));
            upstreams.hear(&word(1, 700, said_at, Some(said_at)));
            let expected = expected.map_or(at(600), at);
            assert_eq!(upstreams.bound(), expected, "at {said_at}");
        }
        assert_eq!((upstreams.idle(), upstreams.time()), (Some(at(1_151)), at(5_000)));
    }

    #[test]
    fn moments_are_bounded_and_merging_them_never_raises_the_bound() {
        let mut few = upstreams();
        for n in 0..20_000 {
            few.hear(&word(0, n * 10, n * 50, None));
            assert!(few.state.by_moment.len() <= MOMENTS + 1);
        }
        few.hear(&word(1, 0, 20_000 * 50, Some(10_000 * 50)));
        assert!(few.bound() <= at(10_000 * 10 - 100), "{:?}", few.bound());
    }

    #[test]
    fn a_rollback_and_a_restore_come_to_the_same_bound() -> Result<(), BinaryError> {
        let mut upstreams = upstreams();
        upstreams.hear(&word(0, 5_000, 1_000, Some(1_000)));
        upstreams.hear(&word(1, 900, 1_040, Some(1_050)));
        upstreams.commit();
        upstreams.begin_checkpoint();
        upstreams.hear(&word(1, 9_000, 1_090, None));
        upstreams.rollback();
        assert_eq!(upstreams.bound(), at(4_900));
        let mut out = Writer::default();
        assert!(upstreams.write_chunk(&mut out) && !upstreams.write_chunk(&mut Writer::default()));
        let bytes = out.finish();
        let mut read = self::upstreams();
        read.read_chunk(&mut Reader::new(&bytes))?;
        assert_eq!((read.bound(), read.idle()), (upstreams.bound(), upstreams.idle()));
        Ok(())
    }
}
