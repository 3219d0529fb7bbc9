//! The scenarios, one file per topic.

#[cfg(target_os = "linux")]
mod addresses;
mod admission;
mod bad_input;
mod clock;
mod comeback;
mod door;
mod drain;
mod endings;
pub(crate) mod files;
mod http;
mod limits;
mod liveness;
mod presence;
mod rfc6455;
mod rooms;
mod slow;

use crate::Start;

pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Start),
}

/// The scenarios of a file. A scenario missing here is unused, so the compiler warns.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        pub(crate) const ALL: &[$crate::scenarios::Scenario] =
            &[$($crate::scenarios::Scenario { name: stringify!($name), run: $name }),*];
    };
}
use scenarios;

/// All scenarios, each with the name of its file.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static Scenario)> {
    [
        #[cfg(target_os = "linux")]
        ("addresses", addresses::ALL),
        ("admission", admission::ALL),
        ("bad_input", bad_input::ALL),
        ("clock", clock::ALL),
        ("comeback", comeback::ALL),
        ("door", door::ALL),
        ("drain", drain::ALL),
        ("endings", endings::ALL),
        ("files", files::ALL),
        ("http", http::ALL),
        ("limits", limits::ALL),
        ("liveness", liveness::ALL),
        ("presence", presence::ALL),
        ("rfc6455", rfc6455::ALL),
        ("rooms", rooms::ALL),
        ("slow", slow::ALL),
    ]
    .into_iter()
    .flat_map(|(module, scenarios)| scenarios.iter().map(move |scenario| (module, scenario)))
}
