//! The wall clock, as a loop tells of it in every turn.

use std::time::Duration;

use switchboard_core::{Codec, Payload, WallClock};

use crate::outlets::*;

const START: u64 = 1_790_000_000_000;

#[test]
fn the_hub_is_told_only_if_the_clock_is_further_off_than_50_ms() {
    let mut config = config();
    config.unix_ms_at_start = START;
    let mut driver = driver(config);
    let told = |driver: &switchboard_core::Driver<Fake>| driver.hub().wall_clock();
    let at_start = WallClock { at: NOW, unix_ms: START };
    let later = NOW + Duration::from_secs(1);
    for unix_ms in [START + 1_000, START + 1_050, START + 950] {
        driver.sync_wall_clock(later, unix_ms);
        assert_eq!(told(&driver), at_start, "{unix_ms}");
    }
    driver.sync_wall_clock(later, START + 1_051);
    assert_eq!(told(&driver), WallClock { at: later, unix_ms: START + 1_051 });
    // From there it counts on, and is not told again.
    driver.sync_wall_clock(later + Duration::from_secs(1), START + 2_001);
    assert_eq!(told(&driver).at, later);
    driver.sync_wall_clock(later + Duration::from_secs(1), START + 2_000);
    assert_eq!(told(&driver).unix_ms, START + 2_000);
    driver.sync_wall_clock(later, 0);
    assert_eq!(told(&driver).unix_ms, 0);
}

#[test]
fn the_message_after_it_has_the_new_time() {
    let mut config = config();
    config.unix_ms_at_start = START;
    let mut driver = driver(config);
    let (_, socket) = open(&mut driver, Codec::Json, &["lobby"]);
    let text = Payload::null();
    publish(&mut driver, "lobby", text.clone());
    driver.sync_wall_clock(NOW, START + 3_600_000);
    publish(&mut driver, "lobby", text);
    while driver.flush(NOW, 1) {}
    let texts = payloads(&socket);
    let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
    let [_, before, after] = &texts[..] else { panic!("{texts:?}") };
    assert!(before.contains(r#""timestamp":1790000000000"#), "{before}");
    assert!(after.contains(r#""timestamp":1790003600000"#), "{after}");
}
