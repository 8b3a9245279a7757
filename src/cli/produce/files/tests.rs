use super::*;

const CONFIG: &str = r#"
app = "shop"
[events]
key = "card"
id = "id"
time = "at"
time_unit = "s"
[events.fields.card]
type = "string"
[events.fields.amount]
type = "number"
[events.fields.abroad]
type = "boolean"
[labels]
time = "known_at"
time_unit = "rfc3339"
[labels.kinds.label.fields.fraud]
type = "number"
[labels.label]
field = "fraud"
[features]
fields = ["amount"]
"#;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> std::path::PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn sent(events: &Path, labels: Option<&Path>) -> Result<Vec<Sending>> {
    Files::open(&Config::parse(CONFIG).unwrap(), Some(events), labels)?.collect()
}

fn values(sent: &[Sending]) -> Vec<&str> {
    sent.iter().map(|sending| std::str::from_utf8(sending.value.as_deref().unwrap()).unwrap()).collect()
}

#[test]
fn a_csv_row_becomes_json_by_the_declared_types() {
    let folder = Folder::new();
    let events =
        folder.file("e.csv", "id,card,at,amount,abroad,note\n7,\"a,b\",1.5,10,true,\"line\nbreak\"\n8,c,2,0.25,,\n");
    let sent = sent(&events, None).unwrap();
    assert_eq!(
        values(&sent),
        [
            r#"{"abroad":true,"amount":10,"at":1.5,"card":"a,b","id":"7","note":"line\nbreak"}"#,
            r#"{"amount":0.25,"at":2,"card":"c","id":"8"}"#,
        ]
    );
    assert_eq!(sent[0].key.as_deref(), Some(b"a,b".as_slice()));
    assert_eq!(sent[0].at, Some(Timestamp::from_millis(1_500)));
}

#[test]
fn json_lines_are_sent_as_they_are_and_labels_join_at_their_time() {
    let folder = Folder::new();
    let events =
        folder.file("e.jsonl", "{\"id\":1, \"card\":\"a\",\"at\":0}\n\n{\"id\":2,\"card\":\"b\",\"at\":60}\r\n");
    let labels = folder.file("l.csv", "event_id,known_at,fraud\n1,1970-01-01T00:00:30Z,1\n2,1970-01-01T00:01:00Z,0\n");
    let sent = sent(&events, Some(&labels)).unwrap();
    assert_eq!(
        values(&sent),
        [
            r#"{"id":1, "card":"a","at":0}"#,
            r#"{"event_id":"1","fraud":1,"known_at":"1970-01-01T00:00:30Z"}"#,
            r#"{"id":2,"card":"b","at":60}"#,
            r#"{"event_id":"2","fraud":0,"known_at":"1970-01-01T00:01:00Z"}"#,
        ]
    );
    let keys: Vec<_> = sent.iter().map(|sending| sending.key.as_deref().unwrap()).collect();
    assert_eq!(keys, [b"a", b"a", b"b", b"b"], "a label goes where its event went");
}

#[test]
fn what_cannot_be_sent_is_named_with_its_line() {
    let folder = Folder::new();
    let cases = [
        ("e.csv", "id,card,at\n1,a,noon\n", "`at`"),
        ("e.jsonl", "{\"id\":1,\"card\":\"a\",\"at\":1}\nnot json\n", "line 2 is no JSON object"),
        ("k.jsonl", "{\"id\":1,\"at\":1}\n", "line 1: the event has no field `card`"),
        ("t.jsonl", "{\"id\":1,\"card\":\"a\"}\n", "line 1: field `at` is no time in unit `s`"),
    ];
    for (name, text, expected) in cases {
        let error = sent(&folder.file(name, text), None).unwrap_err();
        let error = format!("{error:#}");
        assert!(error.contains(expected) && error.contains(name), "{error}");
    }
    let events = folder.file("none.jsonl", "");
    let labels = folder.file("l.jsonl", "{\"event_id\":9,\"known_at\":\"1970-01-01T00:00:30Z\",\"fraud\":1}\n");
    let error = format!("{:#}", sent(&events, Some(&labels)).unwrap_err());
    assert!(error.contains("add the field"), "{error}");
}
