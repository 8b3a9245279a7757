//! The line between a worker and the simulated cluster: at every call the world may go on without the caller.
//!
//! A call can find that its process has crashed, fail by itself, or come back after other processes have worked for a
//! while. Whatever the caller held to be true before may be over then: that is how a zombie is made.

use std::collections::BTreeMap;
use std::time::Duration;

use super::mutation::Mutation;
use super::world::{Process, world};
use crate::transport::memory::Memory;
use crate::transport::{
    Bounds, CommittedOffset, Member, MemberSpec, News, Outgoing, Position, Publisher, Reader, TopicSpec, Transport,
    TransportError,
};

/// What a process asks of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Join,
    Bounds,
    Fence,
    Poll,
    Read,
    Start,
    Release,
    Committed,
    Begin,
    Send,
    /// Before the commit arrives.
    Commit,
    /// After it has.
    Answer,
    Abort,
}

/// The cluster as one process sees it.
#[derive(Clone)]
pub(super) struct Wire {
    pub memory: Memory,
    pub process: Process,
    pub mutation: Option<Mutation>,
    /// Topics of the journals.
    pub journals: Vec<String>,
}

impl Wire {
    fn call(&self, call: Call) -> Result<(), TransportError> {
        world().call(self.process, call)
    }
}

struct WireMember {
    wire: Wire,
    inner: Box<dyn Member>,
}

impl Member for WireMember {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        self.wire.call(Call::Poll)?;
        self.inner.poll(timeout, max, news)
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.wire.call(Call::Start)?;
        self.inner.start(positions)
    }

    fn stop(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.inner.stop(partitions)
    }

    fn pause(&mut self, input: usize, partition: i32, paused: bool) -> Result<(), TransportError> {
        self.inner.pause(input, partition, paused)
    }

    fn release(&mut self, partitions: &[i32]) -> Result<(), TransportError> {
        self.wire.call(Call::Release)?;
        self.inner.release(partitions)
    }

    /// Waits a while for offsets that are not decided, as the client does.
    fn committed(&mut self, partitions: &[i32]) -> Result<Vec<CommittedOffset>, TransportError> {
        for _ in 0..3 {
            self.wire.call(Call::Committed)?;
            match self.inner.committed(partitions) {
                Err(TransportError::Retriable(_)) => {
                    world().pass(Duration::from_secs(1));
                    world().mark();
                }
                answer => return answer,
            }
        }
        self.inner.committed(partitions)
    }

    fn begin(&mut self) -> Result<(), TransportError> {
        self.wire.call(Call::Begin)?;
        self.inner.begin()
    }

    fn send(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.wire.call(Call::Send)?;
        let is_journal = self.wire.journals.iter().any(|journal| journal == outgoing.topic);
        if is_journal && self.wire.mutation == Some(Mutation::JournalNotWritten) {
            return Ok(());
        }
        self.inner.send(outgoing)
    }

    fn send_ahead(&mut self, outgoing: &Outgoing<'_>) -> Result<(), TransportError> {
        self.wire.call(Call::Send)?;
        self.inner.send_ahead(outgoing)
    }

    fn commit(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.wire.call(Call::Commit)?;
        let positions = if self.wire.mutation == Some(Mutation::OffsetsNotSent) { &[] } else { positions };
        self.inner.commit(positions)?;
        self.wire.call(Call::Answer)
    }

    fn remark(&mut self, partition: i32, remark: String) {
        self.inner.remark(partition, remark);
    }

    fn remarks(&mut self, partitions: i32) -> Result<BTreeMap<i32, String>, TransportError> {
        self.wire.call(Call::Committed)?;
        self.inner.remarks(partitions)
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        self.wire.call(Call::Abort)?;
        self.inner.abort()
    }

    fn close(self: Box<Self>) {
        self.inner.close();
    }
}

struct WireReader {
    wire: Wire,
    inner: Box<dyn Reader>,
}

impl Reader for WireReader {
    fn poll(&mut self, timeout: Duration, max: usize, news: &mut Vec<News>) -> Result<(), TransportError> {
        self.wire.call(Call::Read)?;
        self.inner.poll(timeout, max, news)
    }

    fn start(&mut self, positions: &[Position]) -> Result<(), TransportError> {
        self.inner.start(positions)
    }
}

impl Transport for Wire {
    fn join(&self, spec: &MemberSpec) -> Result<Box<dyn Member>, TransportError> {
        self.call(Call::Join)?;
        Ok(Box::new(WireMember { wire: self.clone(), inner: self.memory.join(spec)? }))
    }

    fn reader(&self, topics: &[String]) -> Result<Box<dyn Reader>, TransportError> {
        Ok(Box::new(WireReader { wire: self.clone(), inner: self.memory.reader(topics)? }))
    }

    fn publisher(&self) -> Result<Box<dyn Publisher>, TransportError> {
        self.memory.publisher()
    }

    fn bounds(&self, topic: &str) -> Result<Option<Vec<Bounds>>, TransportError> {
        self.call(Call::Bounds)?;
        let mut bounds = self.memory.bounds(topic)?;
        if self.mutation == Some(Mutation::RestoreToStableEnd) {
            for bounds in bounds.iter_mut().flatten() {
                bounds.high = bounds.end;
            }
        }
        Ok(bounds)
    }

    fn create(&self, topics: &[TopicSpec]) -> Result<Vec<String>, TransportError> {
        self.memory.create(topics)
    }

    fn fence(&self, transactional_id: &str) -> Result<(), TransportError> {
        self.call(Call::Fence)?;
        self.memory.fence(transactional_id)
    }
}
