//! Configurations that contradict themselves.

use std::time::Duration;

use switchboard_core::{Config, ConfigError, History, Limit, Rate, RoomClass};

#[test]
fn each_contradiction_of_rules_is_named() {
    let check = |change: fn(&mut Config)| {
        let mut config = Config::default();
        change(&mut config);
        config.check().expect_err("it cannot work").to_string()
    };
    let kept = |age, bytes| RoomClass {
        history: History { age, bytes, ..History::default() },
        ..RoomClass::default()
    };
    assert_eq!(
        check(|c| c.limits.messages = Rate { per_second: 1, burst: 0 }),
        "the burst of messages must be at least 1"
    );
    assert_eq!(
        check(|c| c.limits.outlet_low_water = c.limits.outlet_high_water),
        "outlet_low_water must be below outlet_high_water"
    );
    assert_eq!(check(|c| c.limits.work_per_tick = 0), "work_per_tick must be at least 1");
    assert_eq!(
        check(|c| c.limits.max_rooms_per_connection = Limit::at_most(65_536)),
        "max_rooms_per_connection must be between 1 and 65535"
    );
    for class in [kept(Duration::ZERO, 1), kept(Duration::from_secs(1), 0)] {
        let config = Config { rooms: vec![("a".into(), class)], ..Config::default() };
        let error = config.check().expect_err("it keeps nothing").to_string();
        assert_eq!(error, "the history of rooms \"a\" has no age or no bytes");
    }
    for (error, text) in [
        (ConfigError::StaleBeforePing, "stale_after must be longer than the heartbeat interval"),
        (ConfigError::BurstBelowMessage, "the burst of bytes must be at least max_message_bytes"),
        (ConfigError::DuplicatePrefix("a".into()), "two room classes have the prefix \"a\""),
    ] {
        assert_eq!(error.to_string(), text);
    }
}
