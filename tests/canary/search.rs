//! Looking for a text that must not be there, in every form in which it may have got there.

/// A form of the text, by name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub canary: String,
    pub form: &'static str,
    /// What stands around it.
    pub near: String,
}

/// Where one of the texts stands in some bytes, in whatever form.
pub(crate) fn search(bytes: &[u8], canaries: &[&str]) -> Vec<Found> {
    let text = String::from_utf8_lossy(bytes);
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for canary in canaries {
        for (form, wanted) in forms(canary) {
            // Base64 tells its letters apart, everything else is found in any case.
            let (text, wanted) =
                if form == "base64" { (&*text, wanted) } else { (&*lower, wanted.to_ascii_lowercase()) };
            found.extend(text.find(&wanted).map(|at| {
                let near = text.as_bytes().get(at.saturating_sub(300)..(at + wanted.len() + 100).min(text.len()));
                let near = String::from_utf8_lossy(near.unwrap_or_default()).into_owned();
                Found { canary: (*canary).to_owned(), form, near }
            }));
        }
    }
    found
}

fn forms(canary: &str) -> Vec<(&'static str, String)> {
    let joined = |each: &dyn Fn(u8) -> String, between: &str| -> String {
        canary.bytes().map(each).collect::<Vec<_>>().join(between)
    };
    let mut forms = vec![
        ("text", canary.to_owned()),
        ("hex", joined(&|byte| format!("{byte:02x}"), "")),
        ("list of bytes", joined(&|byte| byte.to_string(), ", ")),
        ("list of bytes", joined(&|byte| byte.to_string(), ",")),
        ("escaped", joined(&|byte| format!("\\x{byte:02x}"), "")),
        ("escaped", joined(&|byte| format!("\\u{byte:04x}"), "")),
        ("percent", joined(&|byte| format!("%{byte:02x}"), "")),
    ];
    // Whatever stood before it: three ways to fall into groups of three bytes, and the edges are cut off.
    for before in 0..3 {
        let mut bytes = vec![b'x'; before];
        bytes.extend(canary.bytes());
        let text = base64(&bytes);
        let whole = text.get(before.div_ceil(3) * 4..bytes.len() / 3 * 4).unwrap_or_default();
        forms.push(("base64", whole.to_owned()));
    }
    forms
}

/// Without padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let all = group.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for sextet in 0..=group.len() {
            text.push(LETTERS[(all >> (18 - 6 * sextet) & 63) as usize].into());
        }
    }
    text
}

#[test]
fn it_is_found_in_every_form_and_nothing_else_is() {
    const CANARY: &str = "canary-7f3a";
    let forms_of =
        |text: &str| search(text.as_bytes(), &[CANARY]).into_iter().map(|found| found.form).collect::<Vec<_>>();
    assert_eq!(forms_of("a line with canary-7f3a in it"), ["text"]);
    assert_eq!(forms_of("CANARY-7F3A"), ["text"]);
    assert_eq!(forms_of(&format!("{:?}", CANARY.as_bytes())), ["list of bytes"]);
    assert_eq!(forms_of("key=63616E6172792D37663361"), ["hex"]);
    for before in ["", "u", "us", "user:"] {
        let header = format!("Authorization: Basic {}", base64(format!("{before}{CANARY}").as_bytes()));
        assert_eq!(forms_of(&header), ["base64"], "{header}");
    }
    assert_eq!(base64(b"Man"), "TWFu");
    assert_eq!(base64(b"Ma"), "TWE");
    assert!(forms_of("canary-7f3 and b").is_empty());
}
