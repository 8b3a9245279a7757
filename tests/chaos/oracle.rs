//! What the features of an event have to be, computed the slow way from the input topic: every event looks back over all
//! earlier ones of its group.
//!
//! Nothing of the crate is used. What a window is: a span is cut into panes on a fixed grid; it covers the pane of the
//! event and those before it, as many as there are panes. An event that comes out of order finds the panes gone that a
//! later one has pushed out. Sums are taken pane by pane from the oldest, and the event's own pane last, because sums of
//! doubles depend on their order.

use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
/// How far back any window reaches, with room for disorder.
const BACK: i64 = 2 * 60 * MINUTE;
/// An event may be this far ahead of its record's timestamp.
const AHEAD: i64 = 10 * MINUTE;

/// A usable event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub id: String,
    pub at: i64,
    amount: f64,
    card: Option<String>,
}

/// Reads an event; `None` for one that belongs to the dead letters.
pub(crate) fn event(value: Option<&[u8]>, timestamp: i64) -> Option<Event> {
    let object: serde_json::Value = serde_json::from_slice(value?).ok()?;
    let id = object.get("id")?.as_str()?.to_owned();
    let at = object.get("at")?.as_i64()?;
    let amount = object.get("amount")?.as_f64()?;
    let card = object.get("card").and_then(|card| card.as_str()).map(str::to_owned);
    (amount >= 0.0 && at <= timestamp + AHEAD).then_some(Event { id, at, amount, card })
}

/// Whether a follow-up can be used.
pub(crate) fn label(value: Option<&[u8]>) -> Option<String> {
    let object: serde_json::Value = serde_json::from_slice(value?).ok()?;
    object.get("known_at")?.as_i64()?;
    object.get("fraud")?.as_bool()?;
    Some(object.get("event_id")?.as_str()?.to_owned())
}

#[derive(Clone, Copy)]
struct Seen {
    at: i64,
    amount: f64,
}

#[derive(Default)]
struct Group {
    seen: Vec<Seen>,
    /// Everything before has become too old for any window.
    from: usize,
}

struct Window {
    count: f64,
    sum: f64,
    max: f64,
}

impl Group {
    fn window(&self, at: i64, span: i64, panes: i64) -> Window {
        let size = span / panes;
        let pane = |at: i64| at.div_euclid(size);
        let recent = &self.seen[self.from..];
        let newest = recent.iter().map(|seen| pane(seen.at)).max().unwrap_or(pane(at));
        let mut all = Window { count: 0.0, sum: 0.0, max: f64::NEG_INFINITY };
        for number in newest.max(pane(at)) - panes + 1..=pane(at) {
            let mut sum = 0.0;
            for seen in recent.iter().filter(|seen| pane(seen.at) == number) {
                all.count += 1.0;
                sum += seen.amount;
                all.max = all.max.max(seen.amount);
            }
            all.sum += sum;
        }
        all
    }

    fn forget(&mut self, at: i64) {
        while self.seen.get(self.from).is_some_and(|seen| seen.at < at - BACK) {
            self.from += 1;
        }
    }
}

/// All groups of a partition, or of all.
#[derive(Default)]
pub(crate) struct Oracle {
    shops: BTreeMap<String, Group>,
    cards: BTreeMap<(String, Option<String>), Group>,
}

impl Oracle {
    /// Takes the next event of its key in; the feature row, `None` for missing.
    pub(crate) fn features(&mut self, shop: &str, event: &Event) -> Vec<Option<f64>> {
        let Event { at, amount, .. } = *event;
        let group = self.shops.entry(shop.to_owned()).or_default();
        let last = group.seen.iter().map(|seen| seen.at).skip(group.from.saturating_sub(1)).max();
        group.seen.push(Seen { at, amount });
        group.forget(at);
        let [short, long] = [10, 60].map(|minutes| group.window(at, minutes * MINUTE, 10));
        let since = last.map(|last| at - last).filter(|since| (0..=60 * MINUTE).contains(since));
        let group = self.cards.entry((shop.to_owned(), event.card.clone())).or_default();
        group.seen.push(Seen { at, amount });
        group.forget(at);
        let card = group.window(at, 30 * MINUTE, 6);
        vec![
            Some(amount),
            Some(short.count),
            Some(long.count),
            Some(short.sum),
            Some(long.sum),
            Some(short.sum / short.count),
            Some(long.sum / long.count),
            Some(short.max),
            Some(long.max),
            since.map(|since| since as f64 / 1000.0),
            Some(card.count),
            Some(card.sum / card.count),
        ]
    }
}
