//! The past of an application, as its journals and topics tell it: what a shard was fed, in which order.
//!
//! A restore, `driftless replay` and `driftless why` all feed a machine from here.

mod feed;

pub(super) use feed::{Feed, FeedError};
