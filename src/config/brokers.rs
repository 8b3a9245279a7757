//! What a list of brokers has to be, wherever it comes from: the file or the command line.

use super::error::Problem;

/// Checks a list of brokers that came from `key`.
pub(super) fn check_brokers(key: &str, brokers: &[String]) -> Result<(), Problem> {
    if brokers.is_empty() {
        return Err(Problem::new(key, "is empty; write at least one, such as `[\"127.0.0.1:9092\"]`"));
    }
    match brokers.iter().find(|broker| !is_host_and_port(broker)) {
        None => Ok(()),
        Some(broker) => {
            Err(Problem::new(key, format!("`{broker}` is not HOST:PORT; write one such as `127.0.0.1:9092`")))
        }
    }
}

fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let plain = |c: char| !c.is_whitespace() && !matches!(c, ',' | '/' | '"');
    !host.is_empty() && host.chars().all(plain) && port.parse::<u16>().is_ok_and(|port| port > 0)
}
