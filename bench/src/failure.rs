//! Advice on failures, for Switchboard servers.

use std::collections::BTreeMap;

/// Bytes shown of a refusal's body.
const SHOWN: usize = 300;

/// Parts of a reason, and the setting behind each.
const SETTINGS: [(&str, &str); 7] = [
    ("server_full", "max_connections in [limits]"),
    ("lobby_full", "max_per_room in [limits]"),
    ("user_limit", "max_per_user in [limits]"),
    ("rate_limited", "messages_per_second and message_burst in [limits]"),
    ("slow_consumer", "outbox_bytes and outbox_messages in [limits]"),
    ("closed with 1009", "max_message_bytes in [limits]"),
    ("too_many_rooms", "max_rooms_per_connection in [limits]"),
];

/// Returns advice on the setting behind a reason.
pub(crate) fn advice(text: &str) -> Option<String> {
    let (_, setting) = SETTINGS.iter().find(|(word, _)| text.contains(word))?;
    Some(format!("on a Switchboard server that is {setting}; 0 switches a limit off"))
}

/// Formats an HTTP response other than 101 on one line.
pub(crate) fn refusal(status: u16, reason: &str, body: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(&body[..body.len().min(SHOWN)])
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    let text = format!("HTTP {status} {reason}");
    let shown = shown.trim();
    let separator = if shown.is_empty() { "" } else { ": " };
    format!("{}{separator}{shown}", text.trim())
}

/// Formats reasons, the most frequent first.
pub(crate) fn list(reasons: &BTreeMap<String, u64>) -> String {
    let mut sorted: Vec<_> = reasons.iter().collect();
    sorted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let lines = sorted.iter().map(|(why, count)| format!("{count} × {why}"));
    lines.collect::<Vec<_>>().join("; ")
}

/// Formats reasons with advice.
pub(crate) fn explain(reasons: &BTreeMap<String, u64>, samples: &[String]) -> String {
    let mut text = list(reasons);
    let errors: Vec<_> = samples.iter().filter(|sample| sample.contains("error")).collect();
    let advice = advice(&text).or_else(|| errors.iter().find_map(|sample| advice(sample)));
    if let Some(sample) = errors.first() {
        text.push_str(&format!("; the server said: {sample}"));
    }
    if let Some(advice) = advice {
        text.push_str(&format!("; {advice}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_shows_its_body_on_one_line() {
        assert_eq!(
            refusal(503, "Service Unavailable", b" fu\nll\n"),
            "HTTP 503 Service Unavailable: fu ll"
        );
        assert_eq!(refusal(404, "Not Found", b""), "HTTP 404 Not Found");
        assert_eq!(refusal(404, "", &[b'x'; 999]).len(), "HTTP 404: ".len() + SHOWN);
    }

    #[test]
    fn a_refusal_names_the_setting() {
        let reasons =
            [("closed with 4002 lobby_full".to_owned(), 2), ("the server hung up".to_owned(), 7)];
        let text = explain(&reasons.into(), &[]);
        assert_eq!(
            text,
            "7 × the server hung up; 2 × closed with 4002 lobby_full; on a Switchboard server that \
             is max_per_room in [limits]; 0 switches a limit off"
        );
        let samples = ["hello".to_owned(), r#"{"type":"error","code":"rate_limited"}"#.to_owned()];
        let text = explain(&BTreeMap::new(), &samples);
        assert!(
            text.contains("the server said: {") && text.contains("messages_per_second"),
            "{text}"
        );
    }
}
