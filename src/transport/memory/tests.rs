//! The contract of the transport, held against the memory cluster step by step.

use super::*;
use crate::data::Header;
use crate::transport::CommittedOffset;

const EVENTS: &str = "events";
const OUT: &str = "out";

fn cluster(partitions: i32) -> Memory {
    let memory = Memory::new();
    let spec = |name: &str| TopicSpec { name: name.to_owned(), partitions, replication: 1, config: Vec::new() };
    memory.create(&[spec(EVENTS), spec(OUT)]).unwrap();
    memory
}

fn spec(worker: usize) -> MemberSpec {
    MemberSpec {
        group: "app.score".to_owned(),
        transactional_id: format!("app.score.a.{worker}"),
        inputs: vec![EVENTS.to_owned()],
    }
}

fn record<'a>(topic: &'a str, value: &'a str) -> Outgoing<'a> {
    Outgoing { topic, partition: Some(0), key: None, value: Some(value.as_bytes()), headers: &[], timestamp: None }
}

fn publish(memory: &Memory, values: &[&str]) {
    let mut publisher = memory.publisher().unwrap();
    for value in values {
        publisher.send(&record(EVENTS, value)).unwrap();
    }
}

fn poll(member: &mut dyn Member) -> Vec<News> {
    let mut news = Vec::new();
    member.poll(Duration::ZERO, 100, &mut news).unwrap();
    news
}

fn position(topic: &str, next: i64) -> Position {
    Position { at: TopicPartition::new(topic, 0), next }
}

fn visible(memory: &Memory, topic: &str) -> Vec<String> {
    let records = memory.records(&TopicPartition::new(topic, 0));
    records.into_iter().map(|r| String::from_utf8(r.value.unwrap().into_vec()).unwrap()).collect()
}

fn committed(memory: &Memory) -> Option<i64> {
    memory.committed("app.score", &TopicPartition::new(EVENTS, 0))
}

fn cue(fault: Fault, nth: u64) -> Cue {
    Cue { transactional_id: spec(0).transactional_id, nth, fault }
}

#[test]
fn what_is_sent_ahead_is_seen_at_once_and_outlasts_an_abort() {
    let memory = cluster(1);
    let mut member = memory.join(&spec(0)).unwrap();
    member.begin().unwrap();
    member.send_ahead(&record(OUT, "ahead")).unwrap();
    member.send(&record(EVENTS, "inside")).unwrap();
    assert_eq!((visible(&memory, OUT), visible(&memory, EVENTS)), (vec!["ahead".to_owned()], vec![]));
    member.abort().unwrap();
    assert_eq!((visible(&memory, OUT), visible(&memory, EVENTS)), (vec!["ahead".to_owned()], vec![]));
    memory.kill(&spec(0).transactional_id);
    assert!(matches!(member.send_ahead(&record(OUT, "late")), Err(TransportError::Fatal(_))));
}

#[test]
fn outputs_and_offsets_become_visible_together() {
    let memory = cluster(1);
    publish(&memory, &["a", "b"]);
    let mut member = memory.join(&spec(0)).unwrap();
    assert!(matches!(poll(&mut *member).as_slice(), [News::Assigned(p)] if p == &[0]));
    member.start(&[position(EVENTS, 0)]).unwrap();
    assert!(matches!(
        poll(&mut *member).as_slice(),
        [News::Record { .. }, News::Record { .. }, News::End { next: 2, .. }]
    ));
    member.begin().unwrap();
    member.send(&record(OUT, "A")).unwrap();
    assert!(visible(&memory, OUT).is_empty() && committed(&memory).is_none());
    assert_eq!(memory.bounds(OUT).unwrap().unwrap(), [Bounds { start: 0, end: 0, high: 1 }]);
    member.commit(&[position(EVENTS, 2)]).unwrap();
    assert_eq!(visible(&memory, OUT), ["A"]);
    assert_eq!(committed(&memory), Some(2));
    assert_eq!(memory.bounds(OUT).unwrap().unwrap(), [Bounds { start: 0, end: 2, high: 2 }]);
}

#[test]
fn an_aborted_record_is_skipped_and_the_end_lies_past_the_control_record() {
    let memory = cluster(1);
    let mut member = memory.join(&spec(0)).unwrap();
    member.begin().unwrap();
    member.send(&record(OUT, "no")).unwrap();
    member.abort().unwrap();
    member.begin().unwrap();
    member.send(&record(OUT, "yes")).unwrap();
    member.commit(&[]).unwrap();
    let mut reader = memory.reader(&[OUT.to_owned()]).unwrap();
    reader.start(&[position(OUT, 0)]).unwrap();
    let mut news = Vec::new();
    reader.poll(Duration::ZERO, 10, &mut news).unwrap();
    assert!(matches!(news.as_slice(), [News::Record { record, .. }, News::End { next: 4, .. }] if record.offset == 2));
    news.clear();
    reader.poll(Duration::ZERO, 10, &mut news).unwrap();
    assert!(news.is_empty(), "an end is told once");
}

#[test]
fn a_reader_waits_behind_an_open_transaction() {
    let memory = cluster(1);
    let mut member = memory.join(&spec(0)).unwrap();
    member.begin().unwrap();
    member.send(&record(EVENTS, "open")).unwrap();
    publish(&memory, &["later"]);
    assert!(visible(&memory, EVENTS).is_empty());
    member.commit(&[]).unwrap();
    assert_eq!(visible(&memory, EVENTS), ["open", "later"]);
}

#[test]
fn a_zombie_is_shut_out_by_the_next_user_of_its_transactional_id() {
    let memory = cluster(1);
    let mut zombie = memory.join(&spec(0)).unwrap();
    zombie.begin().unwrap();
    zombie.send(&record(OUT, "zombie")).unwrap();
    let _successor = memory.join(&spec(0)).unwrap();
    assert!(matches!(zombie.commit(&[]), Err(TransportError::Fenced(_))));
    assert!(visible(&memory, OUT).is_empty());
    assert_eq!(memory.bounds(OUT).unwrap().unwrap(), [Bounds { start: 0, end: 2, high: 2 }]);
}

#[test]
fn a_kicked_member_cannot_commit_and_learns_what_it_lost() {
    let memory = cluster(2);
    let mut member = memory.join(&spec(0)).unwrap();
    poll(&mut *member);
    memory.plan(cue(Fault::Kick, 1));
    member.begin().unwrap();
    assert!(matches!(member.commit(&[position(EVENTS, 1)]), Err(TransportError::Aborted(_))));
    member.abort().unwrap();
    assert!(matches!(poll(&mut *member).as_slice(), [News::Lost(p)] if p == &[0, 1]));
    assert!(poll(&mut *member).is_empty(), "nothing is assigned before the loss is acknowledged");
    member.release(&[0, 1]).unwrap();
    assert!(matches!(poll(&mut *member).as_slice(), [News::Assigned(p)] if p == &[0, 1]));
    member.begin().unwrap();
    member.commit(&[position(EVENTS, 1)]).unwrap();
    assert_eq!(committed(&memory), Some(1));
}

#[test]
fn a_second_member_gets_its_share_after_the_release() {
    let memory = cluster(2);
    let mut first = memory.join(&spec(0)).unwrap();
    assert!(matches!(poll(&mut *first).as_slice(), [News::Assigned(p)] if p == &[0, 1]));
    let mut second = memory.join(&spec(1)).unwrap();
    assert!(poll(&mut *second).is_empty());
    assert!(matches!(poll(&mut *first).as_slice(), [News::Revoked(p)] if p == &[1]));
    first.begin().unwrap();
    first.commit(&[Position { at: TopicPartition::new(EVENTS, 1), next: 7 }]).unwrap();
    first.release(&[1]).unwrap();
    assert!(matches!(poll(&mut *second).as_slice(), [News::Assigned(p)] if p == &[1]));
    assert_eq!(second.committed(&[1]).unwrap(), [CommittedOffset { input: 0, partition: 1, next: Some(7) }]);
    first.close();
    assert!(matches!(poll(&mut *second).as_slice(), [News::Assigned(p)] if p == &[0]));
}

#[test]
fn scripted_faults_leave_what_they_promise() {
    for (fault, applied, fatal) in [
        (Fault::RefuseCommit, false, false),
        (Fault::LoseAnswer, true, true),
        (Fault::LoseCommit, false, true),
        (Fault::Kill, false, true),
    ] {
        let memory = cluster(1);
        memory.plan(cue(fault, 2));
        let mut member = memory.join(&spec(0)).unwrap();
        poll(&mut *member);
        member.begin().unwrap();
        member.commit(&[position(EVENTS, 1)]).unwrap();
        member.begin().unwrap();
        member.send(&record(OUT, "x")).unwrap();
        let result = member.commit(&[position(EVENTS, 2)]);
        assert_eq!(matches!(result, Err(TransportError::Fatal(_))), fatal, "{fault:?}");
        assert!(result.is_err(), "{fault:?}");
        drop(member);
        let mut next = memory.join(&spec(0)).unwrap();
        assert_eq!(committed(&memory), Some(if applied { 2 } else { 1 }), "{fault:?}");
        assert_eq!(visible(&memory, OUT).len(), usize::from(applied), "{fault:?}");
        assert!(matches!(poll(&mut *next).as_slice(), [News::Assigned(_)]), "{fault:?}");
    }
}

#[test]
fn a_refused_record_aborts_and_a_fence_ends_what_a_dead_owner_left_open() {
    let memory = cluster(1);
    memory.plan(cue(Fault::RefuseSend, 2));
    let mut member = memory.join(&spec(0)).unwrap();
    member.begin().unwrap();
    member.send(&record(OUT, "1")).unwrap();
    assert!(matches!(member.send(&record(OUT, "2")), Err(TransportError::Aborted(_))));
    memory.kill(&spec(0).transactional_id);
    assert!(matches!(member.abort(), Err(TransportError::Fatal(_))));
    drop(member);
    assert_eq!(memory.bounds(OUT).unwrap().unwrap(), [Bounds { start: 0, end: 0, high: 1 }]);
    memory.fence(&spec(0).transactional_id).unwrap();
    assert_eq!(memory.bounds(OUT).unwrap().unwrap(), [Bounds { start: 0, end: 2, high: 2 }]);
}

#[test]
fn pause_holds_back_and_max_bounds_the_records_of_one_poll() {
    let memory = cluster(1);
    publish(&memory, &["a", "b", "c"]);
    let mut member = memory.join(&spec(0)).unwrap();
    poll(&mut *member);
    member.start(&[position(EVENTS, 0)]).unwrap();
    member.pause(0, 0, true).unwrap();
    assert!(poll(&mut *member).is_empty());
    member.pause(0, 0, false).unwrap();
    let mut news = Vec::new();
    member.poll(Duration::ZERO, 2, &mut news).unwrap();
    assert_eq!(news.len(), 2);
    assert!(matches!(poll(&mut *member).as_slice(), [News::Record { .. }, News::End { next: 3, .. }]));
    member.pause(0, 0, true).unwrap();
    publish(&memory, &["d"]);
    member.pause(0, 0, false).unwrap();
    assert!(matches!(poll(&mut *member).as_slice(), [News::Record { .. }, News::End { next: 4, .. }]));
    for paused in [true, false] {
        member.pause(0, 0, paused).unwrap();
    }
    assert!(matches!(poll(&mut *member).as_slice(), [News::End { next: 4, .. }]), "the end is told again");
    member.stop(&[0]).unwrap();
    assert!(poll(&mut *member).is_empty());
}

#[test]
fn a_position_that_retention_removed_is_gone() {
    let memory = cluster(1);
    publish(&memory, &["a", "b"]);
    memory.trim(&TopicPartition::new(EVENTS, 0), 1).unwrap();
    assert_eq!(memory.bounds(EVENTS).unwrap().unwrap(), [Bounds { start: 1, end: 2, high: 2 }]);
    let mut reader = memory.reader(&[EVENTS.to_owned()]).unwrap();
    reader.start(&[position(EVENTS, 0)]).unwrap();
    let result = reader.poll(Duration::ZERO, 10, &mut Vec::new());
    assert!(matches!(result, Err(TransportError::Gone(_))));
}

#[test]
fn a_waiting_poll_wakes_when_a_record_arrives() {
    let memory = cluster(1);
    let mut reader = memory.reader(&[EVENTS.to_owned()]).unwrap();
    reader.start(&[position(EVENTS, 0)]).unwrap();
    reader.poll(Duration::ZERO, 10, &mut Vec::new()).unwrap();
    let waiting = std::thread::spawn(move || {
        let mut news = Vec::new();
        reader.poll(Duration::from_secs(60), 10, &mut news).unwrap();
        news.len()
    });
    publish(&memory, &["a"]);
    assert!(waiting.join().unwrap() >= 1);
}

#[test]
fn headers_keys_and_the_clock_are_kept() {
    let memory = cluster(3);
    memory.set_now(Timestamp::from_millis(5));
    let header = Header { name: "h".to_owned(), value: None };
    let outgoing = Outgoing {
        topic: EVENTS,
        partition: None,
        key: Some(b"21"),
        value: None,
        headers: std::slice::from_ref(&header),
        timestamp: None,
    };
    memory.publisher().unwrap().send(&outgoing).unwrap();
    let at = TopicPartition::new(EVENTS, partition_for(b"21", 3));
    let [record] = memory.records(&at).try_into().unwrap();
    assert_eq!((record.timestamp.millis(), record.headers, record.value), (5, vec![header], None));
}
